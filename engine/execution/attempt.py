"""One run of a handler and what it works with; when it has to start over, all of it is made anew."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from hashlib import blake2b
from typing import Any

from attrs import define, evolve, field

from ...actors.messages import NO_MERGES, NO_STAMPS, Commit
from ...log.entry import Cause, KeyRange, Kind, Timestamp
from ..application.endpoint import Endpoint
from ..application.functions import FunctionKind
from ..authentication.identity import Identity
from ..data.catalog import Catalog
from ..data.table_codec import TableCodec
from ..determinism.driver import drive
from ..determinism.gate import Run
from ..determinism.reexecution import Trace
from ..env import Env
from ..transactions.auth import Viewer
from ..transactions.context import MutationCtx, QueryCtx
from ..transactions.meta import SYSTEM, About
from ..transactions.mutation_run import MutationRun
from ..transactions.query_run import QueryRun
from ..transactions.revisions import PastEntries
from ..transactions.transaction import Transaction
from ..version import ENGINE_VERSION
from .calls import Request
from .executions import NOTHING, Used
from .nested_calls import NestedCalls
from .results import log_lines

SEED_BYTES = 16
DIGEST_BYTES = 16


@define(eq=False)
class Attempt:
    kind: FunctionKind
    env: Env
    clock: Callable[[], int]
    secret: bytes = field(repr=False)
    codecs: Mapping[str, TableCodec]
    catalog: Catalog
    nested: NestedCalls
    open: Callable[[], Transaction]
    request_id: str = ""
    past: PastEntries | None = None
    """What the handler may ask about older versions of documents."""
    identity: Identity | None = None
    """Who asks."""
    everybody: bool = False
    """Whether it runs on behalf of whoever asks the same."""
    job: str | None = None
    """Id of the scheduled function that it is part of."""
    session: str | None = None
    """The client's session that it runs for."""
    viewer: Viewer = field(factory=lambda: Viewer(None))
    """What the newest attempt made of it."""
    endpoint: Endpoint | None = None
    """What runs; None before the first attempt."""
    run: Run | None = None
    """Of the newest attempt; None before the first."""
    transaction: Transaction | None = None
    mutation: MutationRun | None = None
    ctx: QueryCtx | None = None
    told: tuple[str, ...] = ()
    """What `lines` found, of the run ``told_of``."""
    told_of: Run | None = None

    def drive(self, endpoint: Endpoint, arguments: Callable[[], dict[str, Any]]) -> object:
        """Run the handler to its end, with new ``arguments`` for each start.  Raises what it raises."""
        self.endpoint = endpoint
        handler = endpoint.function.handler

        def start() -> Coroutine[object, None, object]:
            coroutine: Coroutine[object, None, object] = handler(self.ctx, **arguments())
            return coroutine

        return drive(start, self.begin)

    def begin(self) -> Run:
        endpoint, nested = self.endpoint, self.nested
        name = endpoint.path if endpoint is not None else ""
        self.run = Run(self.clock(), self.env.entropy(SEED_BYTES), self.kind, name, self.secret)
        self.transaction = self.open()
        function = nested.metadata_of(endpoint) if endpoint is not None else SYSTEM.function
        about = About(function, nested.deployment, self.request_id, self.job, self.session)
        self.viewer = Viewer(self.identity, self.everybody)
        parts = (self.codecs, self.catalog, self.transaction, self.run, about, nested, 1, self.past, self.viewer)
        if self.kind == "mutation":
            self.mutation = MutationRun(*parts)
            self.ctx = MutationCtx(self.mutation)
        else:
            self.ctx = QueryCtx(QueryRun(*parts))
        return self.run

    def twin(self) -> Attempt:
        """Another attempt that sees what this one saw: same clock, same seed, same snapshot."""
        run = self.run
        assert run is not None, "there is nothing to repeat yet"
        same = Env(lambda: run.clock_ns, lambda count: run.seed[:count])
        return evolve(self, env=same, clock=same.clock_ns, run=None, transaction=None, mutation=None, ctx=None)

    def record(self, trace: Trace) -> None:
        """What the handler read and wrote, for comparison."""
        for key_range in self.reads():
            trace.record(f"read {key_range.index}", key_range.start + b" to " + (key_range.stop or b"the end"))
        if self.mutation is not None:
            for change, body in zip(self.mutation.transaction.changes(), self.mutation.documents(), strict=True):
                trace.record(f"write {change.table}/{change.id}", body or b"deleted")

    def lines(self) -> tuple[str, ...]:
        """What the newest attempt, which has ended, printed, as clients get it; and which limits it came near."""
        if self.run is None or self.run is self.told_of:
            return self.told
        near = self.transaction.usage.warnings() if self.transaction is not None else []
        self.told = log_lines([*self.run.logs, *[("WARN", text) for text in near]]) if self.run.logs or near else ()
        self.told_of = self.run
        return self.told

    def used(self) -> Used:
        """What the newest attempt read and wrote."""
        if self.transaction is None:
            return NOTHING
        usage = self.transaction.usage
        return Used(usage.documents_read, usage.bytes_read, usage.documents_written, usage.bytes_written)

    def wrote(self) -> bool:
        """Whether the newest attempt changed anything."""
        return self.transaction is not None and bool(self.transaction.overlay.staged)

    def commit(self, code: bytes, args: bytes, value: bytes, request: Request, id: str, now_ns: int) -> Commit:
        """What the newest attempt asks to be an entry, with ``value`` as its result."""
        transaction, mutation, run, endpoint = self.transaction, self.mutation, self.run, self.endpoint
        assert transaction is not None
        assert mutation is not None
        assert run is not None
        assert endpoint is not None
        return Commit(
            kind=Kind.MUTATION,
            cause=Cause(request.cause, request.id or id, request.parent),
            function=endpoint.path,
            code=code,
            engine=ENGINE_VERSION,
            args=args,
            identity=self.viewer.seen,
            clock=Timestamp(run.clock_ns),
            seed=run.seed,
            snapshot=transaction.snapshot,
            reads=transaction.reads(),
            changes=transaction.changes(),
            documents=mutation.documents(),
            result_digest=blake2b(value, digest_size=DIGEST_BYTES).digest(),
            result=value if request.session is not None else None,
            logs=self.lines(),
            session=request.session,
            request=request.request if request.session is not None else None,
            now=Timestamp(max(now_ns, mutation.newest_ns())),
            merges=mutation.commit_merges() if mutation.merges else NO_MERGES,
            stamps=mutation.commit_stamps() if mutation.stamps else NO_STAMPS,
        )

    def journal(self) -> str | None:
        """Where the pages that the newest attempt read have ended."""
        pages = self.transaction.pages if self.transaction is not None else None
        return pages.journal() if pages is not None else None

    def clock_read_ns(self) -> int | None:
        """The time that the newest attempt looked at; None if it did not."""
        return self.run.clock_ns if self.run is not None and self.run.looked_at_clock else None

    def reads(self) -> tuple[KeyRange, ...]:
        return self.transaction.reads() if self.transaction is not None else ()
