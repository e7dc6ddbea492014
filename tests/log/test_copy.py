"""Copies of a log, whole or up to an entry, also while it is being written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.log.copy import copy_log, extent_of
from relive.log.encoding import encode, entry_hash
from relive.log.entry import LSN
from relive.log.errors import Damaged, NoLog, NoSuchEntry
from relive.log.memory import MemoryStorage, Stopped
from relive.log.segment import segment_name, segment_names
from relive.log.storage import FolderStorage, Storage, sharing
from relive.log.verify import verify

from .samples import append, chain, open_log, queue, recovered, write

SMALL = 600
"""Bytes of a segment: a few entries."""


def grown(batches: list[int], storage: Storage | None = None) -> MemoryStorage:
    """A log that is open, with so many entries in each batch."""
    disk = storage or MemoryStorage()
    log = open_log(disk, segment_bytes_max=SMALL)
    for count in batches:
        append(log, count)
    assert isinstance(disk, MemoryStorage)
    return disk


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(st.integers(1, 4), max_size=8), data=st.data())
def test_a_copy_holds_the_entries_up_to_any_of_them(batches: list[int], data: st.DataObject) -> None:
    source, target = grown(batches), MemoryStorage()
    until = data.draw(st.none() | st.integers(0, sum(batches)), label="until")
    extent = copy_log(source, target, LSN(until) if until is not None else None)
    target.crash()
    count = sum(batches) if until is None else until
    found, entries = recovered(target)

    assert tuple(entries) == chain(count)
    assert extent.lsn == found.last_lsn == count
    assert (extent.ts, extent.hash) == (found.last_ts, found.last_hash)
    assert found.is_marked
    assert extent.size == sum(target.size(name) for name in target.names())


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.integers(1, 4), min_size=1, max_size=6), data=st.data())
def test_a_copy_goes_on_where_it_ends(batches: list[int], data: st.DataObject) -> None:
    source, target = grown(batches), MemoryStorage()
    until = data.draw(st.integers(0, sum(batches)), label="until")
    copy_log(source, target, LSN(until))
    log = open_log(target, segment_bytes_max=SMALL)
    append(log, 3)
    log.close()

    assert tuple(recovered(target)[1]) == chain(until + 3)
    assert tuple(recovered(source)[1]) == chain(sum(batches))


def test_what_is_not_durable_yet_is_not_copied() -> None:
    source, target = MemoryStorage(), MemoryStorage()
    log = open_log(source)
    append(log, 2)
    queue(log, 2)
    source.failing_syncs = 1
    with pytest.raises(Exception, match="disk"):
        write(log)
    copy_log(source, target)

    assert len(recovered(source)[1]) == 4  # All of it can be read; nothing proves the last batch.
    assert tuple(recovered(target)[1]) == chain(2)
    with pytest.raises(NoSuchEntry, match="1 to 2"):
        extent_of(source, LSN(3))


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.integers(1, 4), min_size=1, max_size=6), stops=st.integers(0, 40))
def test_a_copy_that_is_cut_off_is_a_shorter_log(batches: list[int], stops: int) -> None:
    source, target = grown(batches), MemoryStorage(stops_after=stops)
    try:
        copy_log(source, target)
    except Stopped:
        target.crash(lambda name, page: True)
    entries = tuple(recovered(target)[1])

    assert entries == chain(sum(batches))[: len(entries)]


def test_only_files_that_never_change_are_shared(tmp_path: Path) -> None:
    source, target = FolderStorage(tmp_path / "a"), FolderStorage(tmp_path / "b")
    (tmp_path / "b").mkdir()
    log = open_log(source, segment_bytes_max=SMALL)
    append(log, 1)
    for _ in range(10):
        append(log, 1)
    names = segment_names(source)
    extent = copy_log(source, target, share=sharing(source, target))

    inodes = {name: (tmp_path / "a" / name).stat().st_ino == (tmp_path / "b" / name).stat().st_ino for name in names}
    assert len(names) > 2
    assert inodes == {name: name != names[-1] for name in names}
    assert verify(target).hash == extent.hash == log.last_hash
    log.close()


def test_a_copy_that_ends_with_a_segment_does_not_share_it() -> None:
    source, target = grown([1] * 10), MemoryStorage()
    shared: list[str] = []
    second = segment_names(source)[1]
    end = LSN(int(second.removesuffix(".log")) - 1)

    def share(name: str) -> bool:
        shared.append(name)
        return False

    copy_log(source, target, end, share=share)

    assert shared == []
    assert tuple(recovered(target)[1]) == chain(end)


def test_a_segment_that_has_only_a_header_adds_nothing() -> None:
    source = grown([1] * 5)
    log_end = extent_of(source)
    names = segment_names(source)
    last = names[-1]
    source.truncate(last, 72)
    before = LSN(int(last.removesuffix(".log")) - 1)
    extent = extent_of(source)

    assert log_end.lsn == 5
    assert extent.lsn == before
    assert extent.hash == entry_hash(encode(chain(5)[before - 1]))
    assert [piece.name for piece in extent.pieces] == list(names[:-1])


def test_a_log_is_not_copied_over_another() -> None:
    source, target = grown([2]), grown([1])
    with pytest.raises(FileExistsError):
        copy_log(source, target)

    assert tuple(recovered(target)[1]) == chain(1)


def test_a_missing_log_or_entry_is_named() -> None:
    with pytest.raises(NoLog):
        extent_of(MemoryStorage())
    with pytest.raises(NoSuchEntry, match="there is no entry 9"):
        extent_of(grown([2]), LSN(9))


def test_damage_where_the_copy_would_end_is_refused() -> None:
    source = MemoryStorage()
    log = open_log(source)
    for _ in range(3):
        append(log, 1)
    name = segment_name(LSN(1))
    data = bytearray(source.read(name, 0, source.size(name)))
    data[72 + 60] ^= 1
    source.write(name, 0, bytes(data))

    with pytest.raises(Damaged, match="acknowledged"):
        extent_of(source)
