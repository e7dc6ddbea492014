"""An app that schedules, served; and what a disk that is held up, a stop and a pause do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from relive.engine.application.app import App, load_bundle
from relive.engine.application.bundle import bundle_of
from relive.engine.determinism import driver

from ..server.harness import Running, serve

driver.install([])

SOURCE = (Path(__file__).parent / "served.py").read_bytes()


@pytest.fixture(scope="session")
def app() -> App:
    return load_bundle("served", bundle_of("served", {"main": SOURCE}))


@pytest.fixture
async def running(app: App) -> AsyncIterator[Running]:
    async with serve(app) as running:
        yield running
