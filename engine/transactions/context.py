"""``ctx``: what a handler can see and do.

A `MutationCtx` is a `QueryCtx` that can write, so helpers written for queries serve both.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, overload

from ..data.schema import Document
from ..data.vector_fields import VectorFilter
from ..data.vector_indexes import VectorIndexOf
from ..limits import VECTOR_RESULTS
from .auth import Auth
from .crons import MutationCrons
from .database_access import DatabaseReader, DatabaseWriter, codec_of
from .environment import Environment
from .meta import Meta, MutationMeta
from .mutation_run import MutationRun
from .query_run import QueryRun
from .scheduling import MutationScheduler
from .storage import MutationStorage, Storage
from .usage import TransactionLimits
from .vector_search import Nearest, nearest, same_index

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
D = TypeVar("D", bound=Document)


class QueryOf(Protocol[P, R_co]):
    """A function decorated with `query` or `internal_query`."""

    @property
    def is_query(self) -> Literal[True]: ...

    def __call__(self, ctx: QueryCtx, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R_co]: ...


class MutationOf(Protocol[P, R_co]):
    """A function decorated with `mutation` or `internal_mutation`."""

    @property
    def is_mutation(self) -> Literal[True]: ...

    def __call__(self, ctx: MutationCtx, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R_co]: ...


class QueryCalls:
    """Calls of other queries within this transaction."""

    def __init__(self, run: QueryRun, limits: TransactionLimits | None = None, *, stale: bool = False) -> None:
        self._run, self._limits, self._stale = run, limits, stale

    @overload
    def run_query(self, function: QueryOf[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]: ...
    @overload
    def run_query(self, function: str, args: Mapping[str, Any] = ..., /) -> Awaitable[Any]: ...
    async def run_query(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What another query of the app, internal or not, returns; what it reads, this transaction reads.

        Name it as ``module:function`` to call it with an object of arguments.
        """
        return await self._call("query", function, args, kwargs)

    def _call(self, kind: str, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Awaitable[Any]:
        nested = self._run.nested
        assert nested is not None, "the system calls no functions"
        return nested(self._run, kind, function, args, kwargs, self._limits, self._stale)


class MutationCalls(QueryCalls):
    """Calls of other functions within this transaction."""

    @overload
    def run_mutation(self, function: MutationOf[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]: ...
    @overload
    def run_mutation(self, function: str, args: Mapping[str, Any] = ..., /) -> Awaitable[Any]: ...
    async def run_mutation(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What another mutation of the app, internal or not, returns; it is part of this transaction.

        If it raises and the error is caught, what it wrote is undone and what it read stays read.
        """
        return await self._call("mutation", function, args, kwargs)


class QueryCtx(QueryCalls):
    """What a query sees: one snapshot of the database, a frozen clock, seeded randomness."""

    def __init__(self, run: QueryRun) -> None:
        super().__init__(run)
        self._db = DatabaseReader(run)
        self._env: Environment | None = None

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

    @property
    def env(self) -> Environment:
        """Environment variables of the deployment: ``ctx.env["API_KEY"]``, ``ctx.env.get("LEVEL", "info")``."""
        if self._env is None:
            self._env = Environment(self._run)
        return self._env

    @property
    def auth(self) -> Auth:
        """Who asks: ``await ctx.auth.get_user_identity()``."""
        return Auth(self._run.viewer)

    @property
    def storage(self) -> Storage:
        """Addresses of files."""
        return Storage(self._run)

    @property
    def meta(self) -> Meta:
        """About this function, its transaction and its deployment."""
        return Meta(self._run.about, self._run.transaction.usage)

    async def vector_search(
        self,
        index: VectorIndexOf[D],
        vector: Sequence[float],
        /,
        *,
        limit: int = VECTOR_RESULTS,
        filter: VectorFilter | None = None,
    ) -> list[Nearest[D]]:
        """Ids and scores of the documents whose vectors are nearest to ``vector`` by the cosine of the angle.

        1 to 256 of them, the nearest first, and of equal ones the smaller id; exactly those, also if few fit the
        filter.  ``filter``: ``{"section": "news"}``, or a list of such, of which one has to fit.

        Raises VectorInvalid for a vector of another length or that is not finite or all 0, IndexUnknown,
        LimitReached for more numbers than may be compared in one go (an action may), TypeError, ValueError.
        """
        codec = codec_of(self._run, index.table)
        known = same_index(codec, index)
        return nearest(self._run.transaction, codec, known, known.asked(vector, limit, filter))

    def with_limits(self, limits: TransactionLimits, /) -> QueryCalls:
        """Calls that may read no more than this: ``ctx.with_limits(limits).run_query(...)``."""
        return QueryCalls(self._run, limits)


class MutationCtx(QueryCtx, MutationCalls):
    """What a mutation sees and does: everything it writes happens, or nothing."""

    _run: MutationRun

    def __init__(self, run: MutationRun) -> None:
        super().__init__(run)
        self._writer = DatabaseWriter(run)

    @property
    def db(self) -> DatabaseWriter:
        """The database as of this transaction, and its own writes."""
        return self._writer

    @property
    def scheduler(self) -> MutationScheduler:
        """Functions for later: scheduled if this transaction is committed, and not otherwise."""
        return MutationScheduler(self._run)

    @property
    def crons(self) -> MutationCrons:
        """Functions that run again and again, added and removed as part of this transaction."""
        return MutationCrons(self._run)

    @property
    def storage(self) -> MutationStorage:
        """Files: where to upload them, where they are, and to delete them."""
        return MutationStorage(self._run)

    @property
    def meta(self) -> MutationMeta:
        """About this function, its transaction, its request and its deployment."""
        return MutationMeta(self._run.about, self._run.transaction.usage)

    def with_limits(self, limits: TransactionLimits, /) -> MutationCalls:
        """Calls that may do no more than this: ``ctx.with_limits(limits).run_mutation(...)``."""
        return MutationCalls(self._run, limits)

    def on_stale_snapshot(self) -> QueryCalls:
        """Queries of the stored data as of this transaction's snapshot, that are not part of what it read.

        They never cause a conflict, do not see what this transaction wrote, and may be outdated when
        it commits: for estimates, and for ranges that everybody writes to.
        """
        return QueryCalls(self._run, stale=True)
