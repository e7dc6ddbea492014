"""What only one may have."""

from __future__ import annotations

from .rows import Tables

OWNED = "owneds"


def claim(tables: Tables, name: str, owner: str) -> bool:
    if tables.first(OWNED, name=name) is not None:
        return False
    tables.insert(OWNED, name=name, owner=owner)
    return True


def release(tables: Tables, name: str) -> bool:
    owned = tables.first(OWNED, name=name)
    if owned is None:
        return False
    tables.delete(OWNED, owned)
    return True


def owner(tables: Tables, name: str) -> str | None:
    owned = tables.first(OWNED, name=name)
    return None if owned is None else owned["owner"]


def owned(tables: Tables, owner: str) -> int:
    return len(tables.where(OWNED, owner=owner))
