"""Notes to be migrated, migrations of them, and a driver that does what a server does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relive.engine.application.functions import AnyFunction, migration, mutation, query
from relive.engine.data.schema import Document, field
from relive.engine.data.system_tables import MigrationRow
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .bench import Bench, app_of, open_bench


class Note(Document):
    text: str
    count: int = field(default=0)


class Other(Document):
    text: str


@migration(Note, batch=10)
async def count_up(ctx: MutationCtx, note: Note) -> None:
    """Would show if a document was migrated twice."""
    await ctx.db.patch(note.id, count=note.count + 1)


@migration(Note)
async def odd_only(ctx: MutationCtx, note: Note) -> None:
    if int(note.text) % 2:
        await ctx.db.patch(note.id, count=1)


@migration(Note, batch=10)
async def fragile(ctx: MutationCtx, note: Note) -> None:
    await ctx.db.patch(note.id, count=note.count + 1)
    if not note.text.isdigit():
        raise ValueError(f"not a number: {note.text}")


@mutation
async def add(ctx: MutationCtx, text: str) -> str:
    return await ctx.db.insert(Note(text=text))


@query
async def progress(ctx: QueryCtx) -> list[list[Any]]:
    rows = await ctx.db.system.query("_migrations").collect()
    return [[row["name"], row["state"], row["processed"]] for row in rows]


FUNCTIONS: dict[str, AnyFunction] = {
    "app:count_up": count_up,
    "app:odd_only": odd_only,
    "app:fragile": fragile,
    "app:add": add,
    "app:progress": progress,
}


def bench_with(*texts: str, **more: AnyFunction) -> Bench:
    functions = FUNCTIONS | {f"app:{name}": function for name, function in more.items()}
    bench = open_bench(app_of(Note, Other, functions=functions))

    async def insert(ctx: MutationCtx) -> None:
        for text in texts:
            await ctx.db.insert(Note(text=text))

    if texts:
        bench.write(insert)
    return bench


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def counts(bench: Bench) -> list[int]:
    async def read(ctx: QueryCtx) -> list[int]:
        return [note.count for note in await ctx.db.query(Note).collect()]

    return bench.read(read)


def notes(bench: Bench) -> list[Note]:
    async def read(ctx: QueryCtx) -> list[Note]:
        return await ctx.db.query(Note).collect()

    return bench.read(read)


def row(bench: Bench, name: str = "app:count_up") -> MigrationRow:
    return bench.database.migrations.rows()[name]


def run(bench: Bench, name: str = "app:count_up", **options: Any) -> MigrationRow:
    """Start a migration, and drive it until it stops by itself."""
    return drive(bench, bench.database.migrations.start(name, "cli", **options).value.name)


def drive(bench: Bench, name: str = "app:count_up", between: Callable[[], object] = lambda: None) -> MigrationRow:
    for _ in range(1_000):
        if name not in bench.database.migrations.running():
            bench.check()
            return row(bench, name)
        bench.database.migrations.step(name)
        between()
    raise AssertionError("it never ends")
