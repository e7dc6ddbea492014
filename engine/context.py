"""``ctx``: what a handler can see and do.

A `MutationCtx` is a `QueryCtx` that can write, so helpers written for queries serve both.
"""

from __future__ import annotations

import datetime as dt
import random

from .database_access import DatabaseReader, DatabaseWriter
from .mutation_run import MutationRun
from .query_run import QueryRun


class QueryCtx:
    """What a query sees: one snapshot of the database, a frozen clock, seeded randomness."""

    def __init__(self, run: QueryRun) -> None:
        self._run = run
        self._db = DatabaseReader(run)

    @property
    def db(self) -> DatabaseReader:
        """The database as of this transaction."""
        return self._db

    @property
    def now(self) -> dt.datetime:
        """The time of this transaction, in UTC; it does not pass while the handler runs."""
        run = self._run.run
        run.looked_at_clock = True
        return dt.datetime.fromtimestamp(run.clock_ns // 1_000_000_000, dt.UTC) + dt.timedelta(
            microseconds=run.clock_ns // 1_000 % 1_000_000
        )

    @property
    def random(self) -> random.Random:
        """Randomness of this transaction: replaying it gives the same."""
        return self._run.run.random


class MutationCtx(QueryCtx):
    """What a mutation sees and does: everything it writes happens, or nothing."""

    def __init__(self, run: MutationRun) -> None:
        super().__init__(run)
        self._writer = DatabaseWriter(run)

    @property
    def db(self) -> DatabaseWriter:
        """The database as of this transaction, and its own writes."""
        return self._writer
