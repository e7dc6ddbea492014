"""What every test here needs: the guard installed with this folder as the user's code, and ways to run a handler."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Protocol

import pytest
from relive.engine.determinism import driver, gate
from relive.engine.determinism.errors import DeterminismViolation

FOLDER = Path(__file__).parent

driver.install([str(FOLDER)])

Handler = Callable[[], Coroutine[object, None, object]]

CLOCK_NS = 1_700_000_000_123_456_789
"""2023-11-14 22:13:20.123456 UTC."""


def make_run(seed: int = 7) -> gate.Run:
    return gate.Run(CLOCK_NS, seed.to_bytes(16, "big"), "query", "tests:handler", b"secret of the tests")


class RunHandler(Protocol):
    """Runs a handler and gives its result."""

    def __call__(self, handler: Handler, seed: int = 7) -> object: ...


Call = Callable[[Callable[[], object]], object]
"""Runs a plain function inside a handler and gives its result."""
Refuse = Callable[[Handler, str], DeterminismViolation]
"""Runs a handler that must be refused with a message matching the text."""
Observe = Callable[[Handler], gate.Run]
"""Runs a handler and gives what its run saw."""


@pytest.fixture
def run_handler() -> RunHandler:
    def run(handler: Handler, seed: int = 7) -> object:
        return driver.drive(handler, lambda: make_run(seed))

    return run


@pytest.fixture
def call(run_handler: RunHandler) -> Call:
    def call(function: Callable[[], object]) -> object:
        async def handler() -> object:
            return function()

        return run_handler(handler)

    return call


@pytest.fixture
def observe() -> Observe:
    def observe(handler: Handler) -> gate.Run:
        run = make_run()
        driver.drive(handler, lambda: run)
        return run

    return observe


@pytest.fixture
def refuse(run_handler: RunHandler, request: pytest.FixtureRequest) -> Refuse:
    def refuse(handler: Handler, match: str) -> DeterminismViolation:
        with pytest.raises(DeterminismViolation, match=match) as caught:
            run_handler(handler)
        assert request.path.name in caught.value.where, "the message must name the user's file"
        return caught.value

    return refuse


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty site-packages folder on the import path."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder
