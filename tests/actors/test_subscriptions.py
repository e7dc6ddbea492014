"""Live queries against a model: stale exactly if what they had read was written."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from relive.actors.subscriptions import Subscriptions
from relive.actors.tables import Tables
from relive.actors.tail import Tail
from relive.actors.version import KeyChange
from relive.log.entry import LSN, KeyRange, Timestamp

from .samples import NOW, Machine, by_id, changes_of, commit_of, committed, definition, ranks

ids = st.sampled_from("abcd")
read_sets = st.lists(
    st.one_of(
        ids.map(by_id),
        st.tuples(st.integers(0, 5), st.integers(1, 3)).map(lambda pair: ranks(pair[0], pair[0] + pair[1])),
        st.just(ranks(3, None)),
    ).flatmap(lambda read: st.sampled_from([read, evolve(read, keys_only=True)])),
    max_size=3,
)
Live = Subscriptions[str, int, str]


def touches(moved: KeyChange, read: KeyRange) -> bool:
    """The definition: a document that was read, or the presence of a key."""
    if moved.name != read.index:
        return False
    inside = [key is not None and key in read for key in (moved.old, moved.new)]
    return inside[0] != inside[1] if read.keys_only else any(inside)


class LiveQueries(RuleBasedStateMachine):
    """Watchers come and go, queries are evaluated, commits are made and followed late or not at all."""

    watching = Bundle("watching")

    def __init__(self) -> None:
        super().__init__()
        self.tables = Tables.empty(definition)
        self.tail = Tail(LSN(0), Timestamp(NOW))
        self.live: Live = Subscriptions(LSN(0))
        self.ranges: dict[str, tuple[KeyRange, ...]] = {}
        self.fresh: set[str] = set()
        self.watchers: dict[str, list[str]] = {}
        self.behind: list[list[KeyChange]] = []
        """What each commit that is not followed yet did to keys."""
        self.lost = False
        """Some of them are not held any more."""
        self.count = 0

    @rule(target=watching, query=st.sampled_from("QRS"))
    def watch(self, query: str) -> Any:
        self.count += 1
        watcher = f"w{self.count}"
        self.live.watch(query, watcher)
        self.watchers.setdefault(query, []).append(watcher)
        return query, watcher

    @rule(pair=consumes(watching))
    def unwatch(self, pair: tuple[str, str]) -> None:
        query, watcher = pair
        self.live.unwatch(query, watcher)
        self.watchers[query].remove(watcher)
        if not self.watchers[query]:
            del self.watchers[query]
            self.fresh.discard(query)

    @rule(wanted=st.dictionaries(ids, st.one_of(st.none(), st.integers(0, 7)), max_size=3))
    def commit(self, wanted: dict[str, int | None]) -> None:
        changes = changes_of(self.tables, wanted)
        done = committed(self.tail.head + 1, changes, ts=self.tail.head_ts + 1)
        self.tables.apply(done)
        self.tail.push(done)
        self.behind.append([moved for change in changes for moved in change.keys])

    @rule(target=watching, pair=consumes(watching), read=read_sets)
    def evaluate(self, pair: tuple[str, str], read: list[KeyRange]) -> Any:
        self.follow()
        query, _ = pair
        self.live.evaluated(query, self.live.position, tuple(read), 1)
        self.ranges[query] = tuple(read)
        self.fresh.add(query)
        return multiple(pair)

    @rule()
    def forget_the_tail(self) -> None:
        """What is older than the window is dropped, whoever has not seen it."""
        self.lost = self.lost or bool(self.behind)
        self.tail.commits.clear()

    @rule()
    def follow(self) -> None:
        if self.lost:
            fallen = set(self.fresh)
        else:
            fallen = {
                query
                for query in self.fresh
                if any(touches(moved, read) for read in self.ranges[query] for done in self.behind for moved in done)
            }
        woken = self.live.follow(self.tail)
        self.behind, self.lost = [], False
        self.fresh -= fallen

        assert sorted(woken) == sorted(watcher for query in fallen for watcher in self.watchers[query])

    @rule()
    def restart(self) -> None:
        woken = self.live.restart(self.tail.head)
        self.behind, self.lost = [], False
        self.fresh.clear()

        assert sorted(woken) == sorted(watcher for watchers in self.watchers.values() for watcher in watchers)

    @invariant()
    def stale_is_exactly_what_was_written(self) -> None:
        self.live.check()
        assert {query for query, live in self.live.queries.items() if not live.stale} == self.fresh
        assert {query: list(live.watchers) for query, live in self.live.queries.items()} == self.watchers


TestLiveQueries = LiveQueries.TestCase
TestLiveQueries.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def watched(*watchers: str) -> tuple[Live, Tables]:
    """One live query that has read ranks 1 and 2."""
    live: Live = Subscriptions(LSN(0))
    for watcher in watchers:
        live.watch("query", watcher)
    live.evaluated("query", LSN(0), (ranks(1, 3),), 1)
    return live, Tables.empty(definition)


def apply(live: Live, tables: Tables, **wanted: int | None) -> list[str]:
    """Whom a commit wakes."""
    done = committed(tables.position + 1, changes_of(tables, wanted))
    tables.apply(done)
    return list(live.apply(done))


def test_who_looked_only_at_the_keys_is_woken_when_one_comes_or_goes() -> None:
    live, tables = watched("one")
    live.evaluated("query", LSN(0), (ranks(1, 3, keys_only=True), ranks(5, 7, keys_only=True)), 1)

    assert apply(live, tables, a=8, b=1) == ["one"]
    for wanted, woken in (({"b": 2}, []), ({"a": 9}, []), ({"b": 1}, []), ({"b": 5}, ["one"])):
        live.evaluated("query", tables.position, (ranks(1, 3, keys_only=True), ranks(5, 7, keys_only=True)), 1)
        assert apply(live, tables, **wanted) == woken


def test_after_a_restart_nothing_is_remembered_of_what_was_read() -> None:
    live, tables = watched("one")
    live.evaluated("query", LSN(0), (ranks(1, 3), ranks(1, 3, keys_only=True)), 1)
    live.restart(LSN(0))
    live.check()

    assert (live.queries["query"].ranges, live.queries["query"].result) == ((), None)
    assert apply(live, tables, a=1) == []


def test_a_live_query_falls_once_and_wakes_all_who_watch_it() -> None:
    live, tables = watched("one", "two")

    assert apply(live, tables, a=5) == []
    assert apply(live, tables, a=1) == ["one", "two"]
    assert apply(live, tables, a=2) == []


def test_watchers_share_one_result() -> None:
    live, _ = watched("one", "two")

    assert live.watch("query", "three").result == 1
    assert len(live.queries) == 1


def test_who_watches_already_cannot_watch_twice() -> None:
    live, _ = watched("one")

    with pytest.raises(AssertionError, match="watches already"):
        live.watch("query", "one")


def test_a_result_of_another_moment_is_refused() -> None:
    live, tables = watched("one")
    apply(live, tables, a=1)

    with pytest.raises(AssertionError, match="evaluated at another moment"):
        live.evaluated("query", LSN(0), (), 2)


def test_after_commits_were_taken_back_everything_starts_over() -> None:
    live, tables = watched("one")
    apply(live, tables, a=9)
    live.evaluated("query", LSN(1), (ranks(1, 3),), 2)

    assert live.restart(LSN(0)) == ("one",)
    live.check()
    assert live.position == 0


def test_what_is_merged_wakes_who_read_where_it_was_and_where_it_is_now() -> None:
    machine = Machine.start()
    machine.commit(a=1)
    commit = commit_of(machine.runtime.tables, {}, add={"a": 10})
    machine.commit(a=5)
    live: Live = Subscriptions(LSN(2))
    for rank in (1, 5, 11, 15):
        live.watch(str(rank), f"who read {rank}")
        live.evaluated(str(rank), LSN(2), (ranks(rank, rank + 1),), 1)
    machine.runtime.commit(commit)

    assert live.follow(machine.runtime.tail) == ("who read 5", "who read 15")
