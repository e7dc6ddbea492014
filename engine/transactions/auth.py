"""``ctx.auth``: who asks.

    identity = await ctx.auth.get_user_identity()
    if identity is None:
        raise ApplicationError("sign in first")

Whether a function looked is part of what its result depends on. A query that did not look is the same
for everybody; one that did is run for each identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define

from ..authentication.identity import Identity


class IdentityNeeded(BaseException):
    """A query that was run for everybody at once has asked who asks: it must be run for each.

    Not an `Exception`: a handler must not take it for an error of its own.
    """


@define(eq=False)
class Viewer:
    """Who asks, in one run of a function."""

    identity: Identity | None
    """None if nobody has signed in."""
    everybody: bool = False
    """Whether the run is on behalf of whoever asks the same: then there is no identity to look at."""
    looked: bool = False
    """Whether the function has looked."""

    @property
    def seen(self) -> bytes | None:
        """What an entry keeps: the identity that was looked at; an empty object of nobody; None if not looked at."""
        if not self.looked:
            return None
        return self.identity.encoded if self.identity is not None else NOBODY


NOBODY = b"\xa0"
"""An identity without attributes, as canonical CBOR."""


class Auth:
    """Who asks, for a function that wants to know."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    async def get_user_identity(self) -> Identity | None:
        """The identity that the client's token proves; None if the client has not signed in.

        Functions that are scheduled, and crons, have none: pass on what they need to know.
        """
        self._viewer.looked = True
        if self._viewer.everybody:
            raise IdentityNeeded
        return self._viewer.identity


class ActionAuth(Auth):
    """Who asks, and tokens for those who have shown who they are."""

    def __init__(self, viewer: Viewer, sign: Callable[[str, Mapping[str, Any], float], str]) -> None:
        super().__init__(viewer)
        self._sign = sign

    async def issue_token(self, subject: str, *, lifetime: float = 3_600, claims: Mapping[str, Any] = {}) -> str:
        """A token that proves its bearer to be ``subject``, such as the id of an account, for ``lifetime`` seconds.

        Clients bring it with ``setAuth``; ``claims`` become attributes of the identity (``name``, ``email``, ...).
        It cannot be taken back: make it short-lived, and give another for something that can be, such as a row
        of a table of sessions.

        Raises FunctionError if the app's ``auth_config`` has no `OwnTokens`, ValueError for a lifetime over 30 days,
        and for claims that a token cannot have.
        """
        return self._sign(subject, claims, lifetime)
