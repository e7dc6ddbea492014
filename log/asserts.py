"""The assertions are load-bearing: refuse to run without them."""

from __future__ import annotations

from .errors import AssertsOff


def require_asserts() -> None:
    """Raise ``AssertsOff`` if Python was started with ``-O``."""
    if not __debug__:
        raise AssertsOff
