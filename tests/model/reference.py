"""What relive has to give, said in the simplest way: dictionaries, copies of them, and full scans.

State        the documents of all tables as of a commit
Transaction  one run of a program: what it sees, what it gives, what it has read, what it changes
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cmp_to_key
from itertools import islice
from typing import Any, Final, assert_never

from attrs import Factory, define, evolve, field, frozen
from relive.engine.data.schema import UNSET

from .fitting import Raised, fitting, merged, system_fields, without_system_fields
from .places import (
    BEGINNING,
    END,
    Change,
    Fields,
    Key,
    Span,
    before,
    behind,
    compare_keys,
    earlier,
    key_of,
    later,
    same,
    span_of,
    token,
)
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
from .schemas import TABLES_LIST, Schema, Table

FIRST_TABLE_NUMBER: Final = 10_001
SPLIT_RATIO: Final = 0.75
"""A page that scanned more than this part of what it may recommends to be split."""


@define(eq=False)
class State:
    """The database as of a commit; copied, not changed."""

    documents: dict[str, dict[str, Fields]]
    """By table and id; of the list of tables, too, whose documents have their names as ids here, and their
    numbers as creation times."""
    numbers: dict[str, int]
    """Of the tables."""

    @classmethod
    def empty(cls, schema: Schema) -> State:
        state = cls({table.name: {} for table in (*schema.tables, TABLES_LIST)}, {})
        for table in schema.typed:
            state.create(table.name)
        return state

    def copy(self) -> State:
        return State({name: dict(ids) for name, ids in self.documents.items()}, dict(self.numbers))

    def create(self, name: str) -> None:
        number = max(self.numbers.values(), default=FIRST_TABLE_NUMBER - 1) + 1
        self.numbers[name] = number
        self.documents[TABLES_LIST.name][name] = {"_id": name, "_creationTime": number}

    def changes_to(self, other: State) -> Iterator[Change]:
        for table, ids in other.documents.items():
            mine = self.documents[table]
            for id in sorted(mine.keys() | ids.keys()):
                old, new = mine.get(id), ids.get(id)
                if old is None or new is None or not same(old, new):
                    yield Change(table, id, old, new)

    def changed(self, changes: Iterable[Change]) -> State:
        state = self.copy()
        for change in changes:
            if change.new is None:
                del state.documents[change.table][change.id]
                continue
            state.documents[change.table][change.id] = change.new
            if change.table == TABLES_LIST.name:
                state.numbers[change.id] = change.new["_creationTime"]
        return state


@frozen
class Cursor:
    """A place in the answers of a query; stands for the text that the engine gives for it."""

    query: object
    position: Key | None
    """The last key of a page; None for the end of the range."""

    def token(self) -> object:
        return self.query, None if self.position is None else tuple(map(token, self.position))


Journal = dict[object, Cursor]
"""Where the pages of a function ended: by query, by cursor, and of how many of the same it was."""


@define(eq=False)
class Book:
    """What the engine has made up: a text for each cursor, always the same; and ids, that say a table's number."""

    texts: dict[object, str] = Factory(dict)
    cursors: dict[tuple[object, str], Cursor] = Factory(dict)
    numbers: dict[str, int] = Factory(dict)
    """By id."""

    def learn(self, cursor: Cursor, text: object) -> None:
        assert isinstance(text, str), (cursor, text)
        assert self.texts.setdefault(cursor.token(), text) == text, ("two texts for a place", cursor)
        known = self.cursors.setdefault((cursor.query, text), cursor)
        assert known.token() == cursor.token(), ("two places with one text", known, cursor)


@define(eq=False)
class Transaction:
    schema: Schema
    snapshot: State
    """What was stored when it began."""
    stale: State
    """What reads of a stale snapshot see; the same, but for who asks what another order would have given."""
    book: Book
    created: list[str]
    """Ids that the engine gave, and creation times, in the order of the inserts."""
    times: list[float]
    given: Journal = Factory(dict)
    state: State = field(init=False)
    """What it sees."""
    own: list[str] = Factory(list)
    reads: list[Span] = Factory(list)
    points: list[Span] = Factory(list)
    """Those of them that are of single documents."""
    looked: set[tuple[str, str]] = Factory(set)
    """Documents that were looked for, by table and id."""
    merges: dict[tuple[str, str], tuple[Merge, ...]] = Factory(dict)
    """Documents that were changed by operations alone, without a look at them."""
    ends: Journal = Factory(dict)

    def __attrs_post_init__(self) -> None:
        self.state = self.snapshot.copy()

    def changes(self) -> list[Change]:
        return list(self.snapshot.changes_to(self.state))

    def touched_by(self, changes: Iterable[Change]) -> bool:
        return any(read.touched(change) for change in changes for read in self.reads)

    def run(self, program: Program) -> list[Any]:
        """Raises Raised."""
        return [self.step(step) for step in program]

    def step(self, step: Step) -> Any:
        match step:
            case Caught(inner):
                try:
                    return self.step(inner)
                except (Raised, Refused) as error:
                    return {"raised": error_name(error)}
            case Raise():
                raise Refused
            case Get(target):
                id = self.target(target)
                return self.get(id)[1] if id is not None else None
            case Rows():
                return self.rows(step)
            case Pages():
                return self.pages(step)
            case Call(kind, program):
                return self.call(kind, program)
            case Each():
                return self.each(step)
            case Insert(table, fields):
                return self.insert(self.schema.table(table), fields)
            case Patch() | Replace() | Delete() | Merge():
                id = self.target(step.target)
                return self.change(step, id) if id is not None else None
            case _:
                assert_never(step)

    def target(self, target: Target) -> str | None:
        if not isinstance(target, Own):
            return target
        return self.own[target.number % len(self.own)] if self.own else None

    def table_of(self, id: str) -> Table | None:
        """The table that an id names; to look for one in vain is to look at all that there are."""
        for name, number in self.state.numbers.items():
            if number == self.book.numbers[id]:
                return self.schema.table(name)
        self.look_up_tables()
        return None

    def look_up_tables(self) -> None:
        self.reads.append(Span(TABLES_LIST, "by_creation_time", BEGINNING, END))

    def get(self, id: str) -> tuple[Table | None, Fields | None]:
        table = self.table_of(id)
        if table is None:
            return None, None
        self.look_at(table, id)
        return table, self.documents(table).get(id)

    def look_at(self, table: Table, id: str) -> None:
        self.looked.add((table.name, id))
        self.points.append(Span(table, "by_id", before(id), behind(id)))
        self.reads.append(self.points[-1])

    def documents(self, table: Table) -> dict[str, Fields]:
        return self.state.documents[table.name]

    def scan(self, span: Span, reverse: bool) -> Iterator[tuple[Key, Fields]]:
        """Row after row, each the next one in what is there by then; up to there it was read."""
        last: Key | None = None
        place = len(self.reads)
        while not span.is_empty:
            rest = Span(span.table, span.index, *beyond(span, last, reverse))
            rows = [(key_of(span.table, span.index, row), row) for row in self.documents(span.table).values()]
            rows = [(key, row) for key, row in rows if rest.holds(row)]
            if not rows:
                self.reads[place:] = [span, *self.reads[place + 1 :]]
                return
            last, row = (max if reverse else min)(rows, key=by_key)
            low, high = (before(*last), span.high) if reverse else (span.low, behind(*last))
            self.reads[place:] = [Span(span.table, span.index, low, high), *self.reads[place + 1 :]]
            yield last, row

    def filtered(self, read: Read) -> Iterator[Fields]:
        for _, row in self.scan(span_of(self.schema.table(read.table), read), read.reverse):
            if passes(read, row):
                yield row

    def rows(self, step: Rows) -> Any:
        read, rows = step.read, self.filtered(step.read)
        match step.way:
            case "collect":
                return list(rows)
            case "take" | "stop":
                return list(islice(rows, step.count))
            case "first":
                return next(rows, None)
            case "unique":
                found = list(islice(rows, 2))
                if len(found) > 1:
                    raise Raised("NotUnique")
                return found[0] if found else None
            case "count":
                return len(list(rows)) if read.conditions else self.count(read)
            case "exists":
                return next(rows, None) is not None if read.conditions else self.exists(read)

    def count(self, read: Read) -> int:
        span = span_of(self.schema.table(read.table), read)
        if not span.is_empty:
            self.reads.append(evolve(span, keys_only=True))
        return len(list(filter(span.holds, self.documents(span.table).values())))

    def exists(self, read: Read) -> bool:
        """If there is one, the first of them is what was looked at, and only whether it is there."""
        span = span_of(self.schema.table(read.table), read)
        rows = [key_of(span.table, span.index, row) for row in self.documents(span.table).values() if span.holds(row)]
        if rows:
            first = (max if read.reverse else min)(rows, key=cmp_to_key(compare_keys))
            self.reads.append(Span(span.table, span.index, before(*first), behind(*first), keys_only=True))
        elif not span.is_empty:
            self.reads.append(evolve(span, keys_only=True))
        return bool(rows)

    def pages(self, step: Pages) -> list[Any]:
        found: list[Any] = []
        query = query_of(span_of(self.schema.table(step.read.table), step.read), step.read)
        cursor = self.cursor(query, step.cursor)
        for _ in range(step.count):
            page = self.page(step, query, cursor, self.cursor(query, step.end) if not found else None)
            found.append(page)
            cursor = page["continueCursor"]
            if page["isDone"]:
                break
        return found

    def cursor(self, query: object, text: str | None) -> Cursor | None:
        return None if text is None else self.book.cursors[query, text]

    def page(self, step: Pages, query: object, cursor: Cursor | None, end: Cursor | None) -> dict[str, Any]:
        name = self.page_name(query, cursor)
        end = end or self.given.get(name)
        if cursor is not None and cursor.position is None:
            self.ends[name] = cursor
            return page_of([], cursor, None, None)
        read, span = step.read, span_of(self.schema.table(step.read.table), step.read)
        low, high = beyond(span, cursor.position if cursor is not None else None, read.reverse)
        if end is not None and end.position is not None:
            to = end.position
            low, high = (later(low, before(*to)), high) if read.reverse else (low, earlier(high, behind(*to)))
        scanned: list[Key] = []
        found: list[Fields] = []
        last, cut_short = None, False
        for key, row in self.scan(evolve(span, low=low, high=high), read.reverse):
            scanned.append(key)
            if passes(read, row):
                found.append(row)
            cut_short = len(found) < step.items and step.rows_max is not None and len(scanned) >= step.rows_max
            if end is None and (len(found) == step.items or cut_short):
                last = key
                break
        end = self.ends[name] = end or Cursor(query, last)
        middle = Cursor(query, scanned[len(scanned) // 2]) if len(scanned) > 2 else None
        many = step.rows_max is not None and len(scanned) > SPLIT_RATIO * step.rows_max
        status = "SplitRequired" if last is not None and cut_short else "SplitRecommended" if many else None
        return page_of(found, end, middle, status)

    def page_name(self, query: object, cursor: Cursor | None) -> object:
        """In the journal; of the same page read twice the second is another."""
        named = (query, cursor and cursor.token())
        return next(name for number in range(len(self.ends) + 1) if (name := (named, number)) not in self.ends)

    def call(self, kind: str, program: Program) -> list[Any]:
        if kind == "query":
            return self.run(program)
        if kind == "stale query":
            apart = Transaction(self.schema, self.stale, self.stale, self.book, self.created, self.times, self.given)
            apart.own, apart.ends = self.own, self.ends
            return apart.run(program)
        state, merges = self.state.copy(), dict(self.merges)
        try:
            return self.run(program)
        except (Raised, Refused):
            # What has been read stays read, and that an operation worked is something that was seen.
            for (table, id), operations in self.merges.items():
                if operations != merges.get((table, id)):
                    self.look_at(self.schema.table(table), id)
            self.state, self.merges = state, merges
            raise

    def each(self, step: Each) -> list[str]:
        seen: list[str] = []
        for row in self.filtered(step.read):
            seen.append(row["_id"])
            match step.change:
                case Insert(table, fields):
                    self.insert(self.schema.table(table), fields)
                case change:
                    self.change(change, row["_id"])
            if len(seen) == step.most:
                break
        return seen

    def insert(self, table: Table, fields: Mapping[str, Any]) -> str:
        if table.name not in self.state.numbers:
            self.look_up_tables()
            self.state.create(table.name)
        complete = fitting(table, fields)
        id, time = self.created[len(self.own)], self.times[len(self.own)]
        assert self.book.numbers[id] == self.state.numbers[table.name], ("the id is of another table", id)
        self.own.append(id)
        self.documents(table)[id] = {**complete, "_id": id, "_creationTime": time}
        return id

    def change(self, step: Patch | Replace | Delete | Merge, id: str) -> Any:
        if isinstance(step, Merge):
            return self.merge(step, id)
        table, old = self.get(id)
        if table is None or old is None:
            raise Raised("DocumentMissing")
        self.merges.pop((table.name, id), None)
        match step:
            case Delete():
                del self.documents(table)[id]
                return None
            case Patch(_, changes):
                fields = {name: item for name, item in {**old, **changes}.items() if item is not UNSET}
                new = {**fitting(table, without_system_fields(fields)), **system_fields(old)}
            case Replace(_, other, given, as_mapping):
                if table.name != other and not as_mapping and self.schema.table(other).fields:
                    raise Raised("DocumentInvalid")  # Of the class of another table.
                new = {**fitting(table, given), **system_fields(old)}
            case _:
                assert_never(step)
        self.documents(table)[id] = new
        return new

    def merge(self, step: Merge, id: str) -> None:
        """That there is nothing, that it fails, that it changes nothing: all that is something to be seen."""
        table = self.table_of(id)
        old = self.documents(table).get(id) if table is not None else None
        if table is None or old is None:
            if table is not None:
                self.look_at(table, id)
            raise Raised("DocumentMissing")
        try:
            new = merged(table, step, old)
        except Raised:
            self.look_at(table, id)
            raise
        key = (table.name, id)
        stored = self.snapshot.documents[table.name].get(id)
        if key in self.merges:
            # What the operations before had made of it may have been come upon.
            untouched = not any(read.table is table and read not in self.points for read in self.reads)
        else:
            untouched = stored is not None and same(stored, old)
        if same(new, old) or (stored is not None and same(new, stored)) or key in self.looked or not untouched:
            self.look_at(table, id)
            self.merges.pop(key, None)
        else:
            self.merges[key] = (*self.merges.get(key, ()), step)
        self.documents(table)[id] = new

    def merged_again(self, staged: Change, newest: Fields | None) -> Fields | None:
        """A document after all operations on it, begun with ``newest``; None if that is not what was done."""
        operations = self.merges.get((staged.table, staged.id))
        if operations is None or newest is None:
            return None
        table = self.schema.table(staged.table)
        try:
            for step in operations:
                newest = merged(table, step, newest)
        except Raised:
            return None
        return newest


def error_name(error: Exception) -> str:
    return str(error) if isinstance(error, Raised) else type(error).__name__


def by_key(one: tuple[Key, Fields]) -> Any:
    return cmp_to_key(compare_keys)(one[0])


def passes(read: Read, row: Fields) -> bool:
    """Raises Refused."""
    return all(condition.holds(row.get(condition.field, UNSET)) for condition in read.conditions)


def beyond(span: Span, last: Key | None, reverse: bool) -> tuple[Any, Any]:
    """The part of a span that comes after a key in the order of reading."""
    if last is None:
        return span.low, span.high
    return (span.low, earlier(span.high, before(*last))) if reverse else (later(span.low, behind(*last)), span.high)


def query_of(span: Span, read: Read) -> object:
    """What makes two paginated queries the same one."""
    where = (span.table.name, span.index, span.low.token(), span.high.token())
    return *where, read.reverse, len(read.conditions)


def page_of(rows: list[Fields], end: Cursor, middle: Cursor | None, status: str | None) -> dict[str, Any]:
    return {
        "page": rows,
        "isDone": end.position is None,
        "continueCursor": end,
        "splitCursor": middle,
        "pageStatus": status,
    }
