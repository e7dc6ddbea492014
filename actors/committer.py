"""The committer: the one actor that gives out LSNs.

    Commit ──> validate, merge ──> Append, Apply, Answer
                    └──> Conflict, AlreadyCommitted, WritesRefused

Invariants
    * LSNs are dense and are given out in the order that `Commit` arrives.
    * Timestamps strictly increase, are never behind the clock that came with the commit, and are
      never given out twice, not even after an entry was taken back.
    * `durable` never goes down and never passes `tail.head`.
"""

from __future__ import annotations

from collections import deque
from typing import assert_never

from attrs import Factory, define

from ..log.encoding import encode, entry_hash
from ..log.entry import BEFORE_FIRST, LSN, Entry, Timestamp, Write
from .errors import AlreadyCommitted, WritesRefused
from .messages import Answer, Append, Apply, Commit, Durable, Effect, NotWritten, Undo
from .requests import Requests
from .tail import Committed, Tail
from .validation import Writes, validate

TAIL_NS = 35 * 1_000_000_000
"""How far back the recent past can be read: 35 s (clients ask for up to 30 s)."""
REFUSE_NS = 1_000_000_000
"""After the disk was full, writes are refused for 1 s; then one may try again."""


@define(eq=False)
class Committer:
    tail: Tail
    requests: Requests
    durable: LSN
    durable_hash: bytes
    """Hash of the entry at `durable`."""
    in_flight: deque[tuple[LSN, bytes]] = Factory(deque[tuple[LSN, bytes]])
    """LSN and hash of each entry that is not durable yet."""
    latest: Timestamp = Timestamp(0)
    """The clock that came with the newest commit."""
    refused: str = ""
    """Why the disk refused the last entries; empty while it takes them."""
    refused_at: Timestamp = Timestamp(0)

    def receive(self, message: Commit | Durable | NotWritten) -> tuple[Effect, ...]:
        match message:
            case Commit():
                return self.commit(message)
            case Durable(lsn):
                self.advance(lsn)
                return ()
            case NotWritten():
                return self.take_back(message)
            case _:
                assert_never(message)

    def commit(self, request: Commit) -> tuple[Effect, ...]:
        """Raises Conflict, AlreadyCommitted or WritesRefused, having changed nothing."""
        self.refuse_while_full(request.now)
        self.refuse_repetition(request)
        writes = validate(request, self.tail)
        self.latest = request.now
        ts = Timestamp(max(request.now, self.tail.head_ts + 1))
        if request.stamps:
            writes = stamped(request, writes, ts)
        entry = self.entry(request, writes, LSN(self.tail.head + 1), ts)
        encoded = encode(entry)
        committed = Committed(entry, writes[0])
        self.in_flight.append((entry.lsn, entry_hash(encoded)))
        self.tail.push(committed)
        self.tail.trim(self.durable, Timestamp(ts - TAIL_NS))
        return Append(entry, encoded), Apply(committed), Answer(entry.lsn, ts)

    def refuse_while_full(self, now: Timestamp) -> None:
        # The clock may jump, both ways: far from when it was full, one may try.
        if self.refused and abs(now - self.refused_at) < REFUSE_NS:
            raise WritesRefused(self.refused)

    def refuse_repetition(self, request: Commit) -> None:
        if request.session is not None and request.request is not None:
            lsn = self.requests.find(request.session, request.request)
            if lsn is not None:
                raise AlreadyCommitted(lsn)

    def entry(self, request: Commit, writes: Writes, lsn: LSN, ts: Timestamp) -> Entry:
        listed = tuple(
            [
                Write(change.table, change.id, change.old.lsn if change.old is not None else BEFORE_FIRST, document)
                for change, document in zip(*writes, strict=True)
            ]
        )
        return Entry(
            lsn,
            ts,
            request.kind,
            request.cause,
            request.function,
            request.code,
            request.engine,
            request.args,
            request.identity,
            request.clock,
            request.seed,
            request.snapshot,
            request.reads,
            listed,
            request.result_digest,
            request.result,
            request.logs,
            request.session,
            request.request,
            self.in_flight[-1][1] if self.in_flight else self.durable_hash,
        )

    def advance(self, lsn: LSN) -> None:
        assert self.durable <= lsn <= self.tail.head, (self.durable, lsn, self.tail.head)
        while self.in_flight and self.in_flight[0][0] <= lsn:
            self.durable, self.durable_hash = self.in_flight.popleft()
        self.refused = ""

    def take_back(self, message: NotWritten) -> tuple[Effect, ...]:
        assert message.durable == self.durable, (message.durable, self.durable)
        self.refused = message.problem
        self.refused_at = self.latest
        self.in_flight.clear()
        undone = []
        while self.tail.head > self.durable:
            undone.append(Undo(self.tail.pop()))
        return tuple(undone)

    def check(self) -> None:
        self.tail.check()
        assert self.durable <= self.tail.head
        assert [lsn for lsn, _ in self.in_flight] == list(range(self.durable + 1, self.tail.head + 1))


def stamped(request: Commit, writes: Writes, ts: Timestamp) -> Writes:
    """The same, with the timestamp in the documents that hold it."""
    assert not request.stamps.keys() & request.merges.keys(), "what is merged was not written as a whole"
    changes, documents = list(writes[0]), list(writes[1])
    for position, staged in enumerate(changes):
        stamp = request.stamps.get((staged.table, staged.id))
        if stamp is not None:
            changes[position], documents[position] = stamp(ts)
            assert changes[position].old is staged.old, "stamped into another version"
    return tuple(changes), tuple(documents)
