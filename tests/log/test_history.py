"""Random batches, crashes, failures and restarts, compared with a list of what was acknowledged."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from relive.log.entry import LSN, Entry
from relive.log.errors import DiskFull, SyncFailed
from relive.log.log import Log
from relive.log.memory import MemoryStorage, Stopped, keep_everything

from .samples import open_log, queue, recovered, write

SEGMENT_BYTES_MAX = 900
seeds = st.integers(0, 2**16)
counts = st.integers(1, 4)
documents = st.binary(max_size=120)


class History(RuleBasedStateMachine):
    """``acknowledged`` must always be there, once and in order; of ``pending`` a first part may be."""

    storage: MemoryStorage
    log: Log
    acknowledged: list[Entry]
    pending: list[Entry]

    @initialize(page_bytes=st.sampled_from([8, 64, 512]))
    def start(self, page_bytes: int) -> None:
        self.storage = MemoryStorage(page_bytes=page_bytes)
        self.acknowledged, self.pending = [], []
        self.open()

    def open(self) -> None:
        seen: list[Entry] = []
        self.log = open_log(self.storage, seen, SEGMENT_BYTES_MAX)
        known = [*self.acknowledged, *self.pending]
        assert seen[: len(self.acknowledged)] == self.acknowledged
        assert seen == known[: len(seen)]
        # Whoever reads them now must find them ever after.
        self.acknowledged, self.pending = seen, []

    @rule(count=counts, document=documents)
    def queue(self, count: int, document: bytes) -> None:
        self.pending += queue(self.log, count, document)

    @rule(count=counts, document=documents)
    def append(self, count: int, document: bytes) -> None:
        self.queue(count, document)
        self.write()

    def write(self) -> None:
        durable = write(self.log)
        self.acknowledged, self.pending = [*self.acknowledged, *self.pending], []
        assert durable == len(self.acknowledged)

    @rule(count=counts, document=documents, space=st.integers(0, 1500), again=st.booleans())
    def fill_the_disk(self, count: int, document: bytes, space: int, again: bool) -> None:
        self.queue(count, document)
        used = sum(self.storage.size(name) for name in self.storage.names())
        self.storage.space = used + space
        batch = self.log.writer.take()
        assert batch is not None
        try:
            self.log.writer.write(batch)
        except DiskFull:
            self.storage.space = None
            if not again:
                assert self.log.writer.withdraw() == len(self.acknowledged)
                self.pending = []
                return
            self.log.writer.write(batch)
        self.storage.space = None
        self.acknowledged, self.pending = [*self.acknowledged, *self.pending], []

    @rule(count=counts, document=documents, operations=st.integers(0, 9), seed=seeds)
    def crash_while_writing(self, count: int, document: bytes, operations: int, seed: int) -> None:
        self.queue(count, document)
        self.storage.stops_after = operations
        with suppress(Stopped):
            self.write()
        self.crash(seed)

    @rule(seed=seeds)
    def crash(self, seed: int) -> None:
        chance = random.Random(seed)
        share = chance.choice([0.0, 0.2, 0.5, 0.9, 1.0])
        self.storage.crash(lambda name, page: chance.random() < share)
        self.open()

    @rule(operations=st.integers(0, 8), seed=seeds)
    def crash_while_opening(self, operations: int, seed: int) -> None:
        self.storage.crash(keep_everything)
        self.storage.stops_after = operations
        with suppress(Stopped):
            self.open()
        self.crash(seed)

    @rule(count=counts, document=documents, machine_too=st.booleans(), seed=seeds)
    def fail_a_sync(self, count: int, document: bytes, machine_too: bool, seed: int) -> None:
        self.queue(count, document)
        self.storage.failing_syncs = 1
        with pytest.raises(SyncFailed):
            self.write()
        self.log.close()
        if machine_too:
            self.crash(seed)
        else:
            self.open()

    @rule()
    def close_and_open(self) -> None:
        self.log.close()
        self.pending = []
        self.open()
        assert self.log.torn is None

    @invariant()
    def what_was_acknowledged_is_read(self) -> None:
        assert list(self.log.reader.entries(LSN(1))) == self.acknowledged

    @invariant()
    def what_was_acknowledged_would_survive(self) -> None:
        after = self.storage.copy()
        seen = recovered(after)[1]
        assert seen[: len(self.acknowledged)] == self.acknowledged


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
