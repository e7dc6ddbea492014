"""The codes that commands end with; `relive --help` lists them."""

from __future__ import annotations

FAILED = 1
USAGE = 2
IN_USE = 3
APP_REFUSED = 4
DAMAGED = 5
INTERRUPTED = 130
