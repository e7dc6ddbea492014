"""Verification reads everything, changes nothing, and does not mind a running server."""

from __future__ import annotations

import pytest
from relive.log.encoding import encode, entry_hash
from relive.log.entry import LSN
from relive.log.errors import Damaged, NoLog
from relive.log.memory import MemoryStorage
from relive.log.segment import segment_name
from relive.log.verify import verify

from .samples import DEPLOYMENT, append, chain, closed_log, open_log, queue

FIRST = segment_name(LSN(1))


def test_a_good_log_is_summed_up() -> None:
    storage = closed_log([2, 3, 1], segment_bytes_max=600)
    progress: list[tuple[int, int]] = []
    verified = verify(storage, lambda done, total: progress.append((done, total)))
    size = sum(storage.size(name) for name in storage.names())

    assert (verified.entries, verified.first, verified.last) == (6, 1001, 1006)
    assert (verified.size, verified.segments) == (size, len(storage.names()))
    assert verified.hash == entry_hash(encode(chain(6)[-1]))
    assert verified.deployment == DEPLOYMENT
    assert verified.torn is None
    assert progress[-1] == (size, size)


def test_damage_is_found() -> None:
    storage = closed_log([2, 3, 1])
    storage.flip(FIRST, 8 * 300)

    with pytest.raises(Damaged):
        verify(storage)


def test_a_place_without_a_log_is_an_error() -> None:
    with pytest.raises(NoLog):
        verify(MemoryStorage())


def test_it_takes_no_lock_and_writes_nothing() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 2)
    storage.trace.clear()

    assert verify(storage).entries == 2
    assert not storage.trace
    append(log, 1)
    assert verify(storage).entries == 3


class Racing(MemoryStorage):
    """Shows a frame half-written to those who read it first, and whole to those who look again."""

    written = 0
    """How far the file is written for those who read too early."""
    early_reads = 0

    def read(self, name: str, offset: int, length: int) -> bytes:
        data = super().read(name, offset, length)
        if self.early_reads and offset + len(data) > self.written:
            self.early_reads -= 1
            return data[: self.written - offset] + bytes(40)
        return data


def test_a_frame_that_is_finished_while_it_is_read_is_no_damage() -> None:
    storage = Racing()
    log = open_log(storage)
    append(log, 1)
    storage.written = storage.size(FIRST) + 10
    append(log, 1)
    storage.early_reads = 2

    assert verify(storage).entries == 2
    assert not storage.early_reads


def test_an_unfinished_end_is_reported_and_no_damage() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 1)
    queue(log, 1)
    storage.replace(FIRST, storage.content(FIRST) + b"RLe\n")
    verified = verify(storage)

    assert verified.entries == 1
    assert verified.torn is not None
    assert (verified.torn.lsn, verified.torn.length) == (2, 4)
