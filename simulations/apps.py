"""The app that is simulated, in all of its versions."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from ..engine.application.app import App, load_bundle
from ..engine.application.bundle import bundle_of, read_bundle

HERE = Path(__file__).parent
LATER: Final = ("second", "third")
"""Modules of `versions`, each in place of the app's module `items`."""


@cache
def versions() -> tuple[App, ...]:
    """The oldest first."""
    first = read_bundle(HERE / "app").source
    sources = [first, *({**first, "items": (HERE / "versions" / f"{name}.py").read_bytes()} for name in LATER)]
    return tuple(load_bundle("app", bundle_of("app", source)) for source in sources)


def version_of(code: bytes) -> int:
    """Which version has this hash, from 1; the first for the code of another app."""
    return next((number for number, app in enumerate(versions(), 1) if app.code == code), 1)
