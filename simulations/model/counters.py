"""Counts."""

from __future__ import annotations

from .rows import NUMBER, Ref, Tables

COUNTERS, METERS = "counters", "meters"


def add(tables: Tables, name: str, by: int) -> int:
    counter = tables.first(COUNTERS, name=name)
    if counter is None:
        counter = tables.insert(COUNTERS, name=name, count=0)
    count: int = counter["count"] + by
    tables.patch(COUNTERS, counter, count=count)
    return count


def bump(tables: Tables, name: str) -> None:
    add(tables, name, 1)


def raise_to(tables: Tables, name: str, least: int) -> None:
    counter = tables.first(COUNTERS, name=name)
    if counter is None:
        tables.insert(COUNTERS, name=name, count=least)
    else:
        tables.patch(COUNTERS, counter, count=max(counter["count"], least))


def tick(tables: Tables, name: str) -> None:
    meter = tables.first(METERS, name=name)
    if meter is None:
        counter = tables.insert(COUNTERS, name=name, count=1)
        tables.insert(METERS, name=name, counter=Ref(counter[NUMBER]))
        return
    found = tables.of(COUNTERS, meter["counter"])
    assert found is not None
    tables.patch(COUNTERS, found, count=found["count"] + 1)


def get(tables: Tables, name: str) -> int:
    counter = tables.first(COUNTERS, name=name)
    return 0 if counter is None else counter["count"]


def above(tables: Tables, least: int) -> list[str]:
    found = [row for row in tables.rows(COUNTERS) if row["count"] >= least]
    return [row["name"] for row in sorted(found, key=lambda row: row["count"])]
