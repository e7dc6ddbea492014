"""What type checkers allow and refuse in an app, in strict mode, against the installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from .checkers import differences, marked, mypy, pyright

USED = ("typed_app/schema.py", "typed_app/functions.py", "typed_app/mistakes.py", "typed_app/counts.py")
PATCHES = "typed_app/patches.py"
OLD, NEW = "3.11", "3.13"


def test_mypy_refuses_every_mistake_and_nothing_else(folder: Path, wheel_python: Path, mypy_cache: Path) -> None:
    found = mypy(wheel_python, folder, *USED, version=OLD, cache=mypy_cache)

    assert differences(found, marked(folder, *USED, by="mypy")) == []


def test_pyright_refuses_every_mistake_and_nothing_else(folder: Path, wheel_python: Path) -> None:
    found = pyright(wheel_python, folder, *USED, version=OLD)

    assert differences(found, marked(folder, *USED, by="pyright")) == []


@pytest.mark.parametrize("version", [OLD, NEW])
def test_patches_are_typed_where_python_is_new_enough(
    folder: Path, wheel_python: Path, mypy_cache: Path, version: str
) -> None:
    expected = marked(folder, PATCHES, by="both") if version == NEW else {}

    by_pyright = pyright(wheel_python, folder, PATCHES, version=version)
    by_mypy = mypy(wheel_python, folder, PATCHES, version=version, cache=mypy_cache)
    assert differences(by_pyright, expected) == []
    assert differences(by_mypy, expected) == []
