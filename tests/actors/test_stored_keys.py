"""With the keys of a checkpoint or without, a start fills its tables with the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors import newest as newest_module
from relive.actors.checkpoints import fold, load_newest
from relive.actors.definition import TableDefinition
from relive.actors.newest import Newest
from relive.actors.recovery import Recovery
from relive.actors.tables import Tables
from relive.actors.version import Unread, Version
from relive.log.checkpoint import checkpoint_names
from relive.log.encoding import encode, entry_hash
from relive.log.entry import BEFORE_FIRST, LSN, NO_HASH, Entry, Timestamp, Write
from relive.log.log import Log, ignore_entry
from relive.log.memory import MemoryStorage
from relive.log.recovery import recover

from . import samples

DEPLOYMENT = b"deployment-no-01"
SEGMENT_BYTES = 1_200
FINGERPRINT = b"as it is today.."


def known(name: str) -> TableDefinition:
    return attrs.evolve(samples.definition(name), fingerprint=FINGERPRINT)


def never(file: str, problem: str) -> None:
    raise AssertionError((file, problem))


def refuse(table: str, id: str, error: Exception) -> None:
    raise error


def history(chance: random.Random, count: int) -> Iterator[Entry]:
    """Documents of two tables inserted, written over, deleted, and inserted again."""
    held: dict[tuple[str, str], LSN] = {}
    prev = NO_HASH
    for number in range(1, count + 1):
        writes: dict[tuple[str, str], Write] = {}
        for _ in range(chance.randrange(4)):
            key = chance.choice(["notes", "users"]), f"id{chance.randrange(30)}"
            deleted = key in held and chance.random() < 0.3
            if key in writes:
                continue
            body = None if deleted else samples.body_of(key[1], chance.randrange(20))
            writes[key] = Write(*key, held.get(key, BEFORE_FIRST), body)
            held.pop(key, None)
            if not deleted:
                held[key] = LSN(number)
        entry = attrs.evolve(
            samples.entry_of(number, writes=tuple(writes.values())), ts=Timestamp(1_000 + number), prev=prev
        )
        prev = entry_hash(encode(entry))
        yield entry


def append(storage: MemoryStorage, entries: list[Entry], upto: int) -> None:
    with Log.open(storage, deployment_if_new=DEPLOYMENT, on_entry=ignore_entry, segment_bytes_max=SEGMENT_BYTES) as log:
        for entry in entries[log.last_lsn : upto]:
            log.writer.queue(entry, encode(entry))
            batch = log.writer.take()
            assert batch is not None
            log.writer.write(batch)


def filled(newest: Newest) -> Tables:
    tables = Tables.empty(known)
    newest.fill(tables, refuse)
    return tables


def recovered(storage: MemoryStorage) -> Recovery:
    recovery, checkpoint = load_newest(storage, never)
    recover(storage, recovery.apply, after=checkpoint)
    return recovery


def from_the_log(storage: MemoryStorage) -> Tables:
    recovery = Recovery()
    recover(storage, recovery.apply)
    return filled(recovery.newest)


def shown(tables: Tables) -> object:
    """Everything, orders included; reads every document."""
    tables.check()
    return tables.position, {
        name: (
            [(id, version.id, version.lsn, version.document, version.size) for id, version in table.versions.items()],
            {index: [(key, v.id) for key, v in table.index(index).entries.items()] for index in sorted(table.indexes)},
        )
        for name, table in tables.by_name.items()
        if table.versions
    }


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_tables_filled_with_stored_keys_are_those_filled_without(seed: int, steps: list[int]) -> None:
    storage = MemoryStorage()
    entries = list(history(random.Random(seed), sum(steps)))
    for number in range(len(steps)):
        append(storage, entries, sum(steps[: number + 1]))
        fold(storage, never, definer_of=lambda recovery: known)
        expected = shown(from_the_log(storage))

        assert shown(filled(recovered(storage).newest)) == expected
        # What is made of an older checkpoint and its keys is what is made at once.
        anew = storage.copy()
        for name in checkpoint_names(anew):
            anew.replace(name, None)
        fold(anew, never, definer_of=lambda recovery: known)
        for name in checkpoint_names(anew):
            assert anew.read(name, 0, 10**7) == storage.read(name, 0, 10**7)


def grown() -> MemoryStorage:
    storage, entries = MemoryStorage(), list(history(random.Random(4), 200))
    append(storage, entries, 150)
    assert fold(storage, never, definer_of=lambda recovery: known) is not None
    append(storage, entries, 200)
    return storage


def test_documents_are_not_read_before_somebody_looks_and_then_once() -> None:
    read: list[bytes] = []

    def decode(body: bytes) -> Version:
        read.append(body)
        return samples.decode(body)

    tables = Tables.empty(lambda name: attrs.evolve(known(name), decode=decode))
    recovered(grown()).newest.fill(tables, refuse)
    unread = [v for table in tables.by_name.values() for v in table.versions.values() if isinstance(v, Unread)]
    at_start = len(read)
    version = unread[0]
    body = version.body

    assert unread
    assert body is not None
    assert version.lsn > 0
    assert len(read) == at_start
    assert (version.document, version.size) == (samples.decode(body).document, len(body))
    assert version.document is version.document
    assert type(version) is Version
    assert version.body is None
    assert read[at_start:] == [body]
    tables.check()


def test_keys_that_were_made_in_another_way_are_left_out() -> None:
    storage = grown()
    newest = recovered(storage).newest
    assert newest.keys.keys() == {"notes", "users"}
    tables = Tables.empty(samples.definition)  # Nobody can tell how these are read.
    newest.fill(tables, refuse)
    others = Tables.empty(lambda name: attrs.evolve(known(name), fingerprint=b"another"))
    recovered(storage).newest.fill(others, refuse)

    for each in (tables, others):
        assert not any(isinstance(v, Unread) for t in each.by_name.values() for v in t.versions.values())
        assert shown(each) == shown(from_the_log(storage))


def test_documents_written_since_the_checkpoint_must_fit() -> None:
    newest = recovered(grown()).newest
    id = next(id for id in newest.bodies["notes"] if id in newest.keys["notes"].written)
    newest.bodies["notes"][id] = (b"nonsense", LSN(200))
    refused: list[str] = []
    tables = Tables.empty(known)
    newest.fill(tables, lambda table, id, error: refused.append(id))

    assert refused == [id]
    assert id not in tables.table("notes").versions
    tables.check()


def test_a_table_with_a_document_that_does_not_fit_gets_no_keys() -> None:
    newest = recovered(grown()).newest
    newest.bodies["users"]["id0"] = (b"nonsense", LSN(150))
    newest.keys["users"].written.add("id0")
    newest.order(known)

    assert newest.keys.keys() == {"notes"}
    with pytest.raises(ValueError, match="unpack"):
        filled(newest)


def test_a_table_of_which_nobody_can_tell_how_it_is_read_gets_no_keys_and_one_without_documents_none_either() -> None:
    newest = recovered(grown()).newest
    newest.bodies["empty"] = {}
    newest.order(lambda name: samples.definition(name) if name == "users" else known(name))

    assert newest.keys.keys() == {"notes"}


@pytest.mark.parametrize("step", [1, 3])
def test_progress_is_told_of_documents_that_are_read_and_counts_those_that_need_not_be(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(newest_module, "PROGRESS_STEP", step)
    newest = recovered(grown()).newest
    total = sum(map(len, newest.bodies.values()))
    told: list[tuple[int, int]] = []
    newest.fill(Tables.empty(samples.definition), refuse, lambda *progress: told.append(progress))
    assert told == [(done, total) for done in range(step, total + 1, step)]

    with_keys: list[tuple[int, int]] = []
    newest.fill(Tables.empty(known), refuse, lambda *progress: with_keys.append(progress))
    done, expected = 0, []
    for name, bodies in newest.bodies.items():
        todo = len(newest.keys[name].written & bodies.keys())
        done += len(bodies) - todo
        expected += [(each, total) for each in range(done + 1, done + todo + 1) if each % step == 0]
        done += todo
    assert with_keys == expected
    assert with_keys


def test_a_checkpoint_with_keys_that_is_damaged_anywhere_is_left_out() -> None:
    storage = grown()
    (name,) = checkpoint_names(storage)
    expected, size = shown(from_the_log(storage)), storage.size(name)
    chance = random.Random(7)
    for trial in range(120):
        damaged, bad = storage.copy(), list[str]()
        if trial % 3:
            damaged.flip(name, 8 * (size * trial // 120) + chance.randrange(8))
        else:
            damaged.tear(1 + size * trial // 120, name)
        recovery, checkpoint = load_newest(damaged, lambda file, problem: bad.append(file))  # noqa: B023
        recover(damaged, recovery.apply, after=checkpoint)

        assert (bad, checkpoint) == ([name], None)
        assert shown(filled(recovery.newest)) == expected
