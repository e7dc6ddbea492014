"""For tests of an app: the engine that serves it, in memory, call by call; see `TestApp`.

    from relive.testing import TestApp

    def test_a_message_is_shown() -> None:
        with TestApp("chat") as app:
            watch = app.watch("messages:list")
            app.mutation("messages:send", body="hello")
            assert [row["body"] for row in watch.latest] == ["hello"]

With pytest a fixture is made of it once, in ``conftest.py``; each test gets a new and empty app:

    from pathlib import Path
    from relive.testing import app_fixture

    relive_app = app_fixture(Path(__file__).parent.parent / "chat")

    def test_nobody_has_said_anything(relive_app: TestApp) -> None:
        assert relive_app.query("messages:list") == []
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from .engine.errors import FunctionFailed as FunctionFailed
from .engine.fetched import Fetched as Fetched
from .engine.recorded import RecordedRun as RecordedRun
from .engine.recorded import run_recorded as run_recorded
from .engine.testing import START as START
from .engine.testing import TestApp as TestApp
from .engine.watched import Watch as Watch

__all__ = ["Fetched", "FunctionFailed", "RecordedRun", "START", "TestApp", "Watch", "app_fixture", "run_recorded"]


def app_fixture(
    source: str | Path | ModuleType | Mapping[str, str],
    *,
    seed: int = 0,
    start: datetime = START,
    env: Mapping[str, str] | None = None,
    twice: bool = True,
) -> Any:
    """A pytest fixture that gives each test a `TestApp` of its own.  Needs pytest.

    Assign it, in a ``conftest.py`` or in the module of the tests, to the name that tests ask for.
    """
    import pytest  # Here, so that nothing else of relive needs it.

    @pytest.fixture
    def relive_app() -> Iterator[TestApp]:
        with TestApp(source, seed=seed, start=start, env=env, twice=twice) as app:
            yield app

    return relive_app
