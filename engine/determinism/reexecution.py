"""Runs a handler twice on the same snapshot and compares what it did, step by step.

This catches what no guard sees: counters and caches kept between calls, object addresses, generators
of native libraries.  It costs one more run, so it is for development (`relive dev`) and tests.
Sets of text keep their order within a process; compare ``digest`` between processes for those.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from itertools import zip_longest
from typing import TypeVar

from attrs import Factory, define, frozen

from .errors import Interruption, Irreproducible

R = TypeVar("R")

DIGEST_BYTES = 16
SHOWN_CHARS_MAX = 300
BYTES_OVERHEAD = 33
OBJECTS_OF_EACH_SIZE = 32
SMALL_BYTES_MAX = 512
"""CPython's small objects come from pools, one for every 16 bytes of size up to this."""


@frozen
class Step:
    """One thing that a handler did: a ctx call with its arguments and answer, or how it ended."""

    call: str
    """As in ``db.insert``; ``return`` or ``raise`` at the end."""
    detail: bytes
    """Canonical encoding: equal bytes mean the same."""

    def __str__(self) -> str:
        text = self.detail.decode("utf-8", errors="backslashreplace")
        return f"{self.call} {text[:SHOWN_CHARS_MAX]}"


@define
class Trace:
    """What one run did, in order."""

    steps: list[Step] = Factory(list)

    def record(self, call: str, detail: bytes) -> None:
        self.steps.append(Step(call, detail))


def run_twice(name: str, attempt: Callable[[Trace], R], encode: Callable[[R], bytes]) -> R:
    """The result of the first run, if the second did the same.

    ``attempt`` runs the handler once from the same snapshot, clock and seed, and records its ctx calls.
    Raises Irreproducible; if both runs raise the same exception, that.  Interruptions pass through.
    """
    first, second = Trace(), Trace()
    ballast = _take_addresses()
    outcome = _run(attempt, encode, first)
    ballast.clear()
    _run(attempt, encode, second)
    difference = compare(name, first, second)
    if difference is not None:
        raise difference
    if isinstance(outcome, _Raised):
        raise outcome.error
    return outcome


def _take_addresses() -> list[object]:
    """Objects of every small size.  Freed between two runs, they leave their addresses to the second one.

    Memory that was freed last is given out first, so without this both would often get the same addresses.
    """
    kept: list[object] = []
    for _ in range(OBJECTS_OF_EACH_SIZE):
        kept.extend(bytes(size - BYTES_OVERHEAD) for size in range(48, SMALL_BYTES_MAX + 1, 16))
        kept.extend((object(), [], {}, set[object](), float(len(kept))))
    return kept


@frozen
class _Raised:
    error: Exception


def _run(attempt: Callable[[Trace], R], encode: Callable[[R], bytes], trace: Trace) -> R | _Raised:
    try:
        result = attempt(trace)
    except Interruption:
        raise
    except Exception as error:
        trace.record("raise", f"{type(error).__qualname__}: {error}".encode("utf-8", errors="backslashreplace"))
        return _Raised(error)
    trace.record("return", encode(result))
    return result


def compare(name: str, first: Trace, second: Trace) -> Irreproducible | None:
    """The first step in which two traces differ; None if they are the same."""
    for position, (one, other) in enumerate(zip_longest(first.steps, second.steps), start=1):
        if one != other:
            return Irreproducible(name, position, _show(one), _show(other))
    return None


def _show(step: Step | None) -> str:
    return "nothing more" if step is None else str(step)


def digest(trace: Trace) -> bytes:
    """16 bytes that are equal, between processes too, exactly when the traces are."""
    state = blake2b(digest_size=DIGEST_BYTES)
    for step in trace.steps:
        for part in (step.call.encode(), step.detail):
            state.update(len(part).to_bytes(8, "big"))
            state.update(part)
    return state.digest()
