"""Draws random programs for a schema and what is stored at the moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal, TypeVar

from attrs import Factory, define, evolve
from hypothesis import strategies as st
from relive.engine.data.schema import UNSET, Int64

from .places import Fields
from .programs import (
    Call,
    Caught,
    Condition,
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
    Replace,
    Rows,
    Step,
    Target,
)
from .schemas import KINDS, TABLES_LIST, Field, Schema, Table

T = TypeVar("T")

KINDS_OF_CONDITION: Sequence[Literal["is", "is not", "raises"]] = ("is not", "is", "is not", "is", "raises")
WAYS: Sequence[Literal["collect", "take", "first", "unique", "count", "exists", "stop"]] = (
    "collect",
    "take",
    "first",
    "unique",
    "count",
    "exists",
    "stop",
)
INCREMENTS = {"int": (1, -1, 2), "float": (1, 0.5, -0.5), "int64": (1, Int64(2)), "any": (1, 0.5, Int64(1), -1)}
ANY_FIELD = Field("a", "any", nullable=False, may_be_missing=True, default=UNSET)
"""Of tables without a class."""
SHORT = 3
"""Steps of a program at most."""
DEPTH = 2
"""Calls inside one another at most."""


@define(eq=False)
class Known:
    """What there is to name."""

    stored: list[str] = Factory(list)
    """Ids of documents."""
    gone: list[str] = Factory(list)
    """Ids of documents that were deleted, or whose insert was undone."""
    strangers: list[str] = Factory(list)
    """Ids of tables that need not be there."""
    times: list[float] = Factory(list)
    """Creation times."""
    cursors: list[tuple[Read, str]] = Factory(list)
    homes: dict[str, str] = Factory(dict)
    """The table of each document that is stored."""
    documents: dict[str, Fields] = Factory(dict)
    """What it holds."""


@cache
def below(count: int) -> st.SearchStrategy[int]:
    """Made once for each: most of the time of a test is spent on drawing."""
    return st.integers(0, count - 1)


@define(eq=False)
class Drawing:
    draw: st.DrawFn
    schema: Schema
    known: Known
    focus: Target | None = None
    """A document that a program comes back to."""

    def pick(self, options: Sequence[T]) -> T:
        return options[self.draw(below(len(options)))]

    def chance(self, parts: int) -> bool:
        """True once in so many times; False is simpler."""
        return self.draw(below(parts)) == parts - 1

    def count(self, most: int, least: int = 0) -> int:
        return least + self.draw(below(most - least + 1))

    def value(self, kind: str) -> Any:
        return self.pick(self.schema.palettes[kind])

    def item(self, known: Field) -> Any:
        if known.nullable and self.chance(4):
            return None
        return KINDS[known.kind].wrong if self.chance(30) else self.value(known.kind)

    def table(self) -> Table:
        return self.pick(self.schema.untyped if self.chance(4) else self.schema.typed)

    def fields(self, table: Table) -> dict[str, Any]:
        """Of a document, most of the time one that fits."""
        if not table.fields:
            return {name: self.value("any") for name in ("a", "b")[: self.count(2)]}
        return {known.name: self.item(known) for known in table.fields if known.required or not self.chance(4)}

    def changes(self, table: Table) -> dict[str, Any]:
        if not table.fields:
            return {"a": self.value("any")}
        chosen = [self.pick(table.fields), *([self.pick(table.fields)] if self.chance(3) else [])]
        return {known.name: UNSET if self.chance(12 if known.required else 4) else self.item(known) for known in chosen}

    def target(self, *, own: bool) -> Target:
        if self.focus is not None and not self.chance(3):
            return self.focus
        if own and self.chance(4):
            return Own(self.count(2))
        options = self.known.stored
        if self.chance(6) or not options:
            options = self.known.gone
        if self.chance(12) or not options:
            options = self.known.strangers
        return self.pick(options)

    def read(self, table: Table | None = None) -> Read:
        table = table if table is not None else self.table()
        reverse = bool(self.count(1))
        named = bool(self.count(1))
        filters = (self.condition(table),) if self.chance(4) else ()
        names = [*table.indexes, *table.indexes, *table.indexes, "", "by_creation_time", "by_id"]
        index = self.pick(names)
        if index == "":
            return Read(table.name, named, reverse=reverse, conditions=filters)
        kinds = [table.kind_at(path) for path in table.indexes.get(index, ())]
        equal = tuple(self.bound(kind) for kind in kinds[: self.count(len(kinds))])
        following = kinds[len(equal)] if len(equal) < len(kinds) else index if index == "by_id" else "time"
        bounds = {
            side: self.bound(following) for side in (self.pick(["", "gte", "gt"]), self.pick(["", "lte", "lt"])) if side
        }
        return Read(table.name, named, index, equal, bounds, reverse, filters)

    def bound(self, kind: str) -> Any:
        if kind == "time":
            return self.pick(self.known.times)
        if kind == "by_id":
            return self.pick([*self.known.stored, *self.known.gone, *self.known.strangers])
        if self.chance(4):
            return self.pick([UNSET, None, self.value("any")])
        return self.value(kind)

    def condition(self, table: Table) -> Condition:
        plain = [known for known in table.fields if known.kind != "place"]
        kind = self.pick(KINDS_OF_CONDITION)
        if not plain:
            return Condition(kind, "a", self.value("any"))
        known = self.pick(plain)
        return Condition(kind, known.name, self.value(known.kind))

    def rows(self, table: Table | None = None) -> Rows:
        if table is None and self.chance(15):
            return Rows(Read(TABLES_LIST.name, by_name=True), "exists" if self.chance(2) else "count")
        return Rows(self.read(table), self.pick(WAYS), self.count(3, 1))

    def pages(self) -> Pages:
        rows_max = self.count(4, 1) if self.chance(4) else None
        items, count = self.count(3, 1), self.count(3, 1)
        if self.known.cursors and self.chance(2):
            read, cursor = self.pick(self.known.cursors)
            ends = [text for other, text in self.known.cursors if other is read]
            return Pages(read, items, count, cursor, self.pick(ends) if self.chance(3) else None, rows_max)
        return Pages(self.read(), items, count, None, None, rows_max)

    def query(self, depth: int = 0, *, own: bool = False) -> Program:
        steps = [self.reading(depth, own=own) for _ in range(self.count(SHORT, 1))]
        pages = [step for step in steps if isinstance(step, Pages)]
        # The same pages once more, of another size, are others in the journal.
        return (*steps, *[evolve(step, items=step.items + 1) for step in pages if self.chance(4)])

    def reading(self, depth: int, *, own: bool) -> Step:
        kind = self.pick(["rows", "rows", "rows", "get", "pages", "pages", "call", "raise"][: 8 if depth else 7])
        step: Step
        match kind:
            case "rows":
                step = self.rows()
            case "get":
                step = Get(self.target(own=own))
            case "pages":
                step = self.pages()
            case "call" if depth < DEPTH:
                step = Call("query", self.query(depth + 1, own=own), bool(self.count(1)))
            case "raise":
                return Raise()
            case _:
                step = self.rows()
        return Caught(step) if self.chance(3) else step

    def mutation(self, depth: int = 0) -> Program:
        if self.chance(3) and self.known.stored:
            return self.pick(SKETCHES)(self)
        if depth == 0:
            self.focus = self.target(own=True) if self.chance(2) else None
        steps = tuple(self.writing(depth) for _ in range(self.count(SHORT, 1)))
        return (*steps, Raise()) if self.chance(3 if depth else 20) else steps

    def writing(self, depth: int) -> Step:
        step = self.written(depth)
        return Caught(step) if self.chance(4) or (isinstance(step, Call) and self.chance(2)) else step

    def written(self, depth: int) -> Step:
        kinds = ["insert", "insert", "insert", "patch", "patch", "replace", "delete", "merge", "merge", "merge", "each"]
        match self.pick([*kinds, "call", "call", "read", "read", "read"]):
            case "insert":
                table = self.table()
                return Insert(table.name, self.fields(table), bool(self.count(1)))
            case "patch":
                target = self.target(own=True)
                return Patch(target, self.changes(self.home(target)))
            case "replace":
                target = self.target(own=True)
                table = self.home(target)
                return Replace(target, table.name, self.fields(table), bool(self.count(1)))
            case "delete":
                return Delete(self.target(own=True))
            case "merge":
                return self.merge()
            case "each":
                return self.each()
            case "call" if depth < DEPTH:
                return self.call(depth)
            case _:
                return self.reading(depth, own=True)

    def call(self, depth: int) -> Call:
        match self.pick(["mutation", "mutation", "query", "stale query"]):
            case "mutation":
                return Call("mutation", self.mutation(depth + 1), bool(self.count(1)))
            case "query":
                return Call("query", self.query(depth + 1, own=True), bool(self.count(1)))
            case _:
                return Call("stale query", self.query(depth + 1, own=True), bool(self.count(1)))

    def home(self, target: Target) -> Table:
        """The table of a document, nearly always."""
        name = self.known.homes.get(target) if isinstance(target, str) else None
        return self.table() if name is None or self.chance(20) else self.schema.table(name)

    def merges(self, target: Target | None = None) -> Program:
        """Operations on one document, and what may come upon it in between."""
        target = target if target is not None else self.target(own=False)
        between = [self.reading(DEPTH, own=False) if self.chance(2) else Raise() for _ in range(self.count(1))]
        inner = Caught(Call("mutation", (self.merge(target), *between)))
        middle = inner if self.chance(3) else self.rows(self.home(target))
        return (self.merge(target), middle, *([self.merge(target)] if self.chance(2) else []))

    def there_and_back(self) -> Program:
        """A change of a document, or none, and then the field as it was."""
        target = self.pick(self.known.stored)
        table, document = self.home(target), self.known.documents[target]
        known = self.pick(table.fields or (ANY_FIELD,))
        there = Patch(target, {known.name: self.value(known.kind)}) if self.chance(2) else self.change(target)
        return (there, Patch(target, {known.name: document.get(known.name, UNSET)}))

    def written_and_read(self) -> Program:
        """A change, or a new document, and a look: at what is there now, or at what was there before."""
        target = self.pick(self.known.stored)
        table = self.home(target)
        change = Insert(table.name, self.fields(table)) if self.chance(3) else self.change(target)
        read = Read(table.name, index=self.pick(["", *table.indexes]))
        look = Get(target) if self.chance(4) else Rows(read, self.pick(WAYS), self.count(3, 1))
        looks: Program = (Call("stale query", (look,)), look) if self.chance(2) else (look,)
        return (change, *looks, Rows(read, "count"))

    def undone(self) -> Program:
        """A call that changes something, and fails; and what comes after it."""
        changes = [self.alone() for _ in range(self.count(2, 1))]
        return (Caught(Call("mutation", (*changes, Raise()))), *[self.alone() for _ in range(self.count(2))])

    def alone(self) -> Step:
        if self.chance(2):
            table = self.pick(self.schema.untyped)
            return Insert(table.name, self.fields(table))
        target = self.pick(self.known.stored)
        return self.rows(self.home(target)) if self.chance(3) else self.change(target)

    def moved_while_read(self) -> Program:
        """Rows of an index, each changed in what it stands there by."""
        table = self.pick(self.schema.typed)
        index, paths = self.pick(list(table.indexes.items()))
        known = table.field(paths[0][0])
        assert known is not None
        read = Read(table.name, index=index, reverse=bool(self.count(1)))
        return (Each(read, self.count(4, 2), Patch("", {known.name: self.item(known)})), self.rows(table))

    def change(self, target: str) -> Patch | Delete | Merge:
        match self.pick(["patch", "delete", "merge"]):
            case "patch":
                return Patch(target, self.changes(self.home(target)))
            case "delete":
                return Delete(target)
            case _:
                return self.merge(target)

    def race(self) -> tuple[Program, ...]:
        """Some, and one that runs while they are committed; most of the time all change one document."""
        if self.chance(3) or not self.known.stored:
            return tuple(self.mutation() for _ in range(self.count(3, 2)))
        sums = [each for id in self.known.stored for each in self.sums(id)]
        if sums and self.chance(2):
            return self.race_for_a_sum(*self.pick(sums))
        target = self.pick(self.known.stored)
        return (self.change(target),), self.merges(target)

    def sums(self, id: str) -> Iterator[tuple[str, Field, str]]:
        """Numbers of a document by which it stands in an index: id, field and index."""
        table, document = self.schema.table(self.known.homes[id]), self.known.documents[id]
        for index, ((name, *below), *_) in table.indexes.items():
            held, known = document.get(name), table.field(name)
            is_number = isinstance(held, (int, float)) and not isinstance(held, bool)
            if is_number and known is not None and known.kind in INCREMENTS and not below:
                yield id, known, index

    def race_for_a_sum(self, id: str, known: Field, index: str) -> tuple[Program, ...]:
        """Both add to the number; one looks for what it is then, which it is not if the other comes first."""
        held = self.known.documents[id][known.name]
        by, other = Int64(1) if isinstance(held, Int64) else 1, self.pick(INCREMENTS[known.kind])
        found = Int64(held + by) if isinstance(held, Int64) else held + by
        rows = Rows(Read(self.known.homes[id], index=index, equal=(found,)), self.pick(WAYS), self.count(3, 1))
        first: Program = (Merge(id, {known.name: ("increment", other)}),)
        return first, (Merge(id, {known.name: ("increment", by)}), rows)

    def merge(self, target: Target | None = None) -> Merge:
        if target is None:
            target = self.target(own=True)
        table = self.home(target)
        fields = table.fields or (ANY_FIELD,)
        known = self.pick([*fields, *[known for known in fields if known.kind in INCREMENTS] * 2])
        operations = ["append"] if known.kind == "list" else ["maximum", "minimum"]
        if known.kind in INCREMENTS:
            operations = ["increment", "increment", *operations]
        kind: Any = self.pick([*operations, "append"] if self.chance(15) else operations)
        match kind:
            case "increment":
                value: Any = self.pick(INCREMENTS[known.kind])
            case "append":
                value = self.count(1)
            case _:
                value = self.value(known.kind)
        return Merge(target, {known.name: (kind, value)})

    def each(self) -> Each:
        read, most = self.read(), self.count(4, 1)
        table = self.schema.table(read.table)
        change: Patch | Insert | Delete
        match self.pick(["patch", "patch", "delete", "insert"]):
            case "patch":
                change = Patch("", self.changes(table))
            case "delete":
                change = Delete("")
            case _:
                change = Insert(table.name, self.fields(table))
        return Each(read, most, change)


SKETCHES = (
    Drawing.merges,
    Drawing.there_and_back,
    Drawing.written_and_read,
    Drawing.undone,
    Drawing.moved_while_read,
)
"""Programs that chance alone would not often make."""


@st.composite
def mutations(draw: st.DrawFn, schema: Schema, known: Known) -> Program:
    return Drawing(draw, schema, known).mutation()


@st.composite
def queries(draw: st.DrawFn, schema: Schema, known: Known) -> Program:
    return Drawing(draw, schema, known).query()


@st.composite
def documents(draw: st.DrawFn, schema: Schema, table: Table) -> dict[str, Any]:
    """Fields that fit."""
    drawing = Drawing(draw, schema, Known())
    given = [known for known in table.fields if not (known.may_be_missing and drawing.chance(4))]
    return {known.name: None if known.nullable and drawing.chance(3) else drawing.value(known.kind) for known in given}


@st.composite
def populations(draw: st.DrawFn, schema: Schema) -> Program:
    """The first documents."""
    drawing = Drawing(draw, schema, Known())
    tables = [drawing.table() for _ in range(drawing.count(5, 1))]
    return tuple(Caught(Insert(table.name, drawing.fields(table))) for table in tables)


@st.composite
def races(draw: st.DrawFn, schema: Schema, known: Known) -> tuple[Program, ...]:
    return Drawing(draw, schema, known).race()
