"""One run of a handler and what it works with; when it has to start over, all of it is made anew."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from attrs import define, field

from ..log.entry import KeyRange
from .catalog import Catalog
from .context import MutationCtx, QueryCtx
from .determinism.driver import drive
from .determinism.gate import Run
from .determinism.reexecution import Trace
from .endpoint import Endpoint
from .env import Env
from .functions import FunctionKind
from .mutation_run import MutationRun
from .query_run import QueryRun
from .results import log_lines
from .table_codec import TableCodec
from .transaction import Transaction

SEED_BYTES = 16


@define(eq=False)
class Attempt:
    kind: FunctionKind
    env: Env
    clock: Callable[[], int]
    secret: bytes = field(repr=False)
    codecs: Mapping[str, TableCodec]
    catalog: Catalog
    open: Callable[[], Transaction]
    name: str = ""
    run: Run | None = None
    """Of the newest attempt; None before the first."""
    transaction: Transaction | None = None
    mutation: MutationRun | None = None
    ctx: QueryCtx | None = None

    def drive(self, endpoint: Endpoint, arguments: Callable[[], dict[str, Any]]) -> object:
        """Run the handler to its end, with new ``arguments`` for each start.  Raises what it raises."""
        self.name = endpoint.path
        handler = endpoint.function.handler

        def start() -> Coroutine[object, None, object]:
            coroutine: Coroutine[object, None, object] = handler(self.ctx, **arguments())
            return coroutine

        return drive(start, self.begin)

    def begin(self) -> Run:
        self.run = Run(self.clock(), self.env.entropy(SEED_BYTES), self.kind, self.name, self.secret)
        self.transaction = self.open()
        if self.kind == "mutation":
            self.mutation = MutationRun(self.codecs, self.catalog, self.transaction, self.run)
            self.ctx = MutationCtx(self.mutation)
        else:
            self.ctx = QueryCtx(QueryRun(self.codecs, self.catalog, self.transaction, self.run))
        return self.run

    def twin(self) -> Attempt:
        """Another attempt that sees what this one saw: same clock, same seed, same snapshot."""
        run = self.run
        assert run is not None, "there is nothing to repeat yet"
        same = Env(lambda: run.clock_ns, lambda count: run.seed[:count])
        return Attempt(self.kind, same, same.clock_ns, self.secret, self.codecs, self.catalog, self.open, self.name)

    def record(self, trace: Trace) -> None:
        """What the handler read and wrote, for comparison."""
        for key_range in self.reads():
            trace.record(f"read {key_range.index}", key_range.start + b" to " + (key_range.stop or b"the end"))
        if self.mutation is not None:
            for change, body in zip(self.mutation.transaction.changes(), self.mutation.documents(), strict=True):
                trace.record(f"write {change.table}/{change.id}", body or b"deleted")

    def lines(self) -> tuple[str, ...]:
        """What the newest attempt printed, as clients get it."""
        return log_lines(self.run.logs) if self.run is not None and self.run.logs else ()

    def reads(self) -> tuple[KeyRange, ...]:
        return self.transaction.reads() if self.transaction is not None else ()
