"""Why nobody is let in.

ReliveError
├── TokenRejected        the token proves nothing here; another may
└── KeysUnavailable      the provider's keys could not be had, so nothing can be said about the token now
"""

from __future__ import annotations

from attrs import define

from ...protocol.errors import ReliveError


@define(auto_exc=True)
class TokenRejected(ReliveError):
    """A token that is no token, is not of a configured provider, or is not valid now.  Get another one."""

    code: str
    """Stable, in capitals: ``InvalidAuthHeader``, ``NoAuthProvider``, ..."""
    problem: str

    def __str__(self) -> str:
        return self.problem


@define(auto_exc=True)
class KeysUnavailable(ReliveError):
    """The keys of an identity provider could not be fetched or read.  Try again later, or look at the provider."""

    url: str
    problem: str

    def __str__(self) -> str:
        return f"the keys of the identity provider could not be had from {self.url}: {self.problem}"
