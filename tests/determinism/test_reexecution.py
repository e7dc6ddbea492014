"""Running twice and comparing finds what no guard sees."""

# Handlers here do on purpose what handlers should not.
# ruff: noqa: ASYNC251

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Coroutine

import pytest
from relive.engine.determinism import driver, reexecution
from relive.engine.determinism.errors import DeterminismViolation, Irreproducible
from relive.engine.determinism.reexecution import Step, Trace

from .conftest import make_run


class Thing:
    """Compared and hashed by its address."""

    def __init__(self, number: int) -> None:
        self.number = number


class Context:
    """As much of a ctx as these tests need."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    async def get(self, key: str) -> str:
        self.trace.record("db.get", key.encode())
        return f"value of {key}"

    async def insert(self, value: object) -> None:
        self.trace.record("db.insert", repr(value).encode())


Handler = Callable[[Context], Coroutine[object, None, object]]

calls = itertools.count()
cache: dict[str, str] = {}


async def clean(ctx: Context) -> object:
    await ctx.insert((await ctx.get("a"), random.random(), time.time()))
    return sorted({"red", "green"})


async def counter(ctx: Context) -> None:
    await ctx.get("a")
    await ctx.insert(next(calls))


async def cached(ctx: Context) -> str:
    if "a" not in cache:
        cache["a"] = await ctx.get("a")
    return cache["a"]


async def order_of_objects(ctx: Context) -> list[int]:
    return [thing.number for thing in {Thing(number) for number in range(20)}]


async def address(ctx: Context) -> str:
    return repr(Thing(1))


async def default_argument(ctx: Context, kept: list[int] = []) -> int:  # noqa: B006
    kept.append(1)
    return len(kept)


def twice(handler: Handler) -> object:
    def attempt(trace: Trace) -> object:
        return driver.drive(lambda: handler(Context(trace)), make_run)

    return reexecution.run_twice(handler.__name__, attempt, lambda result: repr(result).encode())


def test_a_deterministic_handler_gives_its_result() -> None:
    assert twice(clean) == ["green", "red"]


@pytest.mark.parametrize("handler", [counter, cached, order_of_objects, address, default_argument])
def test_a_handler_that_depends_on_more_than_its_arguments_is_found(handler: Handler) -> None:
    with pytest.raises(Irreproducible, match=f"`{handler.__name__}` is not deterministic"):
        twice(handler)


def test_the_first_step_that_differs_is_shown() -> None:
    with pytest.raises(Irreproducible) as caught:
        twice(counter)

    error = caught.value
    assert (error.name, error.position) == ("counter", 2)
    assert error.first.startswith("db.insert ")
    assert int(error.second.split()[-1]) == int(error.first.split()[-1]) + 1


def test_a_step_that_is_missing_is_shown() -> None:
    more, fewer = Trace([Step("db.get", b"a"), Step("return", b"1")]), Trace([Step("db.get", b"a")])

    difference = reexecution.compare("f", more, fewer)

    assert difference is not None
    assert (difference.position, difference.first, difference.second) == (2, "return 1", "nothing more")


def test_the_same_exception_twice_is_raised() -> None:
    async def fails(ctx: Context) -> None:
        raise ValueError("own")

    with pytest.raises(ValueError, match="own"):
        twice(fails)


def test_different_exceptions_are_a_difference() -> None:
    async def fails(ctx: Context) -> None:
        raise ValueError(next(calls))

    with pytest.raises(Irreproducible, match="raise ValueError"):
        twice(fails)


def test_a_violation_passes_through() -> None:
    async def sleeps(ctx: Context) -> None:
        time.sleep(1)

    with pytest.raises(DeterminismViolation):
        twice(sleeps)


def test_equal_traces_have_equal_digests_and_others_do_not() -> None:
    one, same = Trace([Step("a", b"bc")]), Trace([Step("a", b"bc")])
    shifted = Trace([Step("ab", b"c")])

    assert reexecution.digest(one) == reexecution.digest(same) != reexecution.digest(shifted)
    assert len(reexecution.digest(one)) == reexecution.DIGEST_BYTES
