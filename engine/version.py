"""The version of the engine, recorded in every entry."""

from __future__ import annotations

ENGINE_VERSION = "0.1.0"
