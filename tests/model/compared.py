"""The engine beside the reference: one database, and what it has to hold after each commit.

Every answer is compared, and every read set: for many documents, stored, past and made up, it is asked
whether their coming, going or changing would touch what was read, by index keys here and by values there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

from attrs import Factory, define, frozen
from relive.actors.version import Change as EngineChange
from relive.actors.version import Version
from relive.engine.data.catalog import Catalog
from relive.engine.data.documents import to_value
from relive.engine.data.table_codec import TableCodec, untyped
from relive.engine.execution.calls import Call, Outcome, Request
from relive.engine.execution.executor import Executor
from relive.log.entry import LSN, IndexKey, IndexName, KeyRange
from relive.protocol import ids, json
from relive.protocol.order import compare
from relive.protocol.results import FunctionFailure, MutationSuccess, QueryFailure, QuerySuccess

from ..actors.replica import Replica
from ..engine.bench import SECRET, SESSION, Bench, app_of, open_bench
from .fitting import Raised
from .interpreter import Attempted, Interpreter
from .places import Change, Fields, Span, span_of
from .programs import Program, Read, Refused
from .reference import Book, Cursor, Journal, State, Transaction, error_name, query_of
from .schemas import TABLES_LIST, Schema, document_class

AnyAnswer = MutationSuccess | FunctionFailure | QuerySuccess | QueryFailure

PAST_IMAGES = 12
"""Commits whose documents are asked about."""


@frozen(eq=False)
class Answer:
    """What a program gave by the reference."""

    transaction: Transaction
    result: list[Any] | None
    error: str | None


@frozen(eq=False)
class Image:
    """A document as both sides know it."""

    version: Version
    fields: Fields


@define(eq=False)
class Compared:
    schema: Schema
    bench: Bench
    interpreter: Interpreter
    history: dict[int, State]
    """By the entry as of which it is."""
    commits: dict[int, list[Change]] = Factory(dict)
    book: Book = Factory(Book)
    made_up: dict[str, list[Image]] = Factory(dict)
    newest_time: float = 0.0
    requests: int = 0

    @classmethod
    def open(cls, schema: Schema) -> Compared:
        classes = {table.name: document_class(table) for table in schema.typed}
        interpreter = Interpreter(classes)
        bench = open_bench(app_of(*classes.values(), functions=interpreter.functions))
        bench.flush()
        return cls(schema, bench, interpreter, {bench.database.runtime.tail.head: State.empty(schema)})

    @property
    def head(self) -> LSN:
        return self.bench.database.runtime.tail.head

    @property
    def state(self) -> State:
        return self.history[self.head]

    def codec(self, table: str) -> TableCodec:
        codec = self.bench.executor.codecs.get(table)
        return codec if codec is not None else untyped(table)

    def call(self, path: str, program: Program, journal: str | None = None) -> Call:
        return Call(path, [{"program": self.interpreter.number(program)}], journal=journal)

    def expected(
        self,
        state: State,
        program: Program,
        created: Sequence[tuple[str, float]] = (),
        given: Journal | None = None,
        stale: State | None = None,
    ) -> Answer:
        """What the reference says that a program gives, run on that state."""
        named, times = [id for id, _ in created], [time for _, time in created]
        transaction = Transaction(self.schema, state, stale or state, self.book, named, times, given or {})
        try:
            return Answer(transaction, transaction.run(program), None)
        except (Raised, Refused) as error:
            return Answer(transaction, None, error_name(error))

    def require_answer(self, expected: Answer, answer: AnyAnswer) -> None:
        if isinstance(answer, (FunctionFailure, QueryFailure)):
            assert expected.error is not None, (expected.result, answer.message)
            assert f"Uncaught {expected.error}" in answer.message, (expected.error, answer.message)
            return
        actual = json.decode(answer.result if isinstance(answer, MutationSuccess) else answer.value)
        assert expected.error is None, (expected.error, actual)
        wanted = self.with_texts(expected.result, actual)
        assert compare(wanted, actual) == 0, (wanted, actual)

    def with_texts(self, expected: Any, actual: Any) -> Any:
        """The same with the engine's text for each cursor."""
        if isinstance(expected, Cursor):
            self.book.learn(expected, actual)
            return actual
        if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
            return [self.with_texts(one, other) for one, other in zip(expected, actual, strict=True)]
        if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
            return {name: self.with_texts(item, actual[name]) for name, item in expected.items()}
        return expected

    def mutate(self, program: Program, executor: Executor | None = None) -> None:
        """Run a mutation and compare all that it gives, reads and does."""
        executor = executor if executor is not None else self.bench.executor
        self.requests += 1
        self.interpreter.attempts.clear()
        head, tail = self.head, self.bench.database.runtime.tail
        head_ts = tail.head_ts
        outcome = executor.mutate(self.call("app:write", program), Request("client", SESSION, self.requests))
        *refused, last = self.interpreter.attempts
        for attempt in refused:
            assert self.conflicts(self.attempted(program, attempt), attempt, head), "refused without need"
        answer = self.attempted(program, last)
        if self.head == head:
            self.require_answer(answer, outcome.outcome)
            assert answer.error is not None or not answer.transaction.changes(), "nothing was committed"
            return
        assert not self.conflicts(answer, last, head), "committed in spite of a conflict"
        assert outcome.lsn == self.head == head + 1
        assert head_ts < last.clock_ns < tail.head_ts
        self.commit(program, last, answer, outcome)

    def attempted(self, program: Program, attempt: Attempted) -> Answer:
        """What the reference says of one run, as of its own snapshot."""
        for id, _ in attempt.created:
            assert id not in self.book.numbers or attempt is not self.interpreter.attempts[-1]
            self.book.numbers[id] = ids.decode(id).table_number
        times = [time for _, time in attempt.created]
        assert times == sorted(set(times)), "creation times of one transaction increase"
        assert all(attempt.clock_ns / 1e6 <= time < attempt.clock_ns / 1e6 + 1 for time in times)
        answer = self.expected(self.history[attempt.transaction.snapshot], program, attempt.created)
        self.require_reads(attempt.transaction.reads(), answer.transaction.reads)
        return answer

    def conflicts(self, answer: Answer, attempt: Attempted, head: LSN) -> bool:
        """Whether what came after the snapshot touches what was read, or cannot be merged into."""
        transaction, snapshot = answer.transaction, attempt.transaction.snapshot
        between = [change for lsn in range(snapshot + 1, head + 1) for change in self.commits[lsn]]
        if transaction.touched_by(between):
            return True
        changed = {(change.table, change.id) for change in between}
        for staged in transaction.changes():
            if (staged.table, staged.id) not in changed:
                continue
            newest = self.history[head].documents[staged.table].get(staged.id)
            again = transaction.merged_again(staged, newest)
            if again is None or transaction.touched_by([Change(staged.table, staged.id, staged.new, again)]):
                return True
        return False

    def commit(self, program: Program, attempt: Attempted, answer: Answer, outcome: Outcome) -> None:
        """It is as if it had run alone, on what was there just before."""
        before, merges = self.history[self.head - 1], answer.transaction.merges
        stale = self.history[attempt.transaction.snapshot]
        if stale is not before:
            answer = self.expected(before, program, attempt.created, stale=stale)
        self.require_answer(answer, outcome.outcome)
        changes = answer.transaction.changes()
        changed = {(change.table, change.id) for change in changes}
        for table, id in merges:
            if (table, id) not in changed:  # By now the operations have nothing left to do.
                document = before.documents[table][id]
                changes.append(Change(table, id, document, document))
        self.history[self.head], self.commits[self.head] = before.changed(changes), changes
        times = [time for _, time in attempt.created]
        assert all(time > self.newest_time for time in times), "creation times increase"
        self.newest_time = max([self.newest_time, *times])
        assert self.bench.entry().ts >= self.newest_time * 1e6

    def images(self, table: str) -> list[Image]:
        """Documents to ask about."""
        found = list(self.made_up.get(table, ()))
        for committed in islice(self.bench.database.runtime.tail.newest_first(), PAST_IMAGES):
            for change in committed.changes:
                if change.table == table:
                    found += [image_of(version) for version in (change.old, change.new) if version is not None]
        return found

    def require_reads(self, actual: Iterable[KeyRange], expected: Iterable[Span]) -> None:
        """What touches the ranges of the engine touches those of the reference, and nothing else does."""
        ranges, spans = list(actual), list(expected)
        for table in {span.table.name for span in spans} | {key_range.index.table for key_range in ranges}:
            for ours, theirs in self.could_be(table):
                touched = [each for each in ranges for name, *keys in ours.keys if touches(each, name, *keys)]
                wanted = [span for span in spans if span.touched(theirs)]
                assert bool(touched) is bool(wanted), (theirs, touched, wanted)

    def could_be(self, table: str) -> Iterator[tuple[EngineChange, Change]]:
        """Changes that could come next: documents that come or go, or become others, here and in the reference."""
        definition, images = self.codec(table).definition, self.images(table)
        if table == TABLES_LIST.name:
            row: Fields = {"_id": ids.encode(1, bytes(16)), "_creationTime": 1e15, "name": "another", "number": 99_999}
            change = Change(table, "another", None, {"_id": "another", "_creationTime": 99_999})
            yield definition.change("", None, self.codec(table).make(row)), change
            return
        for one, other in pairwise([None, *images, None]):
            for old, new in {(one, other), (None, other)} - {(None, None)}:
                versions = (old.version if old else None, new.version if new else None)
                fields = (old.fields if old else None, new.fields if new else None)
                yield definition.change("", *versions), Change(table, "", *fields)

    def texts_of(self, read: Read) -> list[str]:
        """Cursors of a query, but for its end."""
        query = query_of(span_of(self.schema.table(read.table), read), read)
        return [text for (other, text), cursor in self.book.cursors.items() if other == query]

    def make_up(self, table: str, fields: Mapping[str, Any]) -> None:
        """A document that could be there, and is not."""
        number = len(self.made_up.setdefault(table, []))
        id = ids.encode(self.state.numbers[table], bytes([number]) * 16)
        version = self.codec(table).make({**fields, "_id": id, "_creationTime": (number % 2) * 1e15})
        self.made_up[table].append(image_of(version))

    def check(self) -> None:
        """What is stored is what the reference holds, and all is as it should be inside."""
        database = self.bench.database
        for name, documents in self.state.documents.items():
            stored = database.runtime.tables.table(name).versions
            if name == TABLES_LIST.name:
                rows = {row.document.name: row.document.number for row in stored.values()}  # type: ignore[attr-defined]
                assert rows == self.state.numbers
                continue
            assert stored.keys() == documents.keys()
            for id, document in documents.items():
                assert compare(to_value(stored[id].document), document) == 0, (stored[id].document, document)
        self.bench.check()
        database.live.check()
        database.live.subscriptions.check()


def image_of(version: Version) -> Image:
    fields = to_value(version.document)
    assert isinstance(fields, dict)
    return Image(version, fields)


def touches(key_range: KeyRange, index: IndexName, old: IndexKey | None, new: IndexKey | None) -> bool:
    return key_range.index == index and key_range.touched(old, new)


def executor_behind(bench: Bench) -> tuple[Executor, Replica]:
    """A second executor, on tables of its own that follow when they are told to."""
    first = bench.executor
    replica: Any = Replica.of(bench.database.runtime)
    catalog = Catalog(replica.tables)
    return Executor(replica, catalog, first.env, SECRET, first.app, first.codecs, leader=first), replica
