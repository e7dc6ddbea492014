"""Transactions in a transaction: what a part that failed wrote is undone."""

from __future__ import annotations

from .rows import Refusal, Row, Tables

PARTS = "parts"
SIZE_MAX = 20


def size_of(row: Row | None) -> int:
    size: int = row["size"] if row is not None else 0
    return size


def one(tables: Tables, name: str, by: int) -> int:
    found = tables.first(PARTS, name=name)
    size = size_of(found) + by
    if found is None:
        tables.insert(PARTS, name=name, size=size)
    else:
        tables.patch(PARTS, found, size=size)
    if size > SIZE_MAX:
        raise Refusal
    return size


def several(tables: Tables, names: list[str], by: int) -> list[int | None]:
    done: list[int | None] = []
    for name in names:
        before = tables.by_name.get(PARTS, ())
        try:
            done.append(one(tables, name, by))
        except Refusal:
            tables.by_name[PARTS] = before
            done.append(None)
    return [*done, total(tables)]


def total(tables: Tables) -> int:
    return sum(size_of(row) for row in tables.rows(PARTS))


def empty(tables: Tables, name: str) -> None:
    found = tables.first(PARTS, name=name)
    if found is not None:
        tables.delete(PARTS, found)


def size(tables: Tables, name: str) -> int:
    return size_of(tables.first(PARTS, name=name))
