"""Handlers of these tests run guarded, as those of an app do."""

from __future__ import annotations

from relive.engine.determinism import driver

driver.install([])
