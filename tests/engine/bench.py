"""A database in memory for one test: tables from classes, handlers run one at a time, a clock that the test moves.

Handlers are plain ``async def`` functions of the test; what they raise comes out as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
from attrs import define, field, frozen
from relive.actors.messages import Commit
from relive.engine.application.app import App, TableClass
from relive.engine.application.bundle import Bundle
from relive.engine.application.endpoint import Endpoint, endpoint_of
from relive.engine.application.functions import AnyFunction, MutationFunction, QueryFunction
from relive.engine.data.schema import Document
from relive.engine.data.shapes import ANY, ObjectOf
from relive.engine.database import Database
from relive.engine.deployment.deploy import Deployed
from relive.engine.env import Env
from relive.engine.execution.attempt import Attempt
from relive.engine.execution.calls import Call, Outcome, Request
from relive.engine.execution.executor import Executor
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.overlay import Overlay
from relive.engine.transactions.transaction import Transaction
from relive.log.entry import LSN, Entry, KeyRange
from relive.log.memory import MemoryStorage
from relive.protocol import json
from relive.protocol.results import FunctionFailure, MutationSuccess, QueryFailure, QuerySuccess

R = TypeVar("R")

START_NS = 1_700_000_000_000_000_000
"""2023-11-14 22:13:20 UTC."""
TICK_NS = 1_000
SECRET = b"secret of the tests"
SESSION = b"session-16-bytes"
FOLDER = Path(__file__).parent


@define(eq=False)
class Clock:
    """Goes on a little with each look; a test may move it, or do something when it is looked at."""

    now_ns: int = START_NS
    tick_ns: int = TICK_NS
    looks: int = 0
    on_look: Callable[[int], None] = lambda look: None

    def __call__(self) -> int:
        self.now_ns += self.tick_ns
        self.looks += 1
        self.on_look(self.looks)
        return self.now_ns


@define(eq=False)
class Entropy:
    """The same bytes in every run."""

    drawn: int = 0

    def __call__(self, count: int) -> bytes:
        self.drawn += 1
        return blake2b(self.drawn.to_bytes(8, "big"), digest_size=count).digest()


@frozen(eq=False)
class Ran:
    """What a handler gave, and what its transaction had read and written."""

    result: Any
    transaction: Transaction
    attempt: Attempt

    @property
    def reads(self) -> tuple[KeyRange, ...]:
        return self.transaction.reads()


@define(eq=False)
class Bench:
    database: Database
    storage: MemoryStorage
    clock: Clock
    entropy: Entropy
    requests: int = field(default=0)

    @property
    def executor(self) -> Executor:
        return self.database.executor

    def run(self, handler: Callable[[MutationCtx], Awaitable[object]]) -> Ran:
        """Run a handler that may write; nothing is committed."""
        attempt = self.executor.prepare("mutation", lambda: Transaction.at_head(self.database.runtime.tables))
        result = attempt.drive(endpoint_for(MutationFunction(handler, public=True)), dict)
        assert attempt.transaction is not None
        attempt.transaction.overlay.check()
        return Ran(result, attempt.transaction, attempt)

    def commit_of(self, ran: Ran) -> Commit:
        return self.executor.commit_of(ran.attempt, b"\xa0", b"null", Request("cli", None, 0), "id")

    def write(self, handler: Callable[[MutationCtx], Awaitable[R]]) -> R:
        """Run a handler and commit what it wrote."""
        ran = self.run(handler)
        if ran.transaction.changes():
            self.database.runtime.commit(self.commit_of(ran))
            self.check()
        result: R = ran.result
        return result

    def read(self, handler: Callable[[QueryCtx], Awaitable[R]], past: tuple[Overlay, LSN] | None = None) -> R:
        """What a query gives, now or in the past."""
        tables = self.database.runtime.tables
        overlay, lsn = past if past is not None else (Overlay(tables), tables.position)
        attempt = self.executor.prepare("query", lambda: Transaction(tables, lsn, overlay))
        result: Any = attempt.drive(endpoint_for(QueryFunction(handler, public=True)), dict)
        answer: R = result
        return answer

    def mutate(self, path: str, *, request: int | None = None, admin: bool = False, **args: object) -> Outcome:
        """Call a mutation of the app as a client does; each call is a new request, or the one given."""
        if request is None:
            self.requests += 1
            request = self.requests
        return self.executor.mutate(Call(path, [args], admin), Request("client", SESSION, request))

    def query(self, path: str, *, admin: bool = False, **args: object) -> QuerySuccess | QueryFailure:
        return self.executor.query(Call(path, [args], admin)).result

    def entry(self, lsn: LSN | None = None) -> Entry:
        """An entry, the newest if none is named."""
        return self.executor.entry(lsn if lsn is not None else self.database.runtime.tail.head)

    def flush(self) -> None:
        """Make everything that was committed durable."""
        writer, runtime = self.database.log.writer, self.database.runtime
        while (batch := writer.take()) is not None:
            runtime.written(writer.write(batch))

    def deploy(self, app: App) -> Deployed:
        """Deploy another version; what is in flight stays in flight."""
        return trio.run(self.database.deploy, app)

    def reopen(self, app: App | None = None) -> Bench:
        """Close the database once all is durable, and open it again from its log."""
        self.flush()
        self.database.log.close()
        again = open_bench(app or self.executor.app, self.storage, self.clock, self.entropy)
        again.requests = self.requests
        return again

    def check(self) -> None:
        self.database.runtime.tables.check()
        self.database.runtime.committer.check()


class NoArguments(msgspec.Struct):
    """The arguments of a handler that takes none."""


def endpoint_for(function: AnyFunction) -> Endpoint:
    return Endpoint("bench:handler", function, ObjectOf(NoArguments, (), None), ANY, NoArguments, Any)


def app_of(*classes: type[Document], version: int = 1, functions: Mapping[str, AnyFunction] | None = None) -> App:
    """An app of classes and functions that a test defines, without a folder to load it from."""
    bundle = Bundle(FOLDER, {"app": f"version = {version}".encode()})
    tables = {cls.__table__: TableClass.of(cls) for cls in classes}
    endpoints = {path: endpoint_of(path, function) for path, function in (functions or {}).items()}
    return App("bench", bundle, bundle.hash, tables, endpoints)


def open_bench(
    app: App, storage: MemoryStorage | None = None, clock: Clock | None = None, entropy: Entropy | None = None
) -> Bench:
    storage = storage if storage is not None else MemoryStorage()
    clock = clock if clock is not None else Clock()
    entropy = entropy if entropy is not None else Entropy()
    database = Database.open(storage, app, Env(clock, entropy), SECRET)
    return Bench(database, storage, clock, entropy)


def bench_of(*classes: type[Document], **functions: AnyFunction) -> Bench:
    """A new database with these tables; functions are called ``app:<name>``."""
    return open_bench(app_of(*classes, functions={f"app:{name}": made for name, made in functions.items()}))


def value_of(outcome: Outcome | QuerySuccess | QueryFailure) -> Any:
    """What a call that succeeded gave."""
    answer = outcome.outcome if isinstance(outcome, Outcome) else outcome
    assert isinstance(answer, (MutationSuccess, QuerySuccess)), answer
    return json.decode(answer.result if isinstance(answer, MutationSuccess) else answer.value)


def failure_of(outcome: Outcome | QuerySuccess | QueryFailure) -> FunctionFailure | QueryFailure:
    """What a call that failed says."""
    answer = outcome.outcome if isinstance(outcome, Outcome) else outcome
    assert isinstance(answer, (FunctionFailure, QueryFailure)), answer
    return answer


def text_of(outcome: Outcome | QuerySuccess | QueryFailure) -> str:
    """The text of a failure without the line that names the request."""
    return failure_of(outcome).message.split("Server Error\n", 1)[1]
