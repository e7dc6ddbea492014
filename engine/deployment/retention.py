"""How long the tables of a deployment keep old versions of their documents, as its entry in the log says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...log.entry import Timestamp
from ...log.retention import DocumentKey, Retention
from ...protocol import cbor

DAY_NS = 86_400 * 1_000_000_000
NOTHING: frozenset[DocumentKey] = frozenset()


def history_days(deployment: bytes) -> dict[str, float]:
    """By table, how many days old versions are kept, as the code deployed last says; other tables keep all."""
    if not deployment:
        return {}
    record: Any = cbor.decode(deployment)
    return {table["name"]: table["historyDays"] for table in record["tables"] if "historyDays" in table}


def retention_of(days: Mapping[str, float], now: Timestamp, erased: frozenset[DocumentKey] = NOTHING) -> Retention:
    return Retention({table: int(kept * DAY_NS) for table, kept in days.items()}, now, erased)
