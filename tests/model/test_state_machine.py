"""Random schemas and programs, on the engine and on the reference: equal results, in equal order, and a live
query is run again if, and only if, what it read was touched.

How many examples: RELIVE_MODEL_EXAMPLES, 350 if it is not set.
"""

from __future__ import annotations

import os
from typing import Any

from attrs import Factory, define
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from relive.actors.committer import REFUSE_NS
from relive.engine.execution.live_queries import LiveQueries, QueryKey
from relive.log.entry import LSN
from relive.protocol import ids
from relive.protocol.results import QuerySuccess

from ..engine.bench import START_NS
from .compared import Compared, executor_behind
from .drawing import Known, documents, mutations, populations, queries, races
from .places import Span
from .programs import Pages, Program
from .reference import FIRST_TABLE_NUMBER, Journal
from .schemas import Schema, schemas

EXAMPLES = int(os.environ.get("RELIVE_MODEL_EXAMPLES", "350"))
STEPS = 25
WATCHES_MAX = 8
WATCHES_AT_FIRST = 3
MADE_UP = 6
"""Documents of each table that are asked about and never stored."""


@define(eq=False)
class Watch:
    """Somebody who watches a query, and comes back with the journal that he was given."""

    program: Program
    key: QueryKey
    text: str | None = None
    journal: Journal = Factory(dict)


@define(eq=False)
class Live:
    """What the reference knows of a live query, or of one whose result is kept."""

    watchers: list[int]
    kept: bool = False
    stale: bool = True
    reads: list[Span] = Factory(list)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.known = Known(times=[START_NS / 1e6])
        self.watches: dict[int, Watch] = {}
        self.lives: dict[QueryKey, Live] = {}
        self.watchers = 0
        self.woken: list[int] = []

    @initialize(schema=schemas(), data=st.data(), second=st.sampled_from([False, True, True]))
    def open(self, schema: Schema, data: st.DataObject, second: bool) -> None:
        self.compared = Compared.open(schema)
        self.schema = schema
        self.with_second = second
        for table in schema.typed:
            for _ in range(MADE_UP):
                self.compared.make_up(table.name, data.draw(documents(schema, table)))
        for number in range(FIRST_TABLE_NUMBER, FIRST_TABLE_NUMBER + len(schema.tables) + 1):
            stranger = ids.encode(number, b"never inserted!!")
            self.known.strangers.append(stranger)
            self.compared.book.numbers[stranger] = number
        self.connect()
        for _ in range(2):
            self.compared.mutate(data.draw(populations(schema)))
        self.refresh_known()
        for _ in range(WATCHES_AT_FIRST):
            self.watch(data)

    def connect(self) -> None:
        """To a database that was just opened."""
        self.lives.clear()
        self.live.wake = self.woken.append
        self.live.follow()
        self.followed = self.compared.head
        for number, watch in self.watches.items():
            watch.key = self.add_watcher(number, watch)
        if self.with_second:
            self.second, self.replica = executor_behind(self.compared.bench)

    @property
    def live(self) -> LiveQueries[int]:
        return self.compared.bench.database.live

    @rule(data=st.data(), times=st.integers(1, 4))
    def mutate(self, data: st.DataObject, times: int) -> None:
        """At the head, or on the second executor, whose tables are as old as they may be."""
        for _ in range(times):
            way = data.draw(st.sampled_from(["at the head", "behind", "behind", "less behind"]))
            if not self.with_second or way == "at the head":
                self.compared.mutate(data.draw(mutations(self.schema, self.known)))
            else:
                if way == "less behind":
                    lsn = data.draw(st.integers(self.replica.tables.position, self.compared.head))
                    self.replica.catch_up(LSN(lsn))
                self.compared.mutate(data.draw(mutations(self.schema, self.known)), self.second)
            self.refresh_known()

    @precondition(lambda self: self.with_second)
    @rule(data=st.data())
    def race(self, data: st.DataObject) -> None:
        """Others commit while a mutation runs."""
        self.replica.catch_up()
        *firsts, second = data.draw(races(self.schema, self.known))
        for program in firsts:
            self.compared.mutate(program)
        self.compared.mutate(second, self.second)
        self.refresh_known()

    @rule(data=st.data(), times=st.integers(1, 3))
    def mutate_and_refresh(self, data: st.DataObject, times: int) -> None:
        """One change after another, each seen by everybody at once."""
        for _ in range(times):
            self.compared.mutate(data.draw(mutations(self.schema, self.known)))
            self.refresh_known()
            self.refresh()

    def refresh_known(self) -> None:
        documents = self.compared.state.documents
        tables = [table.name for table in self.schema.tables]
        self.known.homes = {id: table for table in tables for id in documents[table]}
        self.known.documents = {id: documents[table][id] for id, table in self.known.homes.items()}
        self.known.stored = list(self.known.homes)
        self.known.gone = [id for id in self.compared.book.numbers if id not in self.known.homes]
        times = [row["_creationTime"] for table in tables for row in documents[table].values()]
        self.known.times = [START_NS / 1e6, *times]

    def follow(self) -> None:
        """Those are woken whose reads were touched, and nobody else."""
        woken = self.live.follow()
        assert sorted(woken) == sorted(self.touched())

    def touched(self) -> list[int]:
        """Whom the commits since the last time wake."""
        found: list[int] = []
        for lsn in range(self.followed + 1, self.compared.head + 1):
            for key, live in list(self.lives.items()):
                changes = self.compared.commits[lsn]
                if live.stale or not any(span.touched(change) for span in live.reads for change in changes):
                    continue
                live.stale, live.kept = True, False
                found += live.watchers
                if not live.watchers:
                    del self.lives[key]
        self.followed = self.compared.head
        return found

    @precondition(lambda self: len(self.watches) < WATCHES_MAX)
    @rule(data=st.data())
    def watch(self, data: st.DataObject) -> None:
        self.follow()
        program = data.draw(queries(self.schema, self.known))
        self.look(self.begin(Watch(program, self.key_of(program))))

    @precondition(lambda self: self.watches)
    @rule(data=st.data())
    def watch_the_same(self, data: st.DataObject) -> None:
        """Somebody else watches what is watched already, with the same journal or with none."""
        self.follow()
        other = self.watches[data.draw(st.sampled_from(list(self.watches)))]
        watch = Watch(other.program, other.key)
        same_journal: bool = data.draw(st.booleans())
        if same_journal:
            watch.text, watch.journal = other.text, other.journal
        self.begin(watch)

    def begin(self, watch: Watch) -> int:
        number = self.watchers
        self.watchers += 1
        self.watches[number] = watch
        watch.key = self.add_watcher(number, watch)
        return number

    def key_of(self, program: Program, journal: str | None = None) -> QueryKey:
        return self.live.key_of(self.compared.call("app:read", program, journal))

    def add_watcher(self, number: int, watch: Watch) -> QueryKey:
        call = self.compared.call("app:read", watch.program, watch.text)
        key = self.live.watch(call, number)
        self.lives.setdefault(key, Live([])).watchers.append(number)
        return key

    def drop_watcher(self, number: int, key: QueryKey) -> None:
        """A result that is up to date is kept for the next one who asks."""
        self.live.unwatch(key, number)
        live = self.lives[key]
        live.watchers.remove(number)
        live.kept = live.kept or not (live.watchers or live.stale)
        if not live.watchers and not live.kept:
            del self.lives[key]

    @precondition(lambda self: self.watches)
    @rule(data=st.data())
    def unwatch(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(list(self.watches)))
        self.drop_watcher(number, self.watches.pop(number).key)

    @rule()
    def refresh(self) -> None:
        """Clients get new results."""
        self.follow()
        for number in self.watches:
            self.look(number)
        self.ask_what_would_wake()

    @precondition(lambda self: self.watches)
    @rule(data=st.data())
    def refresh_one(self, data: st.DataObject) -> None:
        self.follow()
        self.look(data.draw(st.sampled_from(list(self.watches))))

    def ask_what_would_wake(self) -> None:
        """More changes than there can be commits."""
        subscriptions = self.live.subscriptions
        for table in self.schema.tables:
            for ours, theirs in self.compared.could_be(table.name):
                wanted = {key for key, live in self.lives.items() if any(span.touched(theirs) for span in live.reads)}
                assert subscriptions.touched([ours]).keys() == wanted

    def look(self, number: int) -> None:
        """One client's result; pages end where they ended the last time."""
        watch = self.watches[number]
        if watch.text != watch.key.call.journal:
            self.drop_watcher(number, watch.key)
            watch.key = self.add_watcher(number, watch)
        live, evaluations = self.lives[watch.key], self.live.evaluations
        result = self.live.result(watch.key)
        assert self.live.evaluations == evaluations + live.stale, "run again without need, or not run"
        self.compare(watch, result)

    def compare(self, watch: Watch, result: Any) -> None:
        expected = self.compared.expected(self.compared.state, watch.program, given=watch.journal)
        self.compared.require_answer(expected, result)
        live = self.lives[watch.key]
        if live.stale:
            live.stale, live.reads = False, expected.transaction.reads
            self.compared.require_reads(self.live.subscriptions.queries[watch.key].ranges, live.reads)
        if isinstance(result, QuerySuccess):
            watch.text, watch.journal = result.journal, expected.transaction.ends
            assert bool(result.journal) is bool(watch.journal)
            self.note_cursors(watch.program)
        else:
            assert result.journal == watch.key.call.journal

    def note_cursors(self, program: Program) -> None:
        """Pages that can be asked for from here on."""
        for step in program:
            if isinstance(step, Pages):
                known = [(step.read, text) for text in self.compared.texts_of(step.read)]
                self.known.cursors = [each for each in self.known.cursors if each[0] is not step.read] + known

    @rule(data=st.data())
    def ask_once(self, data: st.DataObject) -> None:
        """Without watching; the result is kept."""
        again: bool = data.draw(st.booleans())
        if self.watches and again:
            other = self.watches[data.draw(st.sampled_from(list(self.watches)))]
            watch = Watch(other.program, other.key, other.text, other.journal)
        else:
            program = data.draw(queries(self.schema, self.known))
            watch = Watch(program, self.key_of(program))
        self.woken.clear()
        evaluations = self.live.evaluations
        result, _ = self.live.once(self.compared.call("app:read", watch.program, watch.text))
        assert sorted(self.woken) == sorted(self.touched())
        watch.key = self.key_of(watch.program, watch.text)
        live = self.lives.setdefault(watch.key, Live([], kept=True))
        assert self.live.evaluations == evaluations + live.stale
        self.compare(watch, result)

    @rule(data=st.data())
    def ask_of_the_past(self, data: st.DataObject) -> None:
        database, head = self.compared.bench.database, self.compared.head
        oldest = database.runtime.tail.oldest
        if oldest > head:
            return
        lsn = LSN(data.draw(st.integers(oldest, head)))
        program = data.draw(queries(self.schema, self.known))
        overlay, found = database.past(database.executor.entry(lsn).ts)
        overlay.check()
        evaluated = database.executor.query(self.compared.call("app:read", program), overlay, found)
        assert (found, evaluated.lsn) == (lsn, lsn)
        self.compared.require_answer(self.compared.expected(self.compared.history[lsn], program), evaluated.result)

    @rule(what=st.sampled_from(["restart", "write to disk", "fill the disk"]))
    def keep_house(self, what: str) -> None:
        if what == "write to disk":
            self.compared.bench.flush()
        elif what == "restart":
            self.compared.bench = self.compared.bench.reopen()
            self.connect()
        else:
            self.fill_the_disk()

    def fill_the_disk(self) -> None:
        """What is not durable is taken back, and everybody looks again."""
        runtime = self.compared.bench.database.runtime
        durable, head = runtime.committer.durable, self.compared.head
        if durable == head:
            return
        runtime.not_written("the disk is full")
        for lsn in range(durable + 1, head + 1):
            del self.compared.history[lsn], self.compared.commits[lsn]
        self.compared.bench.clock.now_ns += 2 * REFUSE_NS
        woken = self.live.restart()
        assert sorted(woken) == sorted(number for live in self.lives.values() for number in live.watchers)
        self.lives = {key: Live(live.watchers) for key, live in self.lives.items() if live.watchers}
        self.followed = durable
        self.refresh_known()

    @invariant()
    def all_is_as_it_should_be(self) -> None:
        self.compared.check()
        if self.with_second:
            self.replica.tables.check()


Machine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
TestMachine = Machine.TestCase
