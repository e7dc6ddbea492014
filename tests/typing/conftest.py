"""The app whose types are checked, where a user of the wheel would have it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ..one_at_a_time import one_at_a_time
from .checkers import python_with_wheel

APP = Path(__file__).parent / "app"


@pytest.fixture(scope="session")
def wheel_python(request: pytest.FixtureRequest) -> Path:
    assert request.config.cache is not None
    cache = request.config.cache.mkdir("wheel")
    with one_at_a_time(cache):
        return python_with_wheel(cache)


@pytest.fixture(scope="session")
def mypy_cache(request: pytest.FixtureRequest) -> Path:
    assert request.config.cache is not None
    return request.config.cache.mkdir("mypy")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the package ``typed_app``."""
    where = tmp_path_factory.mktemp("typing")
    shutil.copytree(APP, where / "typed_app", ignore=shutil.ignore_patterns("__pycache__"))
    return where
