"""How a handler is stopped, and what a server is told when it cannot keep handlers deterministic.

BaseException                     not Exception: `except Exception` in a handler must not hide these
└── Interruption                  a handler was stopped; sticks to the run however the handler ends
    ├── DeterminismViolation      it did what could come out differently when it is run again
    ├── LimitExceeded             it used more time or memory than one handler may
    └── NeedImport                internal: import a module outside the gate, then start again
ReliveError
├── Irreproducible                a handler ran twice on the same snapshot and differed
├── LimitsUnavailable             this thread or platform cannot limit handlers
├── HashSeedUnavailable           the interpreter cannot be started with the hash seed asked for
└── TrioChanged                   this version of trio does not work as the driver needs
"""

from __future__ import annotations

from attrs import define

from ...protocol.errors import ReliveError


class Interruption(BaseException):
    """A handler was stopped.  Abort its transaction; tell the developer."""


@define(auto_exc=True)
class DeterminismViolation(Interruption):
    """A query or mutation did what it may not do.  Show it to the developer: the message says the remedy."""

    what: str
    """The call, as in ``open('/etc/hostname')``."""
    where: str
    """File, line and function of the user's code."""
    kind: str
    """``query`` or ``mutation``."""
    hint: str

    def __str__(self) -> str:
        return f"{self.what} is not allowed in {with_article(self.kind)}\n  at {self.where}\n  {self.hint}"


@define(auto_exc=True)
class LimitExceeded(Interruption):
    """A handler used too much CPU or memory.  Abort it; running it again would end the same way."""

    what: str
    """Which handler and which limit, as in ``query `chat:list` used more than 1 s of CPU``."""
    where: str
    hint: str

    def __str__(self) -> str:
        return f"{self.what}\n  at {self.where}\n  {self.hint}"


@define(auto_exc=True)
class NeedImport(Interruption):
    """Internal to the driver: a module that is not loaded yet was imported inside a handler."""

    name: str

    def __str__(self) -> str:
        return f"{self.name} must be imported outside the handler"


@define(auto_exc=True)
class Irreproducible(ReliveError):
    """A handler gave another trace when it was run again.  Find what it depends on beside its arguments."""

    name: str
    position: int
    """Which step differed first, counted from 1."""
    first: str
    second: str

    def __str__(self) -> str:
        return (
            f"`{self.name}` is not deterministic: step {self.position} differed when it was run again\n"
            f"  first:  {self.first}\n  second: {self.second}\n"
            "  Look for object addresses, iteration over sets, counters and caches kept between calls."
        )


@define(auto_exc=True)
class LimitsUnavailable(ReliveError):
    """Handlers cannot be limited here.  Arm limits on the main thread of a POSIX system, or run without."""

    problem: str

    def __str__(self) -> str:
        return f"CPU and memory limits are not available: {self.problem}"


@define(auto_exc=True)
class HashSeedUnavailable(ReliveError):
    """The interpreter cannot get the deployment's hash seed.  Start it the ordinary way."""

    seed: int
    problem: str

    def __str__(self) -> str:
        return f"cannot start Python with PYTHONHASHSEED={self.seed}: {self.problem}"


@define(auto_exc=True)
class TrioChanged(ReliveError):
    """trio keeps its current task elsewhere now.  Use a version of trio that relive was tested with."""

    version: str
    problem: str

    def __str__(self) -> str:
        return f"trio {self.version} cannot be hidden from handlers: {self.problem}. Install another version."


def with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
