"""Databases to carry data between, and values of every kind."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import trio
from hypothesis import strategies as st
from relive.engine.data.schema import Document, Id, Int64, Record, field, index
from relive.engine.portability.exporting import export
from relive.engine.portability.formats import Format, Mode
from relive.engine.portability.importing import Imported, Importer
from relive.engine.portability.snapshot import Snapshot, stored_fields
from relive.engine.portability.sources import Wanted
from relive.engine.transactions.context import MutationCtx
from relive.protocol.values import NAN

from ..engine.bench import Bench, app_of, open_bench

HASH = "ab" * 32


class Place(Record):
    x: float
    tags: list[str]


class Channel(Document):
    name: str = field()
    by_name = index(name)


class Message(Document):
    """A field of every kind."""

    channel: Id[Channel] = field()
    body: str
    count: int
    big: Int64
    ratio: float
    done: bool
    data: bytes
    maybe: str | None
    either: int | str | bool
    place: Place
    by_channel = index(channel)


class Other(Document):
    channel: Id[Channel]


def bench() -> Bench:
    return open_bench(app_of(Channel, Message, Other))


def plain(*tables: type[Document]) -> Bench:
    return open_bench(app_of(*tables))


TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "",
        "12",
        "1.0",
        "true",
        "null",
        '"',
        '"a"',
        "[1]",
        "{}",
        "a,b",
        "a\nb",
        "a\r\nb",
        "\r",
        " x ",
        "=1",
        "NaN",
        "\u2028",
    ]
)
WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
BIG = st.integers(-(2**63), 2**63 - 1).map(Int64)
FLOAT = st.floats().map(lambda value: NAN if value != value else value)
ATOM = st.none() | st.booleans() | WHOLE | BIG | FLOAT | TEXT | st.binary(max_size=12)
NAME = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
VALUE = st.recursive(
    ATOM, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3), max_leaves=6
)
ANYTHING = st.dictionaries(NAME, VALUE, max_size=4)
"""Documents of a table without a class."""
MESSAGE = st.fixed_dictionaries(
    {
        "body": TEXT,
        "count": WHOLE,
        "big": BIG,
        "ratio": FLOAT,
        "done": st.booleans(),
        "data": st.binary(max_size=12),
        "maybe": st.none() | TEXT,
        "either": WHOLE | TEXT | st.booleans(),
        "place": st.builds(lambda x, tags: {"x": x, "tags": tags}, FLOAT, st.lists(TEXT, max_size=3)),
    }
)


def fill(bench: Bench, messages: list[dict[str, Any]], loose: list[dict[str, Any]] = []) -> None:  # noqa: B006
    async def insert(ctx: MutationCtx) -> None:
        channel = await ctx.db.insert(Channel(name="general"))
        for message in messages:
            fields = dict(message)
            place = fields.pop("place")
            await ctx.db.insert(Message(channel=channel, place=Place(**place), **fields))
        for document in loose:
            await ctx.db.insert("loose", document)

    bench.write(insert)
    bench.flush()


def snapshot(bench: Bench, only: str | None = None) -> Snapshot:
    runtime = bench.database.runtime
    return Snapshot.of(runtime.tables, bench.database.catalog, bench.executor.codecs, runtime.tail.head_ts, only)


def exported(bench: Bench, format: Format = "zip", only: str | None = None, packed: bool = False) -> bytes:
    return b"".join(export(snapshot(bench, only), format, packed))


def load(
    bench: Bench,
    data: bytes,
    format: Format = "zip",
    mode: Mode = "requireEmpty",
    table: str | None = None,
    **more: Any,
) -> Imported:
    wanted = Wanted(f"file.{format}", HASH, format, mode, table, **more)
    done = trio.run(Importer(bench.database).run, wanted, io.BytesIO(data))
    bench.flush()
    bench.check()
    return done


def documents(bench: Bench, table: str) -> dict[str, dict[str, Any]]:
    """By id, as they are stored."""
    versions = bench.database.runtime.tables.table(table).versions
    return {id: stored_fields(version) for id, version in sorted(versions.items())}


def archive(files: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return data.getvalue()
