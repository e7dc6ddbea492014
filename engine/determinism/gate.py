"""The gate: is this thread inside a handler right now, and what does that handler's run see?

There is one gate for the process, a slot object rather than a context variable, because handlers
never suspend and are driven one after another: reading a slot costs 2 ns, and it cannot leak into
tasks.  Every hook and replacement asks ``GATE.run`` first and does nothing if it is None.

Invariants
    * ``GATE.run`` is set only while ``driver.drive`` is inside a handler on thread ``GATE.thread``.
    * ``GATE.engine`` is above 0 only while the engine's own code runs on behalf of that handler.
    * ``GATE.violation`` keeps the first interruption, whatever the handler does with the exception.
"""

from __future__ import annotations

import _thread
from hashlib import blake2b
from random import Random

from attrs import Factory, define, field

from ...protocol.limits import LOG_LINE_CHARS_MAX, LOG_LINES_MAX
from .errors import Interruption

ENTROPY_BLOCK_BYTES = 64

CUT_OFF = " (truncated due to length)"
"""Ends a log line that was too long; tools of Convex know the words."""
TOO_MANY = f"Log overflow (maximum {LOG_LINES_MAX}). Remaining log lines omitted."

get_ident = _thread.get_ident

enabled = True
"""The debug switch.  Set ``gate.enabled = False`` and nothing is refused and nothing limited, so that a
debugger works inside a handler; clock and randomness stay those of the run."""


@define(eq=False)
class Run:
    """What one run of one handler sees: its clock, its randomness, its log.

    The same ``clock_ns``, ``seed`` and ``secret`` give the same run.
    """

    clock_ns: int
    """Nanoseconds since the Unix epoch; stands still for the whole run."""
    seed: bytes
    kind: str
    """``query`` or ``mutation``, for messages."""
    name: str
    """``folder/module:function``, for messages."""
    secret: bytes
    """The deployment's secret, 1 to 64 bytes: what makes ``entropy`` impossible to predict for clients."""
    logs: list[tuple[str, str]] = Factory(list)
    """(level, text) of what the handler printed and logged; levels DEBUG, INFO, WARN, ERROR, LOG."""
    looked_at_clock: bool = False
    looked_at_randomness: bool = False
    _random: Random | None = field(default=None, init=False)
    _entropy_blocks: int = field(default=0, init=False)

    @property
    def random(self) -> Random:
        """The run's generator, made on first use; ``random.*`` draws from it inside the handler."""
        self.looked_at_randomness = True
        generator = self._random
        if generator is None:
            digest = blake2b(self.seed, digest_size=32, person=b"random").digest()
            generator = self._random = Random(int.from_bytes(digest, "big"))
        return generator

    def entropy(self, count: int) -> bytes:
        """``count`` bytes as ``os.urandom`` and ``secrets`` give them inside the handler.

        BLAKE2b keyed with the secret, in counter mode: a client who sees some cannot predict the rest.
        """
        assert self.secret, "without a secret anybody could predict tokens"
        if count < 0:
            raise ValueError("negative argument not allowed")
        self.looked_at_randomness = True
        parts = []
        for block in range(self._entropy_blocks, self._entropy_blocks + -(-count // ENTROPY_BLOCK_BYTES)):
            message = self.seed + block.to_bytes(8, "big")
            parts.append(blake2b(message, key=self.secret, person=b"entropy").digest())
        self._entropy_blocks += len(parts)
        return b"".join(parts)[:count]

    def log(self, level: str, text: str) -> None:
        """Keep one log line."""
        keep_line(self.logs, level, text)


def keep_line(lines: list[tuple[str, str]], level: str, text: str) -> None:
    """Keep one log line, shortened if it is very long; the last that there is room for says so."""
    count = len(lines)
    if count < LOG_LINES_MAX - 1:
        if len(text) > LOG_LINE_CHARS_MAX:
            text = text[: LOG_LINE_CHARS_MAX - len(CUT_OFF)] + CUT_OFF
        lines.append((level, text))
    elif count == LOG_LINES_MAX - 1:
        lines.append(("ERROR", TOO_MANY))


@define(eq=False)
class Gate:
    """The one mutable thing that hooks look at.  Only ``driver`` and ``limits`` write to it."""

    run: Run | None = None
    thread: int = 0
    """Which thread runs the handler; other threads are none of our business."""
    engine: int = 0
    """How many engine sections are open inside the handler."""
    violation: Interruption | None = None


GATE = Gate()


def active_run() -> Run | None:
    """The run that this very code belongs to; None outside handlers, in engine sections, on other threads."""
    run = GATE.run
    if run is None or GATE.engine or get_ident() != GATE.thread:
        return None
    return run


def stick(interruption: Interruption) -> Interruption:
    """Remember the first interruption of this run, so that swallowing the exception does not help."""
    if GATE.violation is None:
        GATE.violation = interruption
    return interruption


class EngineSection:
    """``with engine_section:`` marks the engine's own code, called by a handler, that may use clocks, files.

    Nests.  On threads that run no handler it does nothing.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        if get_ident() == GATE.thread:
            GATE.engine += 1

    def __exit__(self, *exception: object) -> None:
        # A section may have been opened before the handler began; the count must not go below 0.
        if GATE.engine and get_ident() == GATE.thread:
            GATE.engine -= 1


engine_section = EngineSection()
