"""Checkpoint files: whole, and of this log, or refused; and the log that goes on after one."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
from relive.log.checkpoint import (
    Checkpoint,
    CheckpointFile,
    checkpoint_name,
    checkpoint_names,
    write_checkpoint,
)
from relive.log.entry import LSN, Entry
from relive.log.errors import CheckpointFailed, Damaged, Malformed
from relive.log.log import Log, ignore_entry
from relive.log.memory import MemoryStorage, Stopped, keep_everything
from relive.log.recovery import recover
from relive.log.segment import segment_names
from relive.log.storage import FolderStorage, Storage

from .samples import DEPLOYMENT, append, closed_log

PARTS = (b"one", b"two" * 1_000, b"\0")
SEGMENT_BYTES = 2_000


def segmented_log() -> MemoryStorage:
    """Some sealed segments and one that grows."""
    return closed_log([3] * 12, SEGMENT_BYTES)


def sealed(storage: Storage) -> Checkpoint:
    """What a checkpoint of all sealed segments says of itself."""
    found = recover(storage, ignore_entry, sealed_only=True)
    segments = tuple((segment.header.first, segment.length) for segment in found.segments)
    return Checkpoint(found.last_lsn, found.last_ts, found.last_hash, DEPLOYMENT, segments)


def with_checkpoint() -> tuple[MemoryStorage, Checkpoint]:
    storage = segmented_log()
    checkpoint = sealed(storage)
    write_checkpoint(storage, checkpoint, PARTS)
    return storage, checkpoint


def read(storage: Storage, name: str) -> tuple[Checkpoint, tuple[bytes, ...]]:
    file = CheckpointFile.open(storage, name)
    file.check_fits()
    return file.checkpoint, tuple(file)


def test_a_checkpoint_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    memory, checkpoint = with_checkpoint()
    folder = FolderStorage(tmp_path)
    for name in segment_names(memory):
        (tmp_path / name).write_bytes(memory.content(name))
    (tmp_path / checkpoint.name).write_bytes(b"replaced")
    write_checkpoint(folder, checkpoint, PARTS)

    for storage in (memory, folder):
        assert checkpoint_names(storage) == (checkpoint_name(checkpoint.lsn),)
        assert read(storage, checkpoint.name) == (checkpoint, PARTS)
    assert len(checkpoint.segments) > 1
    assert not [name for name in folder.names() if name.endswith(".unfinished")]


def test_any_bit_that_rots_is_found() -> None:
    storage, checkpoint = with_checkpoint()
    bits = 8 * storage.size(checkpoint.name)
    for bit in {*range(8 * 160), *random.Random(1).sample(range(bits), 300)}:
        damaged = storage.copy()
        damaged.flip(checkpoint.name, bit)
        with pytest.raises(Malformed):
            read(damaged, checkpoint.name)


def test_any_end_that_is_missing_is_found_and_anything_behind_it() -> None:
    storage, checkpoint = with_checkpoint()
    whole = storage.content(checkpoint.name)
    for length in [*range(200), *range(200, len(whole), 97), len(whole) - 1]:
        storage.replace(checkpoint.name, whole[:length])
        with pytest.raises(Malformed):
            read(storage, checkpoint.name)
    storage.replace(checkpoint.name, whole + b"\0")
    with pytest.raises(Malformed, match="behind its end"):
        read(storage, checkpoint.name)


def test_parts_that_changed_places_are_found() -> None:
    storage, checkpoint = with_checkpoint()
    other = storage.copy()
    write_checkpoint(other, checkpoint, (PARTS[1], PARTS[0], PARTS[2]))
    whole, swapped = storage.content(checkpoint.name), other.content(checkpoint.name)
    storage.replace(checkpoint.name, whole[:-36] + swapped[-36:])

    with pytest.raises(Malformed, match="checksum"):
        read(storage, checkpoint.name)


@pytest.mark.parametrize("keep", ["nothing", "everything", "some"])
def test_a_crash_at_any_step_leaves_the_one_before_or_the_whole_new_one(keep: str) -> None:
    storage, checkpoint = with_checkpoint()
    steps = len(PARTS) + 10
    outcomes = set()
    for step in range(steps):
        crashing = storage.copy()
        append_and_seal(crashing)
        newer = sealed(crashing)
        crashing.stops_after = step
        with suppress(Stopped):
            write_checkpoint(crashing, newer, PARTS)
        chance = random.Random(step)
        survives = {"nothing": False, "everything": True}
        crashing.crash(lambda name, page: survives.get(keep, chance.random() < 0.5))  # noqa: B023

        assert read(crashing, checkpoint.name) == (checkpoint, PARTS)
        if newer.name in checkpoint_names(crashing):
            try:
                assert read(crashing, newer.name) == (newer, PARTS)
                outcomes.add("new")
            except Malformed:
                raise AssertionError("a file has its name only once it is durable") from None
        else:
            outcomes.add("old")
        write_checkpoint(crashing, newer, PARTS)
        assert read(crashing, newer.name) == (newer, PARTS)
    assert outcomes == {"old", "new"}


def append_and_seal(storage: MemoryStorage) -> None:
    with Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry, segment_bytes_max=SEGMENT_BYTES) as log:
        for _ in range(5):
            append(log, 3)


@pytest.mark.parametrize("trouble", ["space", "writes", "syncs"])
def test_a_disk_that_fails_leaves_everything_as_it_was(trouble: str) -> None:
    storage = segmented_log()
    before = {name: storage.content(name) for name in storage.names()}
    match trouble:
        case "space":
            storage.space = sum(map(len, before.values())) + 500
        case "writes":
            storage.failing_writes = 1
        case "syncs":
            storage.failing_syncs = 1
    with pytest.raises(CheckpointFailed, match="could not be written"):
        write_checkpoint(storage, sealed(storage), PARTS)

    assert {name: storage.content(name) for name in storage.names()} == before


def test_what_is_not_of_this_log_is_refused() -> None:
    storage, checkpoint = with_checkpoint()
    newest = segment_names(storage)[-1]
    wrong = {
        "hash differs": attrs.evolve(checkpoint, hash=bytes(32)),
        "another log": attrs.evolve(checkpoint, deployment=bytes(16)),
        "no segment begins after": attrs.evolve(checkpoint, lsn=LSN(checkpoint.lsn - 1)),
        "bytes instead of": attrs.evolve(checkpoint, segments=((LSN(1), 5),)),
        "is missing": attrs.evolve(checkpoint, segments=((LSN(2), 5),)),
    }
    for problem, other in wrong.items():
        storage.replace(other.name, None)
        write_checkpoint(storage, other, PARTS)
        with pytest.raises(Malformed, match=problem):
            read(storage, other.name)
    write_checkpoint(storage, checkpoint, PARTS)
    content = storage.content(checkpoint.name)
    storage.replace(checkpoint_name(LSN(7)), content)
    with pytest.raises(Malformed, match="renamed"):
        read(storage, checkpoint_name(LSN(7)))
    storage.replace(checkpoint_name(LSN(7)), content[:8] + b"\x09" + content[9:])
    with pytest.raises(Malformed, match="format 9"):
        read(storage, checkpoint_name(LSN(7)))
    storage.replace(newest, b"")
    with pytest.raises(Malformed):
        read(storage, checkpoint.name)


def test_a_log_goes_on_after_a_checkpoint_as_it_does_after_all_of_itself() -> None:
    storage, checkpoint = with_checkpoint()
    whole: list[Entry] = []
    all_of_it = recover(storage, whole.append)
    rest: list[Entry] = []
    after = recover(storage, rest.append, after=checkpoint)

    assert rest == whole[checkpoint.lsn :]
    assert [(s.name, s.header, s.length) for s in after.segments] == [
        (s.name, s.header, s.length) for s in all_of_it.segments
    ]
    for name in ("last_lsn", "last_ts", "last_hash", "torn", "unproven", "is_marked", "size"):
        assert getattr(after, name) == getattr(all_of_it, name), name
    log = Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry, after=checkpoint)
    with log:
        append(log, 2)
        assert [*log.reader.entries(LSN(1))][: len(whole)] == whole
        assert log.reader.entry(LSN(2)) == whole[1]
    storage.crash(keep_everything)
    again: list[Entry] = []
    assert recover(storage, again.append).last_lsn == len(whole) + 2


def test_damage_behind_a_checkpoint_is_found_as_without_one() -> None:
    storage, checkpoint = with_checkpoint()
    newest = segment_names(storage)[-1]
    storage.flip(newest, 8 * 100)
    with pytest.raises(Damaged) as without:
        recover(storage, ignore_entry)
    with pytest.raises(Damaged) as behind:
        recover(storage, ignore_entry, after=checkpoint)

    assert str(behind.value) == str(without.value)


def test_a_header_of_a_segment_that_rots_is_found_though_its_entries_are_not_read() -> None:
    storage, checkpoint = with_checkpoint()
    storage.flip(segment_names(storage)[0], 8 * 20)

    with pytest.raises(Damaged, match="checksum of the segment header"):
        recover(storage, ignore_entry, after=checkpoint)
