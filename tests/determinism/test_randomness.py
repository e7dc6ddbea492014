"""Inside a handler every random choice comes from the run's seed."""

from __future__ import annotations

import os
import random
import secrets
import uuid
from collections.abc import Callable
from random import random as random_taken_before_the_guard

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relive.engine.determinism import driver, gate

from .conftest import Observe, RunHandler, make_run


def shuffled() -> list[int]:
    numbers = list(range(10))
    random.shuffle(numbers)
    return numbers


def seeded_again() -> float:
    random.seed()
    return random.random()


SOURCES: dict[str, Callable[[], object]] = {
    "random": random.random,
    "random by name": lambda: random_taken_before_the_guard(),
    "randint": lambda: random.randint(1, 10**9),
    "choices": lambda: random.choices("abcdef", k=20),
    "shuffle": shuffled,
    "getstate": random.getstate,
    "seed from the system": seeded_again,
    "a generator of one's own": lambda: random.Random().random(),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "urandom": lambda: os.urandom(100),
    "uuid4": uuid.uuid4,
    "secrets": lambda: secrets.token_urlsafe(40),
    "secrets below": lambda: secrets.randbelow(10**9),
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_seed_draws_the_same_and_another_seed_differs(run_handler: RunHandler, source: str) -> None:
    async def handler() -> object:
        return SOURCES[source]()

    assert run_handler(handler) == run_handler(handler)
    assert run_handler(handler) != run_handler(handler, seed=8)


@pytest.mark.parametrize("source", SOURCES)
def test_a_run_remembers_that_it_drew(observe: Observe, source: str) -> None:
    async def handler() -> object:
        return SOURCES[source]()

    assert observe(handler).looked_at_randomness


def test_two_draws_of_one_run_differ(run_handler: RunHandler) -> None:
    async def handler() -> bool:
        return uuid.uuid4() == uuid.uuid4() or os.urandom(8) == os.urandom(8) or random.random() == random.random()

    assert run_handler(handler) is False


def test_seeding_inside_a_handler_reaches_that_run_only(run_handler: RunHandler) -> None:
    async def handler() -> float:
        random.seed(1)
        return random.random()

    state = random.getstate()

    assert run_handler(handler) == random.Random(1).random()
    assert random.getstate() == state


def test_outside_handlers_randomness_is_random() -> None:
    assert random.random() != random.random()
    assert uuid.uuid4() != uuid.uuid4()
    assert os.urandom(16) != os.urandom(16)
    assert random.Random().random() != random.Random().random()
    assert uuid.uuid1() != uuid.uuid1()


def test_uuid4_is_a_valid_uuid(run_handler: RunHandler) -> None:
    async def handler() -> object:
        return uuid.uuid4().version

    assert run_handler(handler) == 4


def test_entropy_depends_on_the_secret() -> None:
    with_one, with_other = (gate.Run(1, b"seed", "query", "a:b", secret) for secret in (b"one", b"other"))

    assert with_one.entropy(32) != with_other.entropy(32)


def test_entropy_needs_a_secret() -> None:
    with pytest.raises(AssertionError, match="predict"):
        gate.Run(1, b"seed", "query", "a:b", b"").entropy(8)


@given(sizes=st.lists(st.integers(0, 200), max_size=8))
def test_entropy_gives_as_much_as_was_asked_for_and_never_repeats(sizes: list[int]) -> None:
    run = make_run()

    drawn = [run.entropy(size) for size in sizes]

    assert [len(part) for part in drawn] == sizes
    long = [part for part in drawn if len(part) >= 16]
    assert len(set(long)) == len(long)


@given(seed=st.binary(min_size=16, max_size=16))
def test_the_seed_decides_everything(seed: bytes) -> None:
    async def handler() -> object:
        return random.random(), uuid.uuid4(), secrets.token_hex(3)

    def run() -> gate.Run:
        return gate.Run(1, seed, "mutation", "a:b", b"secret")

    assert driver.drive(handler, run) == driver.drive(handler, run)
