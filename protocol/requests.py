"""What one socket asks of the engine, after ``ServerSession`` has checked that it is legal now.

They are to be acted upon in the order given: an ``Authenticated`` is settled before anything after it runs,
and each other request has the identity that was settled when it arrived.
"""

from __future__ import annotations

from attrs import frozen

from .messages import Token


@frozen
class Connected:
    """The client said who it is.  Refuse it if it has seen a later time than ours."""

    session_id: bytes
    """16 bytes."""
    connection_count: int
    last_close_reason: str | None
    max_observed: int | None
    """Nanoseconds."""


@frozen
class Subscribe:
    """A query became live; it has to be among the results of the next transition."""

    query_id: int
    path: str
    args: list[object]
    component_path: str
    journal: str | None


@frozen
class Unsubscribe:
    """A query is no longer live."""

    query_id: int


@frozen
class RunMutation:
    """Run after every earlier mutation of this socket, then ``answer_mutation``."""

    request_id: int
    path: str
    args: list[object]
    component_path: str


@frozen
class RunAction:
    """Run at once, then ``answer_action``."""

    request_id: int
    path: str
    args: list[object]
    component_path: str


@frozen
class Authenticated:
    """The client claims an identity.  Check the token, then call ``authenticated`` or ``auth_rejected``."""

    token: Token


Request = Connected | Subscribe | Unsubscribe | RunMutation | RunAction | Authenticated
