"""Compaction drops what is beyond retention and nothing else, keeps the chain, and survives a crash anywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.log.compaction import REDUCED_SUFFIX, discard, estimate, prepare, publish, survey
from relive.log.encoding import encode, entry_hash
from relive.log.entry import (
    BEFORE_FIRST,
    DROPPED,
    FIRST_LSN,
    LSN,
    NO_HASH,
    Cause,
    Entry,
    IndexName,
    KeyRange,
    Kind,
    Timestamp,
    Write,
)
from relive.log.errors import Damaged
from relive.log.log import Log, ignore_entry
from relive.log.memory import MemoryStorage, Stopped
from relive.log.recovery import recover
from relive.log.retention import RESULT_KEPT_NS, Retention
from relive.log.segment import HEADER_BYTES, decode_header, segment_names

DEPLOYMENT = b"deployment-no-01"
SEGMENT_BYTES = 2_000
DAY_NS = 86_400 * 1_000_000_000
RANGE = KeyRange(IndexName("notes", "by_id"), b"a", b"b")


def history(seed: int, count: int) -> Iterator[Entry]:
    chance = random.Random(seed)
    held: dict[tuple[str, str], LSN] = {}
    ts, prev = 1_000, NO_HASH
    for number in range(1, count + 1):
        lsn = LSN(number)
        ts += chance.choice([5, DAY_NS, 3 * DAY_NS])
        writes: dict[tuple[str, str], Write] = {}
        for _ in range(chance.randrange(4)):
            key = chance.choice(["notes", "users", "kept"]), f"id{chance.randrange(8)}"
            if key in writes:
                continue
            deleted = key in held and chance.random() < 0.4
            body = None if deleted else bytes([1]) + chance.randbytes(chance.randrange(60))
            writes[key] = Write(*key, held.get(key, BEFORE_FIRST), body)
            if deleted:
                del held[key]
            else:
                held[key] = lsn
        kind = chance.choice([Kind.MUTATION] * 8 + [Kind.DEPLOY])
        entry = Entry(
            lsn, Timestamp(ts), kind, Cause("client", "", LSN(0)), "m:f", b"code", "0.1.0",
            b"arguments", b"identity", Timestamp(ts), b"seed", LSN(lsn - 1), (RANGE,), tuple(writes.values()),
            b"digest", b'"result"', ("[LOG] 'line'",), b"a" * 16, number, prev,
        )  # fmt: skip
        prev = entry_hash(encode(entry))
        yield entry


def log_of(seed: int, count: int) -> MemoryStorage:
    storage = MemoryStorage()
    append(storage, list(history(seed, count)))
    return storage


def append(storage: MemoryStorage, entries: list[Entry]) -> None:
    with Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry, segment_bytes_max=SEGMENT_BYTES) as log:
        for entry in entries[log.last_lsn :]:
            log.writer.queue(entry, encode(entry))
            batch = log.writer.take()
            assert batch is not None
            log.writer.write(batch)


def entries_of(storage: MemoryStorage) -> list[Entry]:
    """Checked: every frame, checksum and hash."""
    entries: list[Entry] = []
    recover(storage, entries.append)
    return entries


def newest(entries: list[Entry]) -> dict[tuple[str, str], bytes]:
    state: dict[tuple[str, str], bytes] = {}
    for entry in entries:
        for write in entry.writes:
            if write.document is None:
                del state[write.table, write.id]
            else:
                state[write.table, write.id] = write.document
    return state


def compact(storage: MemoryStorage, retention: Retention) -> int:
    survey(storage, retention)
    prepared = prepare(storage, retention)
    publish(storage, prepared)
    return len(prepared.segments)


def sealed_entries(storage: MemoryStorage) -> int:
    return int(segment_names(storage)[-1].removesuffix(".log")) - 1


def expected(entries: list[Entry], sealed: int, keep: dict[str, int], now: int) -> list[Entry]:
    """The model: look at each version, whether one that is old enough has come after it."""
    gone = set()
    for entry in entries[:sealed]:
        for write in entry.writes:
            if write.table not in keep:
                continue
            key = (write.table, write.id)
            after = [
                later.ts
                for later in entries[:sealed]
                for other in later.writes
                if (other.table, other.id) == key and other.previous == entry.lsn
            ]
            ended = entry.ts if write.document is None else after[0] if after else None
            if ended is not None and now - ended >= keep[write.table]:
                gone.add((entry.lsn, key))
    made = []
    for entry in entries:
        lost = {key for lsn, key in gone if lsn == entry.lsn}
        if not lost or entry.kind is Kind.DEPLOY:
            made.append(entry)
            continue
        writes = tuple(
            Write(w.table, w.id, w.previous, DROPPED) if w.document is not None and (w.table, w.id) in lost else w
            for w in entry.writes
        )
        result = entry.result if now - entry.ts < RESULT_KEPT_NS else None
        made.append(
            Entry(
                entry.lsn, entry.ts, entry.kind, entry.cause, entry.function, entry.code, entry.engine, DROPPED, None,
                entry.clock, entry.seed, entry.snapshot, (), writes, entry.result_digest, result, (), entry.session,
                entry.request, entry.prev,
            )
        )  # fmt: skip
    return made


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 120),
    days=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    later=st.integers(0, 60),
)
def test_what_is_beyond_retention_goes_and_all_else_stays(
    seed: int, count: int, days: tuple[int, int], later: int
) -> None:
    storage = log_of(seed, count)
    entries = entries_of(storage)
    keep = {"notes": days[0] * DAY_NS, "users": days[1] * DAY_NS}
    for now in (entries[-1].ts, entries[-1].ts + later * DAY_NS):
        retention = Retention(keep, Timestamp(now))
        before = storage.copy()
        compact(storage, retention)
        left = entries_of(storage)

        assert left == expected(entries, sealed_entries(storage), keep, now)
        assert newest(left) == newest(entries)
        # Nothing is left to do, and what goes is what was said before.
        assert compact(storage, Retention(keep, Timestamp(now))) == 0
        growing = segment_names(before)[-1]
        said = estimate(before, Retention(keep, Timestamp(now)))
        assert said.entries >= sum(one != other for one, other in zip(entries_of(before), left, strict=True))
        before.replace(growing, None)
        assert {growing, *segment_names(before)} >= {each.name for each in said.segments}


def test_a_log_goes_on_after_compaction() -> None:
    entries = list(history(3, 150))
    storage = MemoryStorage()
    append(storage, entries[:100])
    assert compact(storage, Retention({"notes": 0, "users": 0, "kept": 0}, entries[99].ts))
    append(storage, entries)

    assert entries_of(storage)[100:] == entries[100:]
    with Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry) as log:
        assert [log.reader.entry(LSN(lsn)).lsn for lsn in (1, 50, 100, 101, 150)] == [1, 50, 100, 101, 150]
        assert log.reader.is_reduced
        assert log.last_hash == entry_hash(encode(entries[-1]))


def test_a_crash_at_any_point_leaves_the_old_segments_or_the_new_ones() -> None:
    original = log_of(5, 100)
    entries = entries_of(original)
    chance = random.Random(1)
    done, stopped = 0, 0
    for step in range(80):
        storage = original.copy()
        storage.stops_after = step
        try:
            compact(storage, Retention({"notes": 0, "users": 0}, entries[-1].ts))
            done += 1
        except Stopped:
            stopped += 1
        storage.crash(keep=lambda name, page: chance.random() < 0.5)
        left = entries_of(storage)

        assert newest(left) == newest(entries)
        assert [entry.lsn for entry in left] == [entry.lsn for entry in entries]
        compact(storage, Retention({"notes": 0, "users": 0}, entries[-1].ts))
        assert entries_of(storage) == expected(
            entries, sealed_entries(original), {"notes": 0, "users": 0}, entries[-1].ts
        )
        assert not any(name.endswith(REDUCED_SUFFIX) for name in storage.names())
    assert done
    assert stopped > 20


def test_who_reads_meanwhile_goes_on_in_the_new_file() -> None:
    storage = log_of(5, 200)
    entries = entries_of(storage)
    with Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry) as log:
        reading = log.reader.entries(FIRST_LSN)
        read = [next(reading).lsn for _ in range(3)]
        assert log.reader.entry(LSN(40)) == entries[39]
        assert compact(storage, Retention({"notes": 0, "users": 0, "kept": 0}, entries[-1].ts)) > 3
        read += [entry.lsn for entry in reading]

        assert read == list(range(1, 201))
        assert [log.reader.entry(LSN(lsn)).lsn for lsn in range(1, 201)] == list(range(1, 201))
        assert [lsn for lsn, _ in log.reader.encoded(LSN(30))] == list(range(30, 201))


def test_no_segment_is_changed_in_place() -> None:
    storage = log_of(5, 100)
    before = {name: storage.content(name) for name in segment_names(storage)}
    storage.trace.clear()
    retention = Retention({"notes": 0}, Timestamp(10**18))
    survey(storage, retention)
    prepared = prepare(storage, retention)

    assert prepared.segments
    assert {name: storage.content(name) for name in segment_names(storage)} == before
    discard(storage)
    assert set(storage.names()) == {*before}
    assert compact(storage, retention)
    written = [operation for operation in storage.trace if operation.verb not in ("rename", "sync_folder")]
    assert {operation.name.endswith(REDUCED_SUFFIX) for operation in written} == {True}


def test_any_bit_of_a_reduced_segment_that_rots_is_found() -> None:
    storage = log_of(5, 60)
    entries = entries_of(storage)
    assert compact(storage, Retention({"notes": 0, "users": 0, "kept": 0}, entries[-1].ts))
    name = segment_names(storage)[0]
    assert decode_header(storage.read(name, 0, HEADER_BYTES)).generation == 1
    chance = random.Random(2)
    for _ in range(150):
        rotten = storage.copy()
        rotten.flip(name, chance.randrange(8 * storage.size(name)))
        with pytest.raises(Damaged):
            entries_of(rotten)


def test_a_damaged_log_is_not_compacted() -> None:
    storage = log_of(5, 60)
    storage.flip(segment_names(storage)[0], 8 * 300)
    names = storage.names()
    with pytest.raises(Damaged):
        compact(storage, Retention({"notes": 0}, Timestamp(10**18)))

    assert storage.names() == names


def test_no_space_leaves_everything_as_it_was() -> None:
    storage = log_of(5, 100)
    entries, names = entries_of(storage), storage.names()
    storage.space = sum(map(storage.size, names)) + 300
    with pytest.raises(OSError, match="no space"):
        compact(storage, Retention({"notes": 0, "users": 0, "kept": 0}, entries[-1].ts))

    assert storage.names() == names
    assert entries_of(storage) == entries
