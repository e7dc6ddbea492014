"""Items: what three versions of the app do differently.

Of an item that an older version wrote, the fields that came later are not stored; they read as their defaults,
and are stored by whatever writes it next.
"""

from __future__ import annotations

from typing import Any

from .rows import Row, Tables

ITEMS = "items"
COLOR_SINCE, COATS_SINCE = 2, 3
PLAIN = "plain"


def read(tables: Tables, row: Row) -> Row:
    """The row as the deployed version sees it."""
    whole = dict(row)
    if tables.version >= COLOR_SINCE:
        whole.setdefault("color", PLAIN)
    if tables.version >= COATS_SINCE:
        whole.setdefault("coats", 0)
    return whole


def write(tables: Tables, old: Row, **fields: Any) -> Row:
    """What changes nothing is no write."""
    whole = read(tables, old)
    if {**whole, **fields} == whole and fields.keys() <= old.keys():
        return old
    return tables.patch(ITEMS, old, **{**whole, **fields})


def put(tables: Tables, name: str, size: int) -> None:
    found = tables.first(ITEMS, name=name)
    color = {"color": "new"} if tables.version >= COLOR_SINCE else {}
    if found is None:
        whole = read(tables, {"name": name, "size": size, **color})
        tables.insert(ITEMS, **whole)
    else:
        write(tables, found, size=size, **color)


def grow(tables: Tables, name: str, by: int) -> int:
    found = tables.first(ITEMS, name=name)
    if found is None:
        return 0
    size: int = found["size"] + by * (2 if tables.version >= COATS_SINCE else 1)
    write(tables, found, size=size)
    return size


def remove(tables: Tables, name: str) -> None:
    found = tables.first(ITEMS, name=name)
    if found is not None:
        tables.delete(ITEMS, found)


def smallest(tables: Tables, number: int) -> list[str]:
    return [row["name"] for row in sorted(tables.rows(ITEMS), key=lambda row: row["size"])][:number]


def colors(tables: Tables) -> list[str]:
    return [f"{row['name']} {read(tables, row).get('color', '')}" for row in tables.rows(ITEMS)]


def coats(tables: Tables) -> int:
    return sum(read(tables, row).get("coats", 0) for row in tables.rows(ITEMS))


def repaint(tables: Tables, row: Row) -> Row:
    """What the migration does to one row."""
    whole = read(tables, row)
    return write(tables, row, coats=whole["coats"] + 1)
