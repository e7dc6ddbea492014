"""The writer: batches, rolling, and a disk that fails or fills up."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest
from relive.log.encoding import encode
from relive.log.entry import LSN
from relive.log.errors import DiskFull, FolderInUse, SyncFailed
from relive.log.frame import HEADER_BYTES as FRAME_HEADER_BYTES
from relive.log.frame import frame_bytes
from relive.log.memory import MemoryStorage
from relive.log.segment import HEADER_BYTES as SEGMENT_HEADER_BYTES
from relive.log.segment import POSITION_EVERY_BYTES, segment_name

from .samples import append, chain, entry, open_log, queue, recovered, write

FIRST = segment_name(LSN(1))


def test_queueing_touches_no_file() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    storage.trace.clear()
    queue(log, 3)
    log.writer.take()

    assert not storage.trace
    assert (log.last_lsn, log.writer.durable) == (3, 0)


def test_a_batch_is_one_write_one_fsync_and_an_unsynced_mark() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    storage.trace.clear()
    append(log, 3)

    assert [operation.verb for operation in storage.trace] == ["write", "sync", "write"]
    assert storage.trace[-1].length == FRAME_HEADER_BYTES
    assert log.writer.durable == 3


def test_what_was_acknowledged_survives_the_loss_of_everything_unsynced() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 3)
    storage.crash()

    assert tuple(recovered(storage)[1]) == chain(3)


def test_there_is_nothing_to_take_from_an_empty_queue() -> None:
    log = open_log(MemoryStorage())

    assert log.writer.take() is None
    assert log.writer.is_idle


def test_while_a_batch_is_written_the_next_one_gathers() -> None:
    log = open_log(MemoryStorage())
    queue(log, 2)
    batch = log.writer.take()
    assert batch is not None
    queue(log, 3)

    assert (batch.first, batch.last.lsn, len(batch)) == (1, 2, 2)
    assert log.writer.queued_bytes == sum(len(encode(each)) for each in chain(5)[2:])
    assert log.writer.write(batch) == 2
    assert write(log) == 5
    assert log.writer.is_idle


def test_a_batch_is_bounded_but_takes_one_entry_of_any_size() -> None:
    log = open_log(MemoryStorage(), batch_bytes_max=2_000)
    queue(log, 1, document=bytes(5_000))
    queue(log, 2, document=bytes(700))
    queue(log, 1, document=bytes(700))
    sizes = []
    while (batch := log.writer.take()) is not None:
        sizes.append(len(batch))
        log.writer.write(batch)

    assert sizes == [1, 2, 1]


@pytest.mark.parametrize("lsn", [1, 3])
def test_lsns_are_dense(lsn: int) -> None:
    log = open_log(MemoryStorage())
    append(log, 1)
    wrong = entry(lsn, log.last_hash)
    with pytest.raises(AssertionError):
        log.writer.queue(wrong, encode(wrong))


def test_an_entry_must_continue_the_chain() -> None:
    log = open_log(MemoryStorage())
    append(log, 1)
    with pytest.raises(AssertionError):
        log.writer.queue(entry(2), encode(entry(2)))


def test_queue_returns_the_hash_that_the_next_entry_names() -> None:
    log = open_log(MemoryStorage())
    first, second = chain(2)

    assert log.writer.queue(first, encode(first)) == log.last_hash == second.prev


def test_segments_roll_and_are_read_as_one_log() -> None:
    storage = MemoryStorage()
    with open_log(storage, segment_bytes_max=600) as log:
        for _ in range(10):
            append(log, 1)

    assert len(storage.names()) > 2
    assert all(storage.size(name) <= 600 for name in storage.names())
    assert tuple(recovered(storage)[1]) == chain(10)


def test_a_batch_larger_than_a_segment_has_one_of_its_own() -> None:
    storage = MemoryStorage()
    with open_log(storage, segment_bytes_max=300) as log:
        for count in (1, 5, 1):
            append(log, count)

    assert storage.names() == tuple(segment_name(LSN(first)) for first in (1, 2, 7))


def test_a_new_segment_is_durable_before_its_first_frame() -> None:
    storage = MemoryStorage()
    log = open_log(storage, segment_bytes_max=300)
    append(log, 1)
    storage.trace.clear()
    append(log, 1)
    second = segment_name(LSN(2))

    assert [(operation.verb, operation.name) for operation in storage.trace] == [
        ("sync", FIRST),
        ("create", second),
        ("write", second),
        ("sync", second),
        ("sync_folder", ""),
        ("write", second),
        ("sync", second),
        ("write", second),
    ]


def test_a_clean_close_leaves_a_durable_mark() -> None:
    storage = MemoryStorage()
    with open_log(storage) as log:
        append(log, 2)
    storage.crash()

    assert recovered(storage)[0].is_marked


def test_a_log_goes_on_after_a_clean_close_without_growing() -> None:
    storage = MemoryStorage()
    with open_log(storage) as log:
        append(log, 2)
    size = storage.size(FIRST)
    for _ in range(3):
        with open_log(storage) as log:
            assert (log.last_lsn, log.writer.durable, log.last_ts) == (2, 2, 1002)

    assert storage.size(FIRST) == size


def test_after_a_failed_fsync_the_writer_refuses_everything() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 2)
    queue(log, 2)
    batch = log.writer.take()
    assert batch is not None
    storage.failing_syncs = 1
    with pytest.raises(SyncFailed) as caught:
        log.writer.write(batch)
    storage.trace.clear()

    assert (caught.value.file, caught.value.durable) == (FIRST, 2)
    for refused in (log.writer.take, log.writer.withdraw, lambda: log.writer.write(batch), lambda: queue(log, 1)):
        with pytest.raises(SyncFailed):
            refused()
    log.close()
    assert not storage.trace, "not one more operation"
    assert log.writer.durable == 2


def test_a_write_that_fails_for_another_reason_than_space_is_as_bad() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    queue(log, 1)
    storage.failing_writes = 1
    with pytest.raises(SyncFailed):
        write(log)
    with pytest.raises(SyncFailed):
        log.writer.withdraw()


class FailingMarks(MemoryStorage):
    """The write after each fsync fails."""

    armed = False

    def sync(self, name: str) -> None:
        super().sync(name)
        self.failing_writes = int(self.armed)


def test_a_failed_mark_fails_only_what_comes_after_it() -> None:
    storage = FailingMarks()
    log = open_log(storage)
    queue(log, 1)
    storage.armed = True

    assert write(log) == 1
    with pytest.raises(SyncFailed):
        log.writer.take()
    storage.crash()
    assert tuple(recovered(storage)[1]) == chain(1)


@pytest.mark.parametrize("space", range(0, 700, 13))
def test_a_full_disk_leaves_nothing_of_the_batch_and_takes_it_when_there_is_space(space: int) -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 2)
    before = storage.content(FIRST)
    queue(log, 3)
    batch = log.writer.take()
    assert batch is not None
    frames_length = sum(frame_bytes(len(payload)) for payload in batch.payloads)
    storage.space = len(before) + space
    fits = space >= frames_length
    if not fits:
        with pytest.raises(DiskFull) as caught:
            log.writer.write(batch)
        assert (caught.value.first, caught.value.last) == (3, 5)
        assert storage.content(FIRST) == before
        assert tuple(log.reader.entries(LSN(1))) == chain(2)
        storage.space = None
    assert log.writer.write(batch) == 5
    storage.space = None
    append(log, 1)
    storage.crash()

    assert tuple(recovered(storage)[1]) == chain(6)


def test_what_a_full_disk_refused_stays_refused_after_a_crash() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 1)
    storage.space = storage.size(FIRST) + 250  # One of the two entries fits.
    queue(log, 2)
    with pytest.raises(DiskFull):
        write(log)
    # What was written survives, and its cut does not unless it was synced.
    storage.crash(lambda name, page: page is not None)

    assert [each.lsn for each in recovered(storage)[1]] == [1]


def test_withdrawn_entries_make_place_for_others() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 1)
    hash_before = log.last_hash
    storage.space = storage.size(FIRST)
    queue(log, 2)
    with pytest.raises(DiskFull):
        write(log)
    queue(log, 1)

    assert log.writer.withdraw() == 1
    assert (log.last_lsn, log.last_ts, log.last_hash) == (1, 1001, hash_before)
    assert log.writer.queued_bytes == 0
    storage.space = None
    others = append(log, 2, document=b"\xa1other")
    assert [each.lsn for each in others] == [2, 3]
    assert recovered(storage)[1][1:] == list(others)


@pytest.mark.parametrize("space", [0, 1, 40, 71, 72, 100])
def test_a_disk_too_full_for_a_new_segment_leaves_no_such_file(space: int) -> None:
    storage = MemoryStorage()
    log = open_log(storage, segment_bytes_max=300)
    append(log, 1)
    storage.space = storage.size(FIRST) + space
    queue(log, 1)
    batch = log.writer.take()
    assert batch is not None
    with pytest.raises(DiskFull) as caught:
        log.writer.write(batch)

    assert (caught.value.first, caught.value.last) == (2, 2)
    assert [each.lsn for each in recovered(storage)[1]] == [1]
    storage.space = None
    assert log.writer.write(batch) == 2
    storage.crash()
    assert tuple(recovered(storage)[1]) == chain(2)


def test_a_disk_too_full_for_a_mark_still_acknowledges_the_entries() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 1)
    queue(log, 1)
    frame = storage.size(FIRST) - 72 - 32  # As long as the next one.
    storage.space = storage.size(FIRST) + frame + 5
    assert write(log) == 2
    storage.space = None
    append(log, 1)
    log.close()

    assert tuple(recovered(storage)[1]) == chain(3)


def test_one_log_at_a_time_opens_a_folder() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    with pytest.raises(FolderInUse):
        open_log(storage)
    log.close()

    open_log(storage).close()


def test_whether_there_is_room_counts_what_is_queued_to_the_byte() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    assert log.writer.has_room(10**15), "nobody knows how much there is"
    queue(log, 2)
    storage.space = storage.size(FIRST) + log.writer.queued_bytes + 100

    assert log.writer.has_room(100)
    assert not log.writer.has_room(101)


def test_entries_that_fill_a_batch_to_the_byte_are_one() -> None:
    two = sum(len(encode(each)) for each in chain(2))
    for limit, expected in ((two, 2), (two - 1, 1)):
        log = open_log(MemoryStorage(), batch_bytes_max=limit)
        queue(log, 2)
        batch = log.writer.take()
        assert batch is not None
        assert len(batch) == expected


def test_the_writer_is_idle_only_if_nothing_waits_and_nothing_is_written() -> None:
    log = open_log(MemoryStorage())
    queue(log, 1)
    assert not log.writer.is_idle
    batch = log.writer.take()
    assert batch is not None
    assert not log.writer.is_idle
    log.writer.write(batch)
    assert log.writer.is_idle


def test_nothing_is_withdrawn_while_it_is_written() -> None:
    class Meddling(MemoryStorage):
        def sync(self, name: str) -> None:
            if meddles:
                log.writer.withdraw()
            super().sync(name)

    meddles = False
    log = open_log(Meddling())
    queue(log, 1)
    meddles = True
    with pytest.raises(AssertionError, match="is being written"):
        write(log)
    meddles = False
    assert log.writer.withdraw() == 0


@pytest.mark.parametrize("room", range(40))
def test_a_mark_that_does_not_fit_leaves_no_part_of_itself(room: int) -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 1)
    frame = storage.size(FIRST) - SEGMENT_HEADER_BYTES - FRAME_HEADER_BYTES
    before = storage.size(FIRST)
    storage.space = before + frame + room
    append(log, 1)

    assert storage.size(FIRST) == before + frame + (FRAME_HEADER_BYTES if room >= FRAME_HEADER_BYTES else 0)
    storage.space = None
    log.close()
    storage.crash()
    assert recovered(storage)[0].is_marked, "a clean close makes good for it"


def test_a_disk_that_fails_while_a_segment_is_begun_stops_the_writer() -> None:
    storage = MemoryStorage()
    log = open_log(storage, segment_bytes_max=300)
    append(log, 1)
    queue(log, 1)
    storage.failing_writes = 1
    with pytest.raises(SyncFailed) as caught:
        write(log)
    assert (caught.value.file, caught.value.durable) == (segment_name(LSN(2)), 1)
    with pytest.raises(SyncFailed):
        log.writer.take()


def test_a_sealed_segment_is_whole_on_the_disk_before_the_next_one_is_there() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    log.writer.seal()
    assert storage.names() == (FIRST,), "a segment without entries is not sealed"
    append(log, 2)
    storage.trace.clear()
    log.writer.seal()
    third = segment_name(LSN(3))

    assert [(operation.verb, operation.name) for operation in storage.trace] == [
        ("sync", FIRST),
        ("create", third),
        ("write", third),
        ("sync", third),
        ("sync_folder", ""),
    ]
    log.writer.seal()
    assert storage.names() == (FIRST, third)
    append(log, 1)
    log.writer.seal()
    assert storage.names() == (FIRST, third, segment_name(LSN(4))), "one entry is enough"
    log.close()
    assert storage.size(segment_name(LSN(4))) == SEGMENT_HEADER_BYTES, "its header is the mark"
    storage.crash()
    assert tuple(recovered(storage)[1]) == chain(3)


def test_a_segment_is_sealed_while_nothing_is_on_its_way_and_if_there_is_space() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 2)
    queue(log, 1)
    with pytest.raises(AssertionError, match="on their way"):
        log.writer.seal()
    write(log)
    storage.space = storage.size(FIRST) + 5
    with pytest.raises(DiskFull) as caught:
        log.writer.seal()
    assert (caught.value.file, caught.value.first, caught.value.last) == (segment_name(LSN(4)), 4, 3)
    assert storage.names() == (FIRST,)


class Stubborn(MemoryStorage):
    """A disk that fails to do one kind of thing."""

    refuses = ""

    def truncate(self, name: str, length: int) -> None:
        self.refuse("truncate")
        super().truncate(name, length)

    def remove(self, name: str) -> None:
        self.refuse("remove")
        super().remove(name)

    def sync_folder(self) -> None:
        self.refuse("sync_folder")
        super().sync_folder()

    def refuse(self, verb: str) -> None:
        if verb == self.refuses:
            raise OSError(errno.EIO, "input/output error")


@pytest.mark.parametrize(
    ("refuses", "space", "segment_bytes_max", "file"),
    [
        ("truncate", 20, 10_000, FIRST),
        ("remove", 20, 300, segment_name(LSN(2))),
        ("sync_folder", 20, 300, "the folder"),
        ("sync_folder", 10_000, 300, "the folder"),
    ],
)
def test_a_disk_that_cannot_take_back_what_did_not_fit_stops_the_writer(
    refuses: str, space: int, segment_bytes_max: int, file: str
) -> None:
    storage = Stubborn()
    log = open_log(storage, segment_bytes_max=segment_bytes_max)
    append(log, 1)
    queue(log, 1)
    storage.space, storage.refuses = storage.size(FIRST) + space, refuses
    with pytest.raises(SyncFailed) as caught:
        write(log)
    assert (caught.value.file, caught.value.durable) == (file, 1)
    with pytest.raises(SyncFailed):
        log.writer.withdraw()
    assert "input/output error" in str(caught.value)
    assert "[Errno" not in str(caught.value), "numbers of errors say nothing to people"
    storage.space, storage.refuses = None, ""
    storage.crash()
    assert tuple(recovered(storage)[1]) == chain(1)


def test_a_disk_that_cannot_take_back_half_a_mark_stops_the_writer_after_the_batch() -> None:
    storage = Stubborn()
    log = open_log(storage)
    append(log, 1)
    frame = storage.size(FIRST) - SEGMENT_HEADER_BYTES - FRAME_HEADER_BYTES
    queue(log, 1)
    storage.space, storage.refuses = storage.size(FIRST) + frame + 5, "truncate"
    assert write(log) == 2
    with pytest.raises(SyncFailed):
        log.writer.take()


def test_a_segment_that_did_not_fit_is_gone_for_good() -> None:
    storage = MemoryStorage()
    log = open_log(storage, segment_bytes_max=300)
    append(log, 1)
    queue(log, 1)
    storage.space = storage.size(FIRST) + 20
    storage.trace.clear()
    with pytest.raises(DiskFull):
        write(log)
    assert [operation.verb for operation in storage.trace][-2:] == ["remove", "sync_folder"]


def test_the_writer_remembers_where_entries_are_as_a_start_does() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    for count in (1, 7, 30, 200):
        append(log, count, document=bytes(1_000))
    (mine,), (fresh,) = log.writer.segments, open_log(storage.copy()).writer.segments
    count = log.last_lsn
    assert [mine.offset_before(LSN(lsn)) for lsn in range(1, count + 1)] == [
        fresh.offset_before(LSN(lsn)) for lsn in range(1, count + 1)
    ]
    assert mine.offset_before(LSN(count)) > POSITION_EVERY_BYTES


def test_closing_forgets_what_was_never_written() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 2)
    queue(log, 2)
    log.close()

    assert (log.last_lsn, log.writer.is_idle) == (2, True)
    assert tuple(recovered(storage)[1]) == chain(2)


def test_a_batch_goes_into_a_segment_that_it_fills_to_the_byte_with_its_mark() -> None:
    with open_log(measured := MemoryStorage()) as log:
        append(log, 1)
        append(log, 1)
    for spare, files in ((0, 1), (-1, 2)):
        storage = MemoryStorage()
        with open_log(storage, segment_bytes_max=measured.size(FIRST) + spare) as log:
            append(log, 1)
            append(log, 1)
        assert len(storage.names()) == files


@pytest.mark.parametrize(
    "code",
    [
        "from relive.log.asserts import require_asserts; require_asserts()",
        "from relive.log.log import Log, ignore_entry; from relive.log.memory import MemoryStorage; "
        "Log.open(MemoryStorage(), deployment_if_new=bytes(16), on_entry=ignore_entry)",
    ],
)
def test_python_without_assertions_is_refused(code: str) -> None:
    result = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert "start Python without -O" in result.stderr
