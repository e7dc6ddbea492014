"""Entries for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from uuid import UUID

from rich.table import Table
from rich.text import Text

from ..actors.key_text import range_text, shortened
from ..engine.data.system_tables import EnvironmentVariable
from ..log.entry import DROPPED, Entry, KeyRange, Kind, Write
from ..protocol import cbor, json
from ..protocol.values import Value
from .output import readable

NANOSECONDS = 1_000_000_000
RANGE_CHARS_SHOWN_MAX = 240
COLUMNS = ("lsn", "time (UTC)", "kind", "function", "cause", "writes")
SHORT = ("lsn", "time (UTC)", "kind")
"""Columns that are never folded."""
NOT_KEPT = "(beyond retention, not kept)"
MASK = "(hidden)"
"""In place of a secret."""
REQUESTS = ("client", "http")
ID_CHARS_SHOWN = 8
"""Of a request's id, in the table; the description has all of it."""
SIGNS = {"created": "+", "changed": "~", "deleted": "-"}


def time_text(ts: int, digits: int = 3) -> str:
    """A timestamp of the log, in UTC, with so many digits of the second's fraction."""
    seconds, fraction = divmod(ts, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{f'{fraction:09}'[:digits]}"


def table_of(entries: Iterable[Entry]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name == "lsn" else "left", no_wrap=name in SHORT, overflow="fold")
    for entry in entries:
        table.add_row(*map(Text, row(entry)))
    return table


def row(entry: Entry) -> tuple[str, ...]:
    cause = entry.cause
    return (
        str(entry.lsn),
        time_text(entry.ts),
        entry.kind.value,
        entry.function or "-",
        f"{cause.kind} {cause.id[:ID_CHARS_SHOWN] if cause.kind in REQUESTS else cause.id}".strip(),
        summary(entry.writes),
    )


def summary(writes: Iterable[Write]) -> str:
    """How many documents of each table were created, changed and deleted."""
    counts = Counter((write.table, what_happened(write)) for write in writes)
    tables = dict.fromkeys(table for table, _ in counts)
    parts = []
    for table in tables:
        numbers = [f"{sign}{counts[table, what]}" for what, sign in SIGNS.items() if counts[table, what]]
        parts.append(f"{table} {' '.join(numbers)}")
    return ", ".join(parts) or "-"


def what_happened(write: Write) -> str:
    if write.document is None:
        return "deleted"
    return "changed" if write.previous else "created"


def entry_tree(entry: Entry) -> dict[str, object]:
    """All of an entry as JSON; values as Convex JSON, bytes in hexadecimal, times in nanoseconds."""
    return {
        "lsn": entry.lsn,
        "ts": entry.ts,
        "time": f"{time_text(entry.ts, 9).replace(' ', 'T')}Z",
        "kind": entry.kind.value,
        "function": entry.function,
        "cause": {"kind": entry.cause.kind, "id": entry.cause.id, "parent": entry.cause.parent},
        "args": value_tree(entry.args),
        "reduced": entry.args == DROPPED,
        "identity": None if entry.identity is None else json.to_json(cbor.decode(entry.identity)),
        "result": None if entry.result is None else json.parse(entry.result),
        "resultDigest": entry.result_digest.hex(),
        "logs": list(entry.logs),
        "session": session_text(entry),
        "request": entry.request,
        "snapshot": entry.snapshot,
        "reads": [
            {
                "index": str(read.index),
                "start": read.start.hex(),
                "stop": None if read.stop is None else read.stop.hex(),
                "keysOnly": read.keys_only,
            }
            for read in entry.reads
        ],
        "writes": [
            {
                "table": write.table,
                "id": write.id,
                "previous": write.previous,
                "document": None if write.document is None else json.to_json(document_of(write)),
            }
            for write in entry.writes
        ],
        "clock": entry.clock,
        "seed": entry.seed.hex(),
        "code": entry.code.hex(),
        "engine": entry.engine,
        "prev": entry.prev.hex(),
    }


def session_text(entry: Entry) -> str | None:
    return None if entry.session is None else str(UUID(bytes=entry.session))


def description(entry: Entry) -> str:
    """All of an entry, for people."""
    lines = [f"entry {entry.lsn}"]
    for name, text in fields(entry):
        head, *rest = text.split("\n")
        lines += [f"  {name:<10}{head}", *(f"  {'':<10}{line}" for line in rest)]
    return "\n".join(lines)


def fields(entry: Entry) -> Iterator[tuple[str, str]]:
    cause = entry.cause
    yield "time", f"{time_text(entry.ts, 9)} UTC"
    yield "kind", entry.kind.value
    yield "function", entry.function or "-"
    yield "cause", f"{cause.kind} {cause.id}".strip() + (f", by entry {cause.parent}" if cause.parent else "")
    if entry.session is not None:
        yield "session", f"{session_text(entry)}, request {entry.request}"
    yield ("deploys", deployment_text(entry)) if entry.kind is Kind.DEPLOY else ("arguments", value_text(entry.args))
    if entry.identity is not None:
        yield "identity", value_text(entry.identity)
    if entry.result is not None:
        yield "result", readable(json.decode(entry.result))
    elif entry.result_digest:
        yield "result", f"not kept; its hash is {entry.result_digest.hex()}"
    yield "printed", "\n".join(entry.logs) or "-"
    yield "snapshot", str(entry.snapshot)
    yield "reads", "\n".join(map(read_text, entry.reads)) or "-"
    yield "writes", "\n".join(write_text(write) for write in entry.writes) or "-"
    yield "clock", f"{time_text(entry.clock, 9)} UTC"
    yield "seed", entry.seed.hex()
    yield "code", f"{entry.code.hex()}, run by relive {entry.engine}"
    yield "prev", entry.prev.hex()


def value_text(data: bytes) -> str:
    return readable(cbor.decode(data)) if data != DROPPED else NOT_KEPT


def value_tree(data: bytes) -> object:
    """As JSON; null if it is not kept any more."""
    return json.to_json(cbor.decode(data)) if data != DROPPED else None


def deployment_text(entry: Entry) -> str:
    """What was deployed, without its source: that is in the JSON."""
    record = cbor.decode(entry.args)
    if not isinstance(record, dict):
        return readable(record)
    lines = [f"app {readable(record.get('app'))}"]
    lines += [f"{name}.py, {len(text):,} characters" for name, text in sources(record.get("source"))]
    tables, functions = counted(record.get("tables")), counted(record.get("functions"))
    lines.append(f"{tables} table(s), {functions} function(s); --json shows all of it")
    return "\n".join(lines)


def sources(listed: Value) -> Iterator[tuple[str, str]]:
    for item in listed if isinstance(listed, list) else []:
        match item:
            case [str(name), str(text)]:
                yield name, text


def counted(items: Value) -> int:
    return len(items) if isinstance(items, list) else 0


def read_text(read: KeyRange) -> str:
    which = " (which keys there are, not the documents)" if read.keys_only else ""
    return f"{read.index} {shortened(range_text(read), RANGE_CHARS_SHOWN_MAX)}{which}"


def document_of(write: Write) -> Value:
    """The document that was written, without what nobody should see."""
    assert write.document is not None, write.id
    if write.document == DROPPED:
        return NOT_KEPT
    document = cbor.decode(write.document)
    if write.table == EnvironmentVariable.__table__ and isinstance(document, dict):
        return {**document, "value": MASK}
    return document


def write_text(write: Write) -> str:
    after = f", last written by entry {write.previous}" if write.previous else ""
    head = f"{write.table}/{write.id} {what_happened(write)}{after}"
    return head if write.document is None else f"{head}\n{readable(document_of(write))}"
