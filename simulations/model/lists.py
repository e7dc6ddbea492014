"""Lists that are appended to, and registers that are written: by key, several in one transaction."""

from __future__ import annotations

from typing import Any

from .rows import Tables

LISTS, REGISTERS = "lists", "registers"

Step = dict[str, Any]


def transact(tables: Tables, steps: list[Step]) -> list[list[int] | None]:
    return [step_of_list(tables, step["key"], step["value"]) for step in steps]


def step_of_list(tables: Tables, key: str, value: int | None) -> list[int] | None:
    found = tables.first(LISTS, key=key)
    if value is None:
        return found["items"] if found is not None else []
    if found is None:
        tables.insert(LISTS, key=key, items=[value])
    else:
        tables.patch(LISTS, found, items=[*found["items"], value])
    return None


def assign(tables: Tables, steps: list[Step]) -> list[int | None]:
    return [step_of_register(tables, step["key"], step["value"]) for step in steps]


def step_of_register(tables: Tables, key: str, value: int | None) -> int | None:
    found = tables.first(REGISTERS, key=key)
    if value is None:
        return found["value"] if found is not None else None
    if found is None:
        tables.insert(REGISTERS, key=key, value=value)
    else:
        tables.patch(REGISTERS, found, value=value)
    return None


def read(tables: Tables, keys: list[str]) -> list[list[int]]:
    return [step_of_list(tables, key, None) or [] for key in keys]


def look(tables: Tables, keys: list[str]) -> list[int | None]:
    return [step_of_register(tables, key, None) for key in keys]
