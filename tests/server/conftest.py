"""Fixtures for tests of the server: the app, loaded once, and a server that serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from relive.engine.application.app import App, load_app
from relive.engine.determinism import driver

from .harness import Running, serve

FOLDER = Path(__file__).parent

driver.install([])


@pytest.fixture(scope="session")
def app() -> App:
    return load_app(FOLDER / "app")


@pytest.fixture
async def running(app: App) -> AsyncIterator[Running]:
    async with serve(app) as running:
        yield running
