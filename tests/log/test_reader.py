"""The reader: durable entries from any LSN, cheaply."""

from __future__ import annotations

import pytest
from relive.log.encoding import encode
from relive.log.entry import LSN
from relive.log.errors import Damaged, NoSuchEntry
from relive.log.memory import MemoryStorage, Stopped
from relive.log.segment import POSITION_EVERY_BYTES, segment_name

from .samples import append, chain, closed_log, open_log, queue, write


@pytest.fixture
def storage() -> MemoryStorage:
    """Twenty entries in segments of a few."""
    return closed_log([1, 2, 3, 4, 5, 5], segment_bytes_max=800)


def test_entries_are_read_from_any_lsn(storage: MemoryStorage) -> None:
    assert len(storage.names()) > 3
    with open_log(storage) as log:
        for lsn in range(1, 22):
            assert tuple(log.reader.entries(LSN(lsn))) == chain(20)[lsn - 1 :]
            assert tuple(log.reader.encoded(LSN(lsn))) == tuple(
                (each.lsn, encode(each)) for each in chain(20)[lsn - 1 :]
            )


def test_a_cursor_reads_so_many_after_where_it_is(storage: MemoryStorage) -> None:
    with open_log(storage) as log:
        assert log.reader.read(LSN(0), 3) == chain(3)
        assert log.reader.read(LSN(3), 4) == chain(7)[3:]
        assert log.reader.read(LSN(18), 100) == chain(20)[18:]
        assert log.reader.read(LSN(20), 100) == ()


def test_one_entry_is_read_by_its_lsn(storage: MemoryStorage) -> None:
    with open_log(storage) as log:
        assert tuple(log.reader.entry(LSN(lsn)) for lsn in range(1, 21)) == chain(20)


@pytest.mark.parametrize("lsn", [-1, 0, 21])
def test_an_lsn_outside_the_log_is_refused(storage: MemoryStorage, lsn: int) -> None:
    with open_log(storage) as log, pytest.raises(NoSuchEntry, match="the log holds 1 to 20"):
        log.reader.entry(LSN(lsn))


def test_an_empty_log_has_no_entries() -> None:
    with open_log(MemoryStorage()) as log:
        assert log.reader.read(LSN(0), 10) == ()
        with pytest.raises(NoSuchEntry, match="the log is empty"):
            log.reader.entry(LSN(1))


def test_what_is_not_durable_is_not_read() -> None:
    log = open_log(MemoryStorage())
    append(log, 2)
    queue(log, 1)

    assert log.reader.read(LSN(0), 10) == chain(2)
    with pytest.raises(NoSuchEntry):
        log.reader.entry(LSN(3))


def test_what_is_written_but_not_synced_is_not_read() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 2)
    queue(log, 2)
    storage.stops_after = 1
    with pytest.raises(Stopped):
        write(log)

    assert tuple(log.reader.entries(LSN(1))) == chain(2)


def test_an_iterator_goes_on_with_what_became_durable_meanwhile() -> None:
    log = open_log(MemoryStorage(), segment_bytes_max=300)
    append(log, 2)
    entries = log.reader.entries(LSN(1))
    assert next(entries).lsn == 1
    append(log, 2)

    assert [entry.lsn for entry in entries] == [2, 3, 4]


def test_reading_one_entry_of_many_reads_little() -> None:
    class Counting(MemoryStorage):
        bytes_read = 0

        def read(self, name: str, offset: int, length: int) -> bytes:
            data = super().read(name, offset, length)
            self.bytes_read += len(data)
            return data

    storage = Counting()
    log = open_log(storage)
    for _ in range(20):
        append(log, 50, document=bytes(1_000))
    log.close()
    log = open_log(storage)
    append(log, 500, document=bytes(1_000))
    assert storage.size(segment_name(LSN(1))) > 20 * POSITION_EVERY_BYTES
    for lsn in (1, 2, 777, 1000, 1001, 1234, 1500):
        storage.bytes_read = 0
        assert log.reader.entry(LSN(lsn)).lsn == lsn
        assert storage.bytes_read <= 3 * POSITION_EVERY_BYTES


def test_an_entry_larger_than_what_is_read_at_once_is_read() -> None:
    storage = MemoryStorage()
    with open_log(storage) as log:
        append(log, 3, document=bytes(3_000_000))
        append(log, 1)
        assert [len(entry.writes[0].document or b"") for entry in log.reader.entries(LSN(1))] == [3_000_000] * 3 + [1]
    with open_log(storage) as log:
        assert log.last_lsn == 4


def test_rot_that_is_met_while_reading_is_reported() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 3)
    storage.flip(segment_name(LSN(1)), (storage.size(segment_name(LSN(1))) - 40) * 8)

    assert log.reader.entry(LSN(2)).lsn == 2
    with pytest.raises(Damaged) as caught:
        log.reader.entry(LSN(3))
    assert (caught.value.file, caught.value.lsn) == (segment_name(LSN(1)), 3)
    with pytest.raises(Damaged):
        tuple(log.reader.entries(LSN(1)))
