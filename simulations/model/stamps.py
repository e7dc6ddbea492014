"""Notes in the order of their commits."""

from __future__ import annotations

from .rows import STAMP, Tables

NOTES = "notes"


def note(tables: Tables, body: str) -> None:
    tables.insert(NOTES, body=body, at=STAMP)


def touch(tables: Tables, body: str) -> bool:
    found = tables.first(NOTES, body=body)
    if found is None:
        return False
    tables.patch(NOTES, found, at=STAMP)
    return True


def newest(tables: Tables, number: int) -> list[str]:
    """Sorting keeps those of one commit in the order in which they were made; then all is turned round."""
    ordered = sorted(tables.rows(NOTES), key=lambda row: int(row["at"]))
    return [row["body"] for row in reversed(ordered)][:number]
