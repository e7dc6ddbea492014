"""What an invariant sees: the documents as of one entry, and what clients had asked for and been told by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import field, frozen

NS_PER_US = 1_000


@frozen(eq=False)
class State:
    lsn: int
    """The entry after which it is."""
    function: str
    """What the entry was made by."""
    ts: int
    """When, in nanoseconds since the epoch."""
    _tables: Callable[[str], list[dict[str, Any]]] = field(repr=False)
    _attempted: Mapping[str, list[dict[str, Any]]] = field(repr=False)
    _acked: Mapping[str, list[dict[str, Any]]] = field(repr=False)

    def table(self, name: str) -> list[dict[str, Any]]:
        """Every document of a table, in the order of creation, with the names of fields as they are stored.

        Raises LookupError if the app has no such table.
        """
        return self._tables(name)

    @property
    def now(self) -> datetime:
        """When the entry was made."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.ts // NS_PER_US)

    def attempted(self, path: str) -> list[dict[str, Any]]:
        """The arguments of every call of a mutation that clients had asked for by then, answered or not.

        What was asked for and not answered may have happened, or not: say what must be true in bounds.
        Raises LookupError if the app has no such mutation.
        """
        return list(self._attempted[self._known(path)])

    def acked(self, path: str) -> list[dict[str, Any]]:
        """The arguments of every call of a mutation that a client had been told has succeeded.

        Raises LookupError if the app has no such mutation.
        """
        return list(self._acked[self._known(path)])

    def _known(self, path: str) -> str:
        if path not in self._attempted:
            raise LookupError(f"there is no mutation {path!r}; there are {', '.join(sorted(self._attempted))}")
        return path
