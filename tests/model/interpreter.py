"""Carries out programs through ``ctx``, and notes what only the engine can say: ids, times, snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from attrs import Factory, define, field
from relive.engine.application.functions import AnyFunction, mutation, query
from relive.engine.data.schema import UNSET, Document
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.operations import Operation, append, increment, maximum, minimum
from relive.engine.transactions.pagination import PaginationOptions
from relive.engine.transactions.transaction import Transaction

from .programs import (
    Call,
    Caught,
    Delete,
    Each,
    Get,
    Insert,
    Merge,
    Own,
    Pages,
    Patch,
    Program,
    Raise,
    Read,
    Refused,
    Replace,
    Rows,
    Step,
    Target,
)

OPERATIONS: Mapping[str, Any] = {
    "increment": increment,
    "maximum": maximum,
    "minimum": minimum,
    "append": append,
}


@define(eq=False)
class Attempted:
    """One run of a function, with all that it called."""

    transaction: Transaction
    clock_ns: int
    created: list[tuple[str, float]] = Factory(list)
    """Ids and creation times, in the order of the inserts, those undone later included."""


@define(eq=False)
class Interpreter:
    classes: Mapping[str, type[Document]]
    programs: list[Program] = Factory(list)
    numbers: dict[int, int] = Factory(dict)
    """Of each program, by its identity: those that compare equal need not do the same (True, 1, 1.0)."""
    attempts: list[Attempted] = Factory(list)
    """Of the newest call."""
    functions: dict[str, AnyFunction] = field(init=False)

    def __attrs_post_init__(self) -> None:
        @query
        async def read(ctx: QueryCtx, program: int) -> Any:
            return await self.run(ctx, program)

        @mutation
        async def write(ctx: MutationCtx, program: int) -> Any:
            return await self.run(ctx, program)

        self.functions = {"app:read": read, "app:write": write}

    def number(self, program: Program) -> int:
        """The argument by which functions are told what to do; programs that they call have one, too."""
        for step in program:
            while isinstance(step, Caught):
                step = step.step
            if isinstance(step, Call):
                self.number(step.program)
        if id(program) not in self.numbers:
            self.numbers[id(program)] = len(self.programs)
            self.programs.append(program)
        return self.numbers[id(program)]

    async def run(self, ctx: Any, number: int) -> list[Any]:
        if ctx._run.depth == 1:
            self.attempts.append(Attempted(ctx._run.transaction, ctx._run.run.clock_ns))
        result = []
        for step in self.programs[number]:
            result.append(await self.step(ctx, step))
            ctx._run.transaction.overlay.check()
        return result

    async def step(self, ctx: Any, step: Step) -> Any:
        match step:
            case Caught(inner):
                try:
                    return await self.step(ctx, inner)
                except Exception as error:
                    return {"raised": type(error).__name__}
            case Raise():
                raise Refused
            case Get() | Rows() | Pages() | Call():
                return await self.read(ctx, step)
            case Each():
                return await self.each(ctx, step)
            case Insert(table, fields, as_mapping):
                return await self.insert(ctx, table, fields, as_mapping)
            case Patch() | Replace() | Delete() | Merge():
                target = self.target(step.target)
                return await self.change(ctx, step, target) if target is not None else None
            case _:
                assert_never(step)

    async def read(self, ctx: Any, step: Get | Rows | Pages | Call) -> Any:
        match step:
            case Get(target):
                named = self.target(target)
                return await ctx.db.get(named) if named is not None else None
            case Rows():
                return await self.rows(ctx, step)
            case Pages():
                return await self.pages(ctx, step)
            case Call(kind, program, by_name):
                name = "app:write" if kind == "mutation" else "app:read"
                calls = ctx.on_stale_snapshot() if kind == "stale query" else ctx
                run = calls.run_mutation if kind == "mutation" else calls.run_query
                number = self.numbers[id(program)]
                return await (run(name, {"program": number}) if by_name else run(self.functions[name], number))

    def query(self, ctx: Any, read: Read) -> Any:
        cls = self.classes.get(read.table)
        named = read.by_name or cls is None
        reader = ctx.db.system if read.table.startswith("_") else ctx.db
        query = reader.query(read.table if named else cls)
        if read.index:
            index = read.index if named else getattr(cls, read.index)
            query = query.index(index, *read.equal, **read.bounds)
        if read.reverse:
            query = query.order("desc")
        for condition in read.conditions:
            query = query.filter(lambda row, condition=condition: condition.holds(held(row, condition.field)))
        return query

    async def rows(self, ctx: Any, step: Rows) -> Any:
        query = self.query(ctx, step.read)
        match step.way:
            case "take":
                return await query.take(step.count)
            case "stop":
                found: list[Any] = []
                async for row in query:
                    found.append(row)
                    if len(found) == step.count:
                        break
                return found
            case way:
                return await getattr(query, way)()

    async def pages(self, ctx: Any, step: Pages) -> list[Any]:
        query, cursor = self.query(ctx, step.read), step.cursor
        found: list[Any] = []
        for _ in range(step.count):
            more: dict[str, Any] = {}
            if step.end is not None and not found:
                more["end_cursor"] = step.end
            if step.rows_max is not None:
                more["maximum_rows_read"] = step.rows_max
            page = await query.paginate(PaginationOptions(num_items=step.items, cursor=cursor, **more))
            found.append(page)
            if page.is_done:
                break
            cursor = page.continue_cursor
        return found

    async def each(self, ctx: Any, step: Each) -> list[str]:
        seen: list[str] = []
        async for row in self.query(ctx, step.read):
            seen.append(id_of(row))
            match step.change:
                case Insert(table, fields, as_mapping):
                    await self.insert(ctx, table, fields, as_mapping)
                case change:
                    await self.change(ctx, change, seen[-1])
            if len(seen) == step.most:
                break
        return seen

    async def insert(self, ctx: Any, table: str, fields: Mapping[str, Any], as_mapping: bool) -> str:
        id: str = await ctx.db.insert(*([table, fields] if self.is_mapping(table, as_mapping) else
                                        [self.classes[table](**fields)]))  # fmt: skip
        document = ctx._run.transaction.overlay.find(table, id).document
        time = document["_creationTime"] if isinstance(document, dict) else document.creation_time
        self.attempts[-1].created.append((id, time))
        return id

    def is_mapping(self, table: str, as_mapping: bool) -> bool:
        return as_mapping or table not in self.classes

    async def change(self, ctx: Any, step: Patch | Replace | Delete | Merge, id: str) -> Any:
        match step:
            case Patch(_, changes):
                return await ctx.db.patch(id, **changes)
            case Replace(_, table, fields, as_mapping):
                mapping = self.is_mapping(table, as_mapping)
                return await ctx.db.replace(id, fields if mapping else self.classes[table](**fields))
            case Delete():
                return await ctx.db.delete(id)
            case Merge(_, operations):
                return await ctx.db.merge(id, **dict(made(operations)))

    def target(self, target: Target) -> str | None:
        """None if nothing was inserted yet."""
        if not isinstance(target, Own):
            return target
        created = self.attempts[-1].created
        return created[target.number % len(created)][0] if created else None


def made(operations: Mapping[str, tuple[str, Any]]) -> Iterator[tuple[str, Operation]]:
    for name, (kind, value) in operations.items():
        yield name, OPERATIONS[kind](value)


def held(row: Any, name: str) -> object:
    return row.get(name, UNSET) if isinstance(row, dict) else getattr(row, name)


def id_of(row: Any) -> str:
    return str(row["_id"] if isinstance(row, dict) else row.id)
