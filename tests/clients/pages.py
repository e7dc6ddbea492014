"""What a list that is read page by page may show, judged from all that was said and drawn.

The writes of all clients, in the order of their timestamps, give the list as it was at every moment.
Then every page that the server sent must be just that part of the list, as of the transition's time,
that lies between its cursors; and everything drawn must be the list of one moment up to the end of
one page, where neither moment nor end ever go back.

Invariants
    * A cursor is known by where the page that first ended there ended; it never means another place.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from attrs import Factory, define, frozen

Json = dict[str, Any]
Shown = tuple[tuple[str, float], ...]
"""Rows as they are drawn: id and rank."""


@frozen
class Row:
    id: str
    rank: float
    created: float
    hidden: bool

    @property
    def key(self) -> tuple[float, float]:
        """Its place in the index."""
        return (self.rank, self.created)


@frozen
class End:
    """Where a page ends: with this row's place, or where the whole list does."""

    key: tuple[float, float] | None
    down: bool

    def covers(self, row: Row) -> bool:
        if self.key is None:
            return True
        return row.key >= self.key if self.down else row.key <= self.key

    def precedes(self, other: End) -> bool:
        """Or is the same."""
        if self.key is None or other.key is None:
            return other.key is None
        return self.key >= other.key if self.down else self.key <= other.key


def ts_of(text: str) -> int:
    return int.from_bytes(base64.b64decode(text), "little")


@define
class History:
    """All posts, after each write."""

    times: list[int]
    states: list[dict[str, Row]]

    @classmethod
    def of(cls, *wires: list[Json]) -> History:
        history = cls([0], [{}])
        writes = [write for wire in wires for write in writes_of(wire)]
        # A change to what is there already writes nothing, and has the time of what it has read.
        for ts, path, args, result in sorted(writes, key=lambda write: (write[0], write[1] == "posts:change")):
            old = history.states[-1]
            new = after(old, path, args, result)
            if new != old:
                assert ts > history.times[-1], "two writes at one time"
                history.times.append(ts)
                history.states.append(new)
        return history

    def at(self, ts: int) -> dict[str, Row]:
        return self.states[bisect_right(self.times, ts) - 1]


def writes_of(wire: list[Json]) -> Iterator[tuple[int, str, Json, Any]]:
    """Time, function, arguments and result of every mutation of a client."""
    calls: dict[int, Json] = {}
    answers: dict[int, Json] = {}
    for said in wire:
        sent, received = said.get("sent", {}), said.get("received", {})
        if sent.get("type") == "Mutation":
            calls[sent["requestId"]] = sent
        elif received.get("type") == "MutationResponse":
            assert received["success"], received
            first = answers.setdefault(received["requestId"], received)
            assert first == received, "a mutation that is sent again happened once"
    for request_id, answer in answers.items():
        if answer["result"] is not False:  # It wrote nothing.
            call = calls[request_id]
            yield ts_of(answer["ts"]), call["udfPath"], call["args"][0], answer["result"]


def after(state: dict[str, Row], path: str, args: Json, result: Any) -> dict[str, Row]:
    """The posts after a write."""
    state = dict(state)
    if path == "posts:add":
        for post in result:
            state[post["_id"]] = Row(post["_id"], post["rank"], post["_creationTime"], post["hidden"])
    elif path == "posts:remove":
        for id in args["ids"]:
            del state[id]
    else:
        old = state[args["id"]]
        state[old.id] = Row(old.id, args["rank"], old.created, args["hidden"])
    return state


@frozen
class Choice:
    """The arguments of a list."""

    least: float | None
    visible: bool
    down: bool

    @classmethod
    def of(cls, args: Json) -> Choice:
        where = args["where"]
        return cls(where.get("least"), where.get("visible", False), args.get("order") == "desc")

    def scanned(self, state: dict[str, Row]) -> list[Row]:
        """All rows of the range, in order, those that the filter leaves out included."""
        rows = [row for row in state.values() if self.least is None or row.rank >= self.least]
        return sorted(rows, key=lambda row: row.key, reverse=self.down)

    def passes(self, row: Row) -> bool:
        return not (self.visible and row.hidden)


@define
class Pages:
    """What the server said of pages to one client."""

    history: History
    ends: dict[Choice, dict[str, End]] = Factory(lambda: defaultdict[Choice, dict[str, End]](dict))
    """By cursor, of each list."""
    args: dict[int, Json] = Factory(dict[int, Json])
    """Of each query."""
    paths: dict[int, str] = Factory(dict[int, str])
    answers: dict[int, Json] = Factory(dict[int, Json])
    """The newest to each query."""
    on_socket: set[int] = Factory(set[int])
    """Queries that were answered on this socket."""
    pages: int = 0
    splits: int = 0
    resumed: int = 0
    """Pages that were asked for again, with their journal."""

    def check(self, wire: list[Json]) -> None:
        for said in wire:
            sent, received = said.get("sent", {}), said.get("received", {})
            if sent.get("type") == "Connect":
                self.on_socket.clear()
            for change in sent.get("modifications", []):
                if change["type"] == "Add":
                    self.added(change)
            if received.get("type") == "Transition":
                for change in received["modifications"]:
                    assert change["type"] != "QueryFailed", change
                    if change["type"] == "QueryUpdated":
                        self.updated(change, ts_of(received["endVersion"]["ts"]))

    def added(self, add: Json) -> None:
        query_id, (args,) = add["queryId"], add["args"]
        self.args[query_id], self.paths[query_id] = args, add["udfPath"]
        if query_id in self.answers:
            journal = self.answers[query_id]["journal"]
            assert add.get("journal") == journal
            self.resumed += journal is not None
        self.splits += "endCursor" in args.get("paginationOpts", {})

    def updated(self, answer: Json, ts: int) -> None:
        query_id = answer["queryId"]
        args, choice = self.args[query_id], Choice.of(self.args[query_id])
        rows, value = choice.scanned(self.history.at(ts)), answer["value"]
        if self.paths[query_id] == "posts:whole":
            assert shown(value) == drawn_of(rows, choice)
        else:
            self.page(args["paginationOpts"], choice, rows, answer)
        assert query_id not in self.on_socket or value != self.answers[query_id]["value"], "said twice"
        self.answers[query_id] = answer
        self.on_socket.add(query_id)

    def page(self, options: Json, choice: Choice, rows: list[Row], answer: Json) -> None:
        value, before = answer["value"], self.answers.get(answer["queryId"])
        start, end = options["cursor"], value["continueCursor"]
        if before is not None:
            assert end == before["value"]["continueCursor"], "a page ends where it ended before"
        elif "endCursor" in options:
            assert end == options["endCursor"]
        else:
            assert value["isDone"] or len(value["page"]) == options["numItems"]
        ends = self.ends[choice]
        if end not in ends:
            last = None if value["isDone"] else value["page"][-1]
            ends[end] = End(None if last is None else (last["rank"], last["_creationTime"]), choice.down)
        covered = [row for row in rows if ends[end].covers(row) and not (start and ends[start].covers(row))]
        assert shown(value["page"]) == drawn_of(covered, choice)
        assert value["isDone"] is (ends[end].key is None)
        if value["splitCursor"] is not None:
            middle = End(covered[len(covered) // 2].key, choice.down)
            assert ends.setdefault(value["splitCursor"], middle) == middle
        self.pages += 1


def shown(posts: list[Json]) -> Shown:
    return tuple((post["_id"], post["rank"]) for post in posts)


def drawn_of(rows: list[Row], choice: Choice) -> Shown:
    return tuple((row.id, row.rank) for row in rows if choice.passes(row))


def check_drawn(drawn: list[Json], choice: Choice, history: History, ends: set[End]) -> None:
    """Everything drawn was true at a moment, up to the end of a page; neither goes back."""
    explanations = possible(choice, history, ends)
    before = [(0, end) for end in ends]
    for picture in drawn:
        results, whole = rows_of(picture["results"]), rows_of(picture["whole"] or [])
        if picture["status"] == "LoadingFirstPage":
            assert results == ()
            continue
        assert picture["whole"] is None or results == whole[: len(results)], "two queries of one transition"
        assert results in explanations, f"never true: {results}"
        now = [
            (moment, end)
            for moment, end in explanations[results]
            if may_have(picture["status"], end)
            and any(earlier <= moment and reached.precedes(end) for earlier, reached in before)
        ]
        assert now, f"true only before what was drawn before: {results}"
        before = earliest(now)


def rows_of(drawn: list[list[Any]]) -> Shown:
    return tuple((id, rank) for id, rank in drawn)


def may_have(status: str, end: End) -> bool:
    """While more is loaded, the last page of those drawn may be any."""
    return status == "LoadingMore" or (status == "Exhausted") is (end.key is None)


def earliest(explanations: list[tuple[int, End]]) -> list[tuple[int, End]]:
    """Those before which there is no other, in moment and end: what may follow them may follow these."""
    found: list[tuple[int, End]] = []
    for moment, end in explanations:  # In the order of moments.
        if not any(reached.precedes(end) for _, reached in found):
            found.append((moment, end))
    return found


def possible(choice: Choice, history: History, ends: set[End]) -> dict[Shown, list[tuple[int, End]]]:
    """All that a list can show, with when it can and how far it is read then."""
    found: dict[Shown, list[tuple[int, End]]] = {}
    for moment, state in enumerate(history.states):
        rows = choice.scanned(state)
        for end in ends:
            found.setdefault(drawn_of([row for row in rows if end.covers(row)], choice), []).append((moment, end))
    return found
