"""The tables of the system itself: fixed numbers, ordinary documents, written by the system alone.

Handlers read some of them with ``ctx.db.system`` (`visible_tables`), and live queries follow them.
Only the system writes them (`system_writes`).  Their names begin with an underscore, which names of
an app's tables may not.

Invariant: a table keeps its number for ever, for the ids of its documents hold it.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Final, Literal

from ...protocol.values import Int64
from .documents import plain
from .schema import UNSET, Document, Id, Record, Unset, field, index, nested
from .shapes import object_shape
from .table_codec import TableCodec


class Row:
    """What a row of a system table is beside an object: a read-only mapping of its stored fields."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        return fields_of(self)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(fields_of(self))

    def __len__(self) -> int:
        return len(fields_of(self))

    def __contains__(self, name: object) -> bool:
        return name in fields_of(self)

    def get(self, name: str, default: Any = None) -> Any:
        return fields_of(self).get(name, default)

    def keys(self) -> KeysView[str]:
        return fields_of(self).keys()

    def values(self) -> ValuesView[Any]:
        return fields_of(self).values()

    def items(self) -> ItemsView[str, Any]:
        return fields_of(self).items()


Mapping.register(Row)


def fields_of(row: Row) -> dict[str, object]:
    fields = plain(row)
    assert isinstance(fields, dict), "a document is an object"
    return fields


class TableRow(Row, Document, table="_tables"):
    """Which tables there are, and the number that is part of each id of their documents."""

    name: str = field()
    number: int

    by_name = index(name)


class EnvironmentVariable(Row, Document, table="_environment_variables"):
    """What ``ctx.env`` holds; set from outside with ``relive env set``."""

    name: str = field()
    value: str
    """A secret, mostly: never shown in logs."""

    by_name = index(name)


DurableState = Literal["running", "waiting", "done", "failed", "cancelled"]
StepState = Literal["waiting", "done", "failed"]
MigrationState = Literal["running", "done", "failed", "cancelled"]


class MigrationRow(Row, Document, table="_migrations"):
    """How far a migration has come: one row for each that was ever started."""

    name: str = field()
    """``folder/module:function``."""
    table: str
    state: MigrationState = field()
    cursor: bytes | None
    """Key of the last document that was migrated, in the order of creation; None before the first."""
    batch: int
    """Documents in one transaction, as far as its limits allow."""
    total: int
    """Documents in the table when the migration was started."""
    processed: int
    changed: int
    """Documents for which the function wrote something."""
    started: float
    """Milliseconds since the Unix epoch, like the other times."""
    updated: float
    finished: float | None
    error: str | None
    """Why it failed; None unless it did."""
    document: str | None
    """Id of the document at which it failed."""

    by_name = index(name)
    by_state = index(state)


class Pause(Row, Document, table="_pauses"):
    """While there is one, no function of the app runs."""

    since: float
    """Milliseconds since the Unix epoch."""


TransferState = Literal["waiting_for_confirmation", "in_progress", "completed", "failed"]


class Transfer(Row, Document, table="_transfers"):
    """An export or import that a tool of Convex asked for, and watches."""

    kind: Literal["export", "import"] = field()
    state: TransferState
    ts: Int64 | None
    """The moment that an export is of, in nanoseconds; None of an import."""
    rows: int | None
    """Documents that were written; None until then."""
    message: str | None
    """What is to be confirmed, or why it failed."""

    by_kind = index(kind)


class DurableAction(Row, Document, table="_durable_actions"):
    """An action that survives a crash: one row for each that was started."""

    function: str = field()
    """``folder/module:function``."""
    args: str
    """Convex JSON of the argument object."""
    identity: bytes | Unset | None
    """Canonical CBOR of who asked; None for nobody.  Functions do not see it, nor the request."""
    request: str | Unset = field()
    """What makes a resend harmless: the client's session and the number of its request, or an id of its own."""
    origin: str
    """What it was started by, for the causes of entries."""
    state: DurableState = field()
    until: float | None
    """When it goes on, if it is waiting: milliseconds since the Unix epoch, like the other times."""
    result: str | None
    """Convex JSON of what it returned."""
    error: str | None
    """Why it failed, in full."""
    error_data: str | None
    """Convex JSON of the data of an ApplicationError."""
    runs: int
    """How often it was begun: once, and once more for each time that the server stopped in between."""
    started: float
    finished: float | None = field()

    by_request = index(request)
    by_state = index(state)
    by_finished = index(finished)


class Step(Row, Document, table="_steps"):
    """A step of a durable action: what is recorded is not done again."""

    action: Id[DurableAction] = field()
    position: int = field()
    """From 0 in the order in which the action takes them."""
    name: str
    state: StepState
    attempts: int
    """How often it was tried and failed."""
    until: float | None
    """When it is tried again, or how long it sleeps; milliseconds since the Unix epoch."""
    result: str | None
    """Convex JSON."""
    error: str | None
    """Of the newest attempt, in full."""
    error_data: str | None
    """Convex JSON of the data of an ApplicationError."""

    by_action = index(action, position)


JobStateKind = Literal["pending", "inProgress", "success", "failed", "canceled"]


class JobState(Record):
    """How a scheduled function stands."""

    kind: JobStateKind
    error: str | Unset = UNSET
    """Why it failed; not there unless it did."""


class ScheduledFunction(Row, Document, table="_scheduled_functions"):
    """A function that was scheduled: one row for each, kept for some days after it has ended."""

    name: str = field()
    """``folder/module:function``."""
    args: list[Any]
    """One object."""
    scheduled_time: float = field(name="scheduledTime")
    """When it is due: milliseconds since the Unix epoch, like the other times."""
    completed_time: float | Unset = field(default=UNSET, name="completedTime")
    state: JobState = field()

    by_scheduled_time = index(scheduled_time)
    by_completed_time = index(completed_time)
    by_state = index(nested("state.kind"), scheduled_time)


class RateLimitRow(Row, Document, table="_rate_limits"):
    """What was taken of a rate limit: one row for each key, or for each of its shards."""

    name: str = field()
    key: str = field()
    shard: int = field()
    kind: str
    at: Int64
    """Until when time has been counted, in microseconds since the Unix epoch."""
    units: Int64
    """What is left in a bucket, a token being as many units as ``period``; or what was taken in a window."""
    period: Int64
    """In microseconds."""
    full_at: Int64 | Unset = field(default=UNSET)
    """When it is as if nothing had been taken: from then on the row says nothing."""

    by_key = index(name, key, shard)
    by_full_at = index(full_at)


class ClientSession(Row, Document, table="_sessions"):
    """A client's session that has begun and not ended: `on_connect` was called for it."""

    session: str = field()
    """The client's own id, a UUID."""
    identity: bytes | None
    """Canonical CBOR of who it was when it began; None for nobody."""
    since: float
    """Milliseconds since the Unix epoch."""

    by_session = index(session)


class PresenceRow(Row, Document, table="_presence"):
    """That a client's session is in a room: a row goes when the session leaves it, or ends."""

    name: str = field()
    """Of the `Presence`."""
    room: str = field()
    user: str = field()
    session: str = field()
    """The client's own id, a UUID."""
    since: float
    """Milliseconds since the Unix epoch."""

    by_room = index(name, room, user, session)
    by_session = index(session, name, room)


class CronJob(Row, Document, table="_cron_jobs"):
    """A function that runs again and again: one row for each that the code declares or a mutation has added."""

    name: str = field()
    schedule: str
    """``every 60 s``, or ``cron 0 9 * * 1-5``, in UTC."""
    function: str
    """``folder/module:function``."""
    args: list[Any]
    """One object."""
    next_run: float = field(name="nextRun")
    """Milliseconds since the Unix epoch, like the other times."""
    last_run: float | None = field(default=None, name="lastRun")
    last_job: Id[ScheduledFunction] | None = field(default=None, name="lastJob")
    """The run before: its row is kept for some days."""
    skipped: int
    """Runs that did not happen: the one before had not ended, the deployment was paused, or nothing was served."""
    undeclared: bool | Unset = field(default=UNSET)
    """True if no code declares it: a mutation has added it, and no deploy removes it."""

    by_name = index(name)
    by_next_run = index(next_run)


class StoredFile(Row, Document, table="_storage"):
    """A file: its bytes are beside the database."""

    sha256: str
    """Of its bytes, in base64."""
    size: int
    """In bytes."""
    content_type: str | Unset = field(default=UNSET, name="contentType")
    """What the one who stored it said that it is."""
    internal_id: str | Unset = field(name="internalId")
    """A UUID: what the bytes are called, and the last part of the file's address.  Functions do not see it, for
    whoever has it may fetch the file."""

    by_internal_id = index(internal_id)


class Origin(Row, Document, table="_origins"):
    """Under which address clients reach the deployment, without a slash at the end: at most one row."""

    url: str


BESIDE_MUTATIONS: Final = frozenset({"_durable_actions", "_steps", "_sessions"})
"""Tables whose rows the system also writes in entries of mutations of the app, which know nothing of that."""
PAUSES: Final = "_pauses"
TABLES: Final = "_tables"
TABLES_NUMBER: Final = 1
CLASSES: Final[Mapping[int, type[Document]]] = {
    TABLES_NUMBER: TableRow,
    2: EnvironmentVariable,
    3: MigrationRow,
    4: Pause,
    5: Transfer,
    6: DurableAction,
    7: Step,
    8: ScheduledFunction,
    9: RateLimitRow,
    10: ClientSession,
    11: CronJob,
    12: StoredFile,
    13: Origin,
    14: PresenceRow,
}
"""By number.  A new table gets the next number; numbers are never used again."""
NUMBERS: Final[Mapping[str, int]] = {cls.__table__: number for number, cls in CLASSES.items()}

CODECS: Final[Mapping[str, TableCodec]] = {
    cls.__table__: TableCodec(cls.__table__, cls, object_shape(cls, cls.__name__), None) for cls in CLASSES.values()
}

WRITTEN_BY: Final[Mapping[str, str]] = {
    "_tables": "the first document of a table makes its row",
    "_environment_variables": "set one with `relive env set NAME VALUE`",
    "_transfers": "`npx convex export` and `npx convex import` write it",
    "_pauses": "`relive pause` writes it, and `relive resume` removes it",
    "_durable_actions": "call an `@action(durable=True)`, and cancel it with `relive actions cancel ID`",
    "_scheduled_functions": "`ctx.scheduler` writes it: run_after(), run_at(), cancel()",
    "_cron_jobs": "declare crons in the app, `crons = Crons()`, or add them with `ctx.crons`",
    "_steps": "durable actions record theirs there",
    "_sessions": "it holds the clients that `@on_connect` was called for",
    "_presence": "mutations write it that enter a room of a `Presence`, and the server when a session ends",
    "_rate_limits": "mutations write it that take of a `TokenBucket` or a `FixedWindow`",
    "_storage": "clients post files to the address that `ctx.storage.generate_upload_url()` gives",
    "_origins": "the server writes under which address it is reached: `relive serve --public-url URL`",
    "_migrations": "start one with `relive migrate run NAME`",
}


def refusal(table: str) -> str:
    """What a handler is told that wants to write a system table."""
    remedy = WRITTEN_BY.get(table)
    problem = "tables whose names begin with _ belong to the system: functions cannot write them"
    return f"{problem}; {remedy}" if remedy is not None else problem
