"""What can go wrong between a client and us, and what the caller can do about each.

ReliveError                    base of everything raised on purpose
├── InvalidValue               a value outside the value model; carries the path into it
├── InvalidId                  text that is not a document id
├── InvalidPath                text that is not a function path
└── ProtocolError              the peer broke the sync protocol; the socket must close
"""

from __future__ import annotations

from attrs import define


class ReliveError(Exception):
    """Base of every error that relive raises on purpose."""


@define(auto_exc=True)
class InvalidValue(ReliveError):
    """A value that the value model does not hold.  Fix the value at ``path``."""

    path: str
    """Where in the value, as ``$.tags[3]``; ``$`` is the value itself."""
    problem: str

    def __str__(self) -> str:
        return f"{self.problem} (at {self.path})"


@define(auto_exc=True)
class InvalidId(ReliveError):
    """Text that is not a document id.  Pass an id as the server gave it."""

    text: str
    problem: str

    def __str__(self) -> str:
        return f"{self.text!r} is not a document id: {self.problem}"


@define(auto_exc=True)
class InvalidPath(ReliveError):
    """Text that is not a function path.  Write ``folder/module:function``."""

    text: str
    problem: str

    def __str__(self) -> str:
        return f"{self.text!r} is not a function path: {self.problem}"


@define(auto_exc=True)
class ProtocolError(ReliveError):
    """The peer broke the sync protocol.  Send it ``FatalError`` and close the socket."""

    code: str
    """Short and stable, for example ``BaseVersionMismatch``."""
    problem: str

    def __str__(self) -> str:
        return f"{self.code}: {self.problem}"
