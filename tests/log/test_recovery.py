"""Recovery: what was acknowledged survives or is missed loudly; what was not may go."""

from __future__ import annotations

import random

import attrs
import pytest
from relive.log.encoding import encode, entry_hash
from relive.log.entry import LSN, NO_HASH, Timestamp
from relive.log.errors import Damaged, SyncFailed
from relive.log.frame import entry_frame, mark_frame
from relive.log.memory import MemoryStorage, Stopped, keep_everything
from relive.log.segment import FORMAT, HEADER, HEADER_BYTES, SegmentHeader, segment_name

from .samples import DEPLOYMENT, append, chain, closed_log, entry, open_log, queue, recovered, write

FIRST = segment_name(LSN(1))
SALT = SegmentHeader(LSN(1), DEPLOYMENT, NO_HASH).salt


def lsns(storage: MemoryStorage) -> list[int]:
    return [entry.lsn for entry in recovered(storage)[1]]


def reopened(storage: MemoryStorage) -> list[int]:
    """Open, append one entry, close: what is there afterwards."""
    with open_log(storage) as log:
        append(log, 1)
    storage.crash()
    return lsns(storage)


def crash_in_batch(acknowledged: int, count: int, keep_seed: int | None, page_bytes: int = 64) -> MemoryStorage:
    """The machine stops between the write of a batch of ``count`` and its fsync.

    Of its pages those survive that the seed says; none if it is None.
    """
    storage = MemoryStorage(page_bytes=page_bytes)
    log = open_log(storage)
    if acknowledged:
        append(log, acknowledged)
    queue(log, count)
    storage.stops_after = 1
    with pytest.raises(Stopped):
        write(log)
    chance = random.Random(keep_seed)
    storage.crash(lambda name, page: keep_seed is not None and chance.random() < 0.5)
    return storage


def test_a_log_is_read_back_as_it_was_written() -> None:
    storage = closed_log([1, 3, 2])
    found, entries = recovered(storage)

    assert tuple(entries) == chain(6)
    assert (found.last_lsn, found.last_ts, found.last_hash) == (6, 1006, entry_hash(encode(entries[-1])))
    assert found.torn is None
    assert found.is_marked


def test_nothing_is_a_log_without_entries() -> None:
    found, entries = recovered(MemoryStorage())

    assert (found.last_lsn, found.last_hash, found.segments, found.torn, entries) == (0, NO_HASH, (), None, [])


def test_recovery_changes_nothing() -> None:
    storage = crash_in_batch(2, 3, keep_seed=4)
    before = storage.content(FIRST)
    storage.trace.clear()
    recovered(storage)

    assert not storage.trace
    assert storage.content(FIRST) == before


def test_a_log_cut_at_any_byte_keeps_what_was_acknowledged_before_it() -> None:
    storage = MemoryStorage()
    acknowledged = {0: 0}
    with open_log(storage) as log:
        for count in (1, 2, 1):
            append(log, count)
            # The mark is not part of what was synced.
            acknowledged[storage.size(FIRST) - 32] = log.writer.durable

    for length in range(storage.size(FIRST)):
        cut = storage.copy()
        cut.tear(storage.size(FIRST) - length)
        last = max(lsn for end, lsn in acknowledged.items() if end <= length)
        found, entries = recovered(cut)

        assert tuple(entries) == chain(4)[: len(entries)]
        assert len(entries) >= last, length
        assert reopened(cut) == list(range(1, len(entries) + 2)), length
        assert found.torn is None or found.torn.offset + found.torn.length == length


def test_any_flipped_bit_of_a_closed_log_is_refused_or_harmless() -> None:
    storage = closed_log([1, 2, 1])
    size = storage.size(FIRST)
    final_mark = size - 32
    for bit in range(size * 8):
        rotten = storage.copy()
        rotten.flip(FIRST, bit)
        if bit // 8 >= final_mark:
            # All that the last mark proves is behind it already.
            assert lsns(rotten) == [1, 2, 3, 4]
            continue
        with pytest.raises(Damaged) as caught:
            recovered(rotten)

        assert caught.value.file == FIRST
        assert caught.value.offset <= bit // 8
        assert caught.value.last_ts in (0, 1000 + caught.value.lsn - 1)
        assert rotten.content(FIRST) != storage.content(FIRST), "nothing is repaired"


@pytest.mark.parametrize("length", range(1, 17))
def test_bytes_missing_or_added_in_the_middle_are_refused_and_nothing_is_cut(length: int) -> None:
    whole = closed_log([1, 3, 2]).content(FIRST)
    middle = len(whole) // 2
    for content in (whole[:middle] + whole[middle + length :], whole[:middle] + bytes(length) + whole[middle:]):
        storage = closed_log([1, 3, 2])
        storage.truncate(FIRST, 0)
        storage.write(FIRST, 0, content)

        with pytest.raises(Damaged):
            open_log(storage)
        assert storage.content(FIRST) == content


def test_any_flipped_bit_of_an_unmarked_end_is_refused_or_cuts_only_the_last_batch() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 2)
    append(log, 1)
    storage.crash()  # The mark of the last batch is gone.
    assert lsns(storage) == [1, 2, 3]
    last_batch = recovered(storage)[0].unproven

    for bit in range(storage.size(FIRST) * 8):
        rotten = storage.copy()
        rotten.flip(FIRST, bit)
        if bit // 8 >= last_batch:
            assert lsns(rotten) == [1, 2]
            continue
        with pytest.raises(Damaged) as caught:
            recovered(rotten)

        assert caught.value.offset <= bit // 8


@pytest.mark.parametrize("seed", range(150))
def test_pages_of_an_unsynced_batch_may_survive_in_any_order(seed: int) -> None:
    storage = crash_in_batch(2, 3, seed)
    survivors = lsns(storage)

    assert survivors in ([1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5])
    assert reopened(storage) == [*survivors, len(survivors) + 1]


def test_a_whole_frame_behind_a_torn_one_does_not_survive() -> None:
    first, second, third = chain(3)
    frames = [entry_frame(encode(each), each.lsn, LSN(1), SALT) for each in (second, third)]
    storage = closed_log([1])
    content = storage.content(FIRST)
    storage.replace(FIRST, content + bytes(len(frames[0])) + frames[1])
    found, entries = recovered(storage)

    assert entries == [first]
    assert found.torn is not None
    assert (found.torn.offset, found.torn.lsn) == (len(content), 2)


def test_a_torn_tail_is_cut_and_the_cut_is_durable_before_anything_is_appended() -> None:
    storage = crash_in_batch(2, 2, None)
    storage.replace(FIRST, storage.content(FIRST) + b"\xff" * 100)
    storage.trace.clear()
    with open_log(storage) as log:
        assert log.torn is not None
        assert log.torn.length == 100
        end = storage.size(FIRST) - 32
        append(log, 1)

    verbs = [operation.verb for operation in storage.trace]
    cut, new = (
        verbs.index("truncate"),
        storage.trace.index(next(op for op in storage.trace if op.verb == "write" and op.offset > end)),
    )
    assert "sync" in verbs[cut:new]


def test_an_unfinished_segment_is_removed_and_that_is_durable_before_it_is_made_again() -> None:
    storage = closed_log([2])
    storage.replace(segment_name(LSN(3)), b"\x89rel")
    storage.trace.clear()
    with open_log(storage, segment_bytes_max=100) as log:
        assert log.torn is not None
        append(log, 1)

    verbs = [operation.verb for operation in storage.trace]
    assert verbs[:2] == ["remove", "sync_folder"]
    assert lsns(storage) == [1, 2, 3]


@pytest.mark.parametrize("length", [0, 1, 8, 40, HEADER_BYTES - 1])
def test_a_log_whose_first_segment_was_not_finished_is_new(length: int) -> None:
    header = SegmentHeader(LSN(1), b"an unborn log...", NO_HASH).encode()
    storage = MemoryStorage()
    storage.replace(FIRST, header[:length])
    with open_log(storage) as log:
        assert log.deployment == DEPLOYMENT
        append(log, 1)

    assert lsns(storage) == [1]


def test_what_recovery_found_in_the_page_cache_is_durable_before_open_returns() -> None:
    storage = crash_in_batch(1, 2, None)
    log = open_log(storage)
    queue(log, 2)
    storage.stops_after = 1
    with pytest.raises(Stopped):
        write(log)
    storage.crash(keep_everything)
    log = open_log(storage)
    assert log.last_lsn == 3
    storage.crash()

    assert lsns(storage) == [1, 2, 3]


def test_what_a_failed_fsync_left_in_the_page_cache_is_written_again() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 1)
    queue(log, 2)
    storage.failing_syncs = 1
    with pytest.raises(SyncFailed):
        write(log)
    log.close()
    found = open_log(storage).last_lsn
    storage.crash()

    assert found == 3
    assert lsns(storage) == [1, 2, 3]


def test_a_mark_that_a_failed_fsync_left_in_the_page_cache_is_written_again() -> None:
    storage = MemoryStorage(page_bytes=8)
    log = open_log(storage)
    append(log, 1)
    storage.failing_syncs = 1
    with pytest.raises(SyncFailed):
        log.close()
    log = open_log(storage)
    append(log, 1)
    storage.crash()

    assert lsns(storage) == [1, 2]


def test_entries_without_a_mark_are_marked_when_the_log_is_opened() -> None:
    storage = MemoryStorage()
    log = open_log(storage)
    append(log, 2)
    append(log, 1)
    storage.crash()
    assert not recovered(storage)[0].is_marked
    open_log(storage)

    assert recovered(storage)[0].is_marked


def damage(storage: MemoryStorage) -> Damaged:
    with pytest.raises(Damaged) as caught:
        open_log(storage)
    with pytest.raises(Damaged) as again:
        open_log(storage)
    assert str(again.value) == str(caught.value), "refused each time, and never left locked"
    return caught.value


def segmented() -> MemoryStorage:
    """Three segments: entries 1 and 2, 3 and 4, 5 and 6."""
    storage = closed_log([2, 2, 2], segment_bytes_max=100)
    assert storage.names() == tuple(segment_name(LSN(first)) for first in (1, 3, 5))
    return storage


def test_a_missing_segment_is_refused() -> None:
    storage = segmented()
    storage.replace(segment_name(LSN(3)), None)

    assert damage(storage).problem == "entries 3 to 4 are missing, and so is their segment file"


def test_a_missing_first_segment_is_refused() -> None:
    storage = segmented()
    storage.replace(FIRST, None)

    assert damage(storage).problem == "entries 1 to 2 are missing, and so is their segment file"


def test_a_segment_that_is_not_the_last_must_be_whole() -> None:
    storage = segmented()
    storage.tear(40, segment_name(LSN(3)))
    found = damage(storage)

    assert (found.file, found.lsn, found.last_ts) == (segment_name(LSN(3)), 4, 1003)


def test_garbage_behind_a_segment_that_is_not_the_last_is_refused() -> None:
    storage = segmented()
    storage.replace(FIRST, storage.content(FIRST) + b"\x00" * 8)

    assert damage(storage).lsn == 3


def test_an_unfinished_header_of_a_segment_that_is_not_the_last_is_refused() -> None:
    storage = segmented()
    storage.replace(segment_name(LSN(3)), b"\x89rel")

    assert damage(storage).problem.startswith("no segment header")


def test_a_rotten_header_of_the_last_segment_is_refused() -> None:
    storage = segmented()
    for bit in range(HEADER_BYTES * 8):
        rotten = storage.copy()
        rotten.flip(segment_name(LSN(5)), bit)
        assert damage(rotten).offset == 0


def test_an_unknown_format_is_refused_even_if_nothing_follows() -> None:
    storage = MemoryStorage()
    header = bytearray(SegmentHeader(LSN(1), DEPLOYMENT, NO_HASH).encode())
    header[8] = FORMAT + 1
    storage.replace(FIRST, bytes(header))

    assert damage(storage).problem.startswith("format 2, but this relive reads format 1")


def test_a_segment_of_another_log_is_refused() -> None:
    storage = segmented()
    name = segment_name(LSN(5))
    content = bytearray(storage.content(name))
    foreign = SegmentHeader(LSN(5), b"deployment-no-02", HEADER.unpack_from(content)[5])
    content[:HEADER_BYTES] = foreign.encode()
    storage.replace(name, bytes(content))

    assert "part of another log" in damage(storage).problem


def test_a_segment_under_another_name_is_refused() -> None:
    storage = closed_log([2])
    storage.replace(segment_name(LSN(3)), storage.content(FIRST))

    assert damage(storage).problem == "the file was renamed: it begins with entry 1"


def test_a_segment_that_continues_another_history_is_refused() -> None:
    storage = closed_log([2])
    header = SegmentHeader(LSN(3), DEPLOYMENT, b"x" * 32)
    storage.replace(segment_name(LSN(3)), header.encode())

    assert damage(storage).problem == "it does not follow entry 2: the hash differs"


def test_a_segment_that_holds_entries_a_second_time_is_refused() -> None:
    storage = closed_log([3])
    storage.replace(segment_name(LSN(3)), storage.content(FIRST))

    assert damage(storage).problem == "the segment before it already holds entry 3"


one, two, three = chain(3)


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        (entry_frame(encode(three), LSN(3), LSN(2), SALT), "entry 3 is here instead"),
        (entry_frame(encode(one), LSN(1), LSN(0), SALT), "entry 1 is here instead"),
        (entry_frame(encode(one), LSN(2), LSN(1), SALT), "the frame holds entry 1"),
        (entry_frame(encode(entry(2)), LSN(2), LSN(1), SALT), "the chain of hashes is broken here"),
        (entry_frame(b"\x80", LSN(2), LSN(1), SALT), "entry must be an array of 20"),
        (mark_frame(LSN(2), SALT), "a mark of entry 2 is here"),
    ],
)
def test_a_good_frame_in_the_wrong_place_is_refused(frames: bytes, problem: str) -> None:
    storage = closed_log([1])
    storage.replace(FIRST, storage.content(FIRST) + frames)

    assert damage(storage).problem == problem


def test_time_that_stands_still_is_refused() -> None:
    storage = closed_log([1])
    late = attrs.evolve(two, ts=Timestamp(1001))
    storage.replace(FIRST, storage.content(FIRST) + entry_frame(encode(late), LSN(2), LSN(1), SALT))

    assert damage(storage).problem == "its time 1001 ns is not later"


def test_other_files_in_the_folder_are_left_alone() -> None:
    storage = closed_log([1])
    storage.replace("checkpoint-1.log", b"not ours")
    storage.replace("0000000000000000000x.log", b"not ours")

    assert reopened(storage) == [1, 2]


def test_damage_says_where_it_is_and_what_to_do() -> None:
    storage = closed_log([1, 1])
    storage.flip(FIRST, (HEADER_BYTES + 40) * 8)

    assert str(damage(storage)) == (
        f"the log is damaged in {FIRST} at byte {HEADER_BYTES}, before entry 1 could be read (there is no "
        "good entry before it): the checksum of the frame is wrong, but the entry was acknowledged. Nothing was "
        "changed. Keep a copy of the folder, then restore this file from a backup."
    )
