"""Ids that a plan names before there are documents: the n-th of a table that there is when a client asks.

In a plan they are texts that begin with a character no app's own texts begin with, so plans stay data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

MARK: Final = "\x00"
NUMBERS: Final = 12
"""So many documents can be told apart by a plan."""

Ids = Callable[[str], Sequence[str]]
"""The ids of a table, in the order of creation."""


class NoDocument(Exception):
    """There is none whose id could be meant."""


def reference(table: str, number: int) -> str:
    """The ``number``-th document of the table, counted round and round."""
    return f"{MARK}{table}{MARK}{number}"


def resolve(value: Any, ids: Ids) -> Any:
    """The value with ids in place of references.  Raises NoDocument."""
    match value:
        case str() if value.startswith(MARK):
            _, table, number = value.split(MARK)
            known = ids(table)
            if not known:
                raise NoDocument
            return known[int(number) % len(known)]
        case dict():
            return {name: resolve(each, ids) for name, each in value.items()}
        case list():
            return [resolve(each, ids) for each in value]
        case _:
            return value
