"""The whole app of the model at one moment.

Invariant: `mutate` changes the state and returns, or raises Refusal and has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from attrs import Factory, define

from . import bank, chat, counters, items, lists, names, parts, pins, queues, stamps, timers
from .rows import STAMP, Tables

Args = dict[str, Any]

MUTATIONS: Final[dict[ModuleType, tuple[str, ...]]] = {
    bank: ("open", "transfer"),
    counters: ("add", "bump", "raise_to", "tick"),
    names: ("claim", "release"),
    chat: ("send", "move", "clear"),
    queues: ("add", "claim", "finish"),
    lists: ("transact", "assign"),
    pins: ("pin", "drop"),
    parts: ("one", "several", "empty"),
    stamps: ("note", "touch"),
    items: ("put", "grow", "remove"),
    timers: ("start", "cancel"),
}
INTERNAL: Final[dict[ModuleType, tuple[str, ...]]] = {timers: ("fire", "fail", "chain", "mark", "beat")}
"""Mutations that no client calls."""
QUERIES: Final[dict[ModuleType, tuple[str, ...]]] = {
    bank: ("balance", "total", "richest"),
    counters: ("get", "above"),
    names: ("owner", "owned"),
    chat: ("range", "count", "is_quiet", "last", "page"),
    queues: ("in_state", "is_idle"),
    lists: ("read", "look"),
    pins: ("show", "around"),
    parts: ("size", "total"),
    stamps: ("newest",),
    items: ("smallest", "colors", "coats"),
    timers: ("times", "in_state", "jobs", "newest", "marks"),
}


def named(functions: dict[ModuleType, tuple[str, ...]]) -> dict[str, Callable[..., Any]]:
    """By path."""
    return {
        f"{module.__name__.rpartition('.')[2]}:{name}": getattr(module, name)
        for module, names in functions.items()
        for name in names
    }


INTERNAL_BY_PATH: Final = named(INTERNAL)
MUTATION_BY_PATH: Final = named(MUTATIONS) | INTERNAL_BY_PATH
QUERY_BY_PATH: Final = named(QUERIES)


@define
class State:
    tables: Tables = Factory(Tables)

    def copy(self) -> State:
        return State(self.tables.copy())

    def mutate(self, function: str, args: Args) -> Any:
        """Raises Refusal."""
        trial = self.tables.copy()
        result = MUTATION_BY_PATH[function](trial, **args)
        self.tables = trial
        return result

    def stamp(self, ts: int) -> None:
        """What waits for the time of the commit gets it."""
        for table, rows in self.tables.by_name.items():
            if table == stamps.NOTES and any(row["at"] is STAMP for row in rows):
                self.tables.by_name[table] = tuple({**row, "at": ts} if row["at"] is STAMP else row for row in rows)

    def query(self, function: str, args: Args) -> Any:
        return QUERY_BY_PATH[function](self.tables, **args)
