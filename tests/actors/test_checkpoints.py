"""With a checkpoint, whichever it is, recovery ends in the very state that it ends in without one."""

from __future__ import annotations

import random
from collections.abc import Iterator

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.checkpoints import KEPT, CheckpointCheck, fold, load_newest, parts_of
from relive.actors.recovery import Recovery
from relive.log.checkpoint import Checkpoint, CheckpointFile, checkpoint_names, write_checkpoint
from relive.log.encoding import encode, entry_hash
from relive.log.entry import BEFORE_FIRST, LSN, NO_HASH, Cause, Entry, Kind, Timestamp, Write
from relive.log.errors import CheckpointFailed, Damaged
from relive.log.log import Log, ignore_entry
from relive.log.memory import MemoryStorage, Stopped
from relive.log.recovery import recover
from relive.log.segment import segment_names

DEPLOYMENT = b"deployment-no-01"
SEGMENT_BYTES = 1_500
DAY_NS = 86_400 * 1_000_000_000


def never(file: str, problem: str) -> None:
    raise AssertionError((file, problem))


def history(seed: int, count: int) -> Iterator[Entry]:
    """Documents written, written over and deleted; requests of sessions that come, go and are forgotten; deploys."""
    chance = random.Random(seed)
    held: dict[tuple[str, str], LSN] = {}
    ts, prev = 1_000, NO_HASH
    for number in range(1, count + 1):
        lsn = LSN(number)
        ts += chance.choice([1, 5, DAY_NS]) if chance.random() < 0.95 else 20 * DAY_NS
        writes: list[Write] = []
        for _ in range(chance.randrange(4)):
            key = chance.choice(["notes", "users", "_tables"]), f"id{chance.randrange(12)}"
            if any((write.table, write.id) == key for write in writes):
                continue
            deleted = key in held and chance.random() < 0.4
            body = None if deleted else chance.randbytes(chance.randrange(60))
            writes.append(Write(*key, held.get(key, BEFORE_FIRST), body))
            if deleted:
                del held[key]
            else:
                held[key] = lsn
        kind = chance.choice([Kind.MUTATION] * 8 + [Kind.DEPLOY])
        session = chance.choice([None, b"a" * 16, b"b" * 16, b"c" * 16])
        entry = Entry(
            lsn, Timestamp(ts), kind, Cause("client", "", LSN(0)), "m:f", chance.randbytes(4), "0.1.0",
            chance.randbytes(5), None, Timestamp(ts), b"", LSN(lsn - 1), (), tuple(writes), b"", None, (),
            session, number if session is not None else None, prev,
        )  # fmt: skip
        prev = entry_hash(encode(entry))
        yield entry


def log_of(seed: int, count: int) -> MemoryStorage:
    storage = MemoryStorage()
    with Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry, segment_bytes_max=SEGMENT_BYTES) as log:
        for entry in history(seed, count):
            log.writer.queue(entry, encode(entry))
            batch = log.writer.take()
            assert batch is not None
            log.writer.write(batch)
    return storage


def state_without(storage: MemoryStorage) -> Recovery:
    recovery = Recovery()
    recover(storage, recovery.apply)
    return recovery


def state_with(storage: MemoryStorage) -> tuple[Recovery, Checkpoint | None]:
    recovery, checkpoint = load_newest(storage, never)
    recover(storage, recovery.apply, after=checkpoint)
    return recovery, checkpoint


def shown(recovery: Recovery) -> object:
    """All that there is of it, orders included: documents come out, and sessions go, in them."""
    bodies = [(table, list(documents.items())) for table, documents in recovery.newest.bodies.items()]
    sessions = [
        (id, session.last_ts, list(session.committed.items())) for id, session in recovery.requests.sessions.items()
    ]
    return recovery.newest.position, bodies, sessions, recovery.code, recovery.deployment


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 150), steps=st.lists(st.integers(1, 60), max_size=3))
def test_open_with_any_checkpoint_equals_open_without(seed: int, count: int, steps: list[int]) -> None:
    storage = MemoryStorage()
    entries = list(history(seed, count + sum(steps)))
    made = 0
    for upto in [count, *(count + sum(steps[: number + 1]) for number in range(len(steps)))]:
        with Log.open(
            storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry, segment_bytes_max=SEGMENT_BYTES
        ) as log:
            for entry in entries[log.last_lsn : upto]:
                log.writer.queue(entry, encode(entry))
                batch = log.writer.take()
                assert batch is not None
                log.writer.write(batch)
        made += fold(storage, never) is not None
        expected = shown(state_without(storage))
        for name in checkpoint_names(storage):
            only = storage.copy()
            for other in checkpoint_names(storage):
                if other != name:
                    only.replace(other, None)
            state, checkpoint = state_with(only)
            assert checkpoint is not None
            assert shown(state) == expected
        assert shown(state_with(storage)[0]) == expected
        check = CheckpointCheck.of(storage, never)
        recover(storage, check.apply)
        assert check.good == len(checkpoint_names(storage)) == min(made, KEPT)
        assert fold(storage, never) is None


def grown(seed: int = 5) -> MemoryStorage:
    """A log with two checkpoints, and sealed segments after them."""
    storage = log_of(seed, 60)
    assert fold(storage, never) is not None
    entries = list(history(seed, 200))
    for upto in (120, 200):
        with Log.open(
            storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry, segment_bytes_max=SEGMENT_BYTES
        ) as log:
            for entry in entries[log.last_lsn : upto]:
                log.writer.queue(entry, encode(entry))
                batch = log.writer.take()
                assert batch is not None
                log.writer.write(batch)
        if upto == 120:
            assert fold(storage, never) is not None
    assert len(checkpoint_names(storage)) == 2
    return storage


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_then_to_the_whole_log() -> None:
    storage = grown()
    older, newer = checkpoint_names(storage)
    expected = shown(state_without(storage))
    chance = random.Random(3)
    for trial in range(60):
        damaged, bad = storage.copy(), []
        damaged.flip(newer, chance.randrange(8 * storage.size(newer)))
        if trial % 2:
            damaged.tear(chance.randrange(1, storage.size(older)), older)
        recovery, checkpoint = load_newest(damaged, lambda file, problem: bad.append(file))  # noqa: B023
        recover(damaged, recovery.apply, after=checkpoint)

        assert shown(recovery) == expected
        assert bad == ([newer, older] if trial % 2 else [newer])
        assert (checkpoint.name if checkpoint is not None else None) == (None if trial % 2 else older)
    for name in (older, newer):
        storage.replace(name, None)
    assert shown(state_with(storage)[0]) == expected


def test_a_crash_while_folding_changes_nothing_that_a_start_finds() -> None:
    original = grown()
    expected = shown(state_without(original))
    names = checkpoint_names(original)
    whole = 0
    for step in range(60):
        storage = original.copy()
        storage.stops_after = step
        try:
            fold(storage, never)
            whole += 1
        except Stopped:
            pass
        chance = random.Random(step)
        storage.crash(lambda name, page: chance.random() < 0.5)  # noqa: B023

        assert shown(state_with(storage)[0]) == expected
        assert set(names[-1:]) <= set(checkpoint_names(storage))
        fold(storage, never)
        assert not [name for name in storage.names() if name.endswith(".unfinished")]
        assert shown(state_with(storage)[0]) == expected
    assert whole > 0


def test_large_documents_are_spread_over_parts_of_a_moderate_size() -> None:
    recovery = Recovery()
    recovery.newest.bodies["notes"] = {f"id{number}": (bytes(2**20), LSN(1)) for number in range(11)}
    recovery.newest.bodies["small"] = {f"id{number}": (b"", LSN(1)) for number in range(4_500)}
    sizes = [len(part) for part in parts_of(recovery)]

    assert sum(size > 2**20 for size in sizes) == 3
    assert max(sizes) < 5 * 2**20
    assert len(sizes) == 1 + 2 + 3 + 3


def test_a_checkpoint_that_cannot_be_read_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = grown()
    older, newer = checkpoint_names(storage)
    read = MemoryStorage.read

    def failing(self: MemoryStorage, name: str, offset: int, length: int) -> bytes:
        if name == newer:
            raise OSError(5, "input/output error", name)
        return read(self, name, offset, length)

    monkeypatch.setattr(MemoryStorage, "read", failing)
    bad: dict[str, str] = {}
    _, checkpoint = load_newest(storage, bad.__setitem__)

    assert bad == {newer: "it cannot be read: input/output error"}
    assert checkpoint is not None
    assert checkpoint.name == older
    assert CheckpointCheck.of(storage, bad.__setitem__).files.keys() == {checkpoint.lsn}


def test_a_full_disk_keeps_what_there_is() -> None:
    storage = grown()
    names = storage.names()
    storage.space = sum(map(storage.size, names)) + 100
    with pytest.raises(CheckpointFailed):
        fold(storage, never)

    assert storage.names() == names


def test_damage_in_a_sealed_segment_is_found_while_folding_and_no_checkpoint_made() -> None:
    storage = log_of(1, 100)
    storage.flip(segment_names(storage)[0], 8 * 200)

    with pytest.raises(Damaged):
        fold(storage, never)
    assert checkpoint_names(storage) == ()


def test_a_checkpoint_that_says_something_else_than_the_log_is_found_by_comparing() -> None:
    storage = grown()
    name = checkpoint_names(storage)[-1]
    file = CheckpointFile.open(storage, name)
    recovery = Recovery()
    write_checkpoint(storage, file.checkpoint, parts_of(recovery))
    other = attrs.evolve(file.checkpoint, hash=bytes(32))
    bad: dict[str, str] = {}
    check = CheckpointCheck.of(storage, bad.__setitem__)
    recover(storage, check.apply)

    assert (check.good, bad) == (1, {name: "it is not what the log comes to"})
    write_checkpoint(storage, other, parts_of(recovery))
    CheckpointCheck.of(storage, bad.__setitem__)
    assert "the hash differs" in bad[name]


def test_there_is_nothing_to_fold_in_a_log_of_one_segment() -> None:
    assert fold(MemoryStorage(), never) is None
    assert fold(log_of(1, 3), never) is None
