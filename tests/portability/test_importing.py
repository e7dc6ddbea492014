"""Imports: modes, numbers of tables, and all of it or nothing."""

from __future__ import annotations

import io
import json
from typing import cast

import pytest
import trio
from relive.actors.errors import WritesRefused
from relive.engine.data.schema import Id
from relive.engine.portability import importing
from relive.engine.portability.errors import ImportInterrupted, ImportRefused, ImportUnderWay, RowsInvalid
from relive.engine.portability.importing import Imported, Importer, Staging
from relive.engine.portability.sources import Wanted
from relive.engine.transactions.context import MutationCtx
from relive.log.entry import Kind
from relive.log.errors import DiskFull
from relive.log.memory import keep_everything
from relive.protocol import cbor

from ..engine.bench import Bench, app_of, open_bench
from .carrying import HASH, Channel, Other, archive, bench, documents, exported, fill, load, plain


def rows(*documents: object) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def names(bench: Bench) -> set[str]:
    return {str(fields["name"]) for fields in documents(bench, "channels").values()}


def filled() -> Bench:
    made = bench()
    fill(made, [])
    return made


def head(bench: Bench) -> int:
    return bench.database.runtime.tail.head


def test_an_import_is_one_entry_that_says_where_it_came_from() -> None:
    there = bench()
    before = head(there)
    done = load(there, rows({"name": "a"}, {"name": "b"}), "jsonl", table="channels")
    entry = there.entry()

    assert done.lsn == head(there) == before + 1
    assert entry.kind is Kind.IMPORT
    assert (entry.cause.kind, entry.cause.id) == ("import", f"file.jsonl sha256:{HASH[:12]}")
    assert cbor.decode(entry.args) == {
        "file": "file.jsonl",
        "sha256": HASH,
        "format": "jsonl",
        "mode": "requireEmpty",
        "tables": {"channels": 2},
    }
    assert names(there.reopen()) == {"a", "b"}


def test_documents_without_id_or_time_are_given_both() -> None:
    there = bench()
    load(there, b'[{"name": "a"}, {"name": "b", "_creationTime": 5}]', "json", table="channels")
    found = documents(there, "channels")

    assert {fields["_creationTime"] for fields in found.values() if fields["name"] == "b"} == {5}
    assert all(id == fields["_id"] and fields["_creationTime"] for id, fields in found.items())


def test_a_table_with_documents_is_not_imported_into_unless_that_is_asked_for() -> None:
    there = filled()
    with pytest.raises(ImportRefused, match="'channels' holds documents already"):
        load(there, rows({"name": "a"}), "jsonl", table="channels")

    assert names(there) == {"general"}


def test_append_adds_and_replace_replaces() -> None:
    there = filled()
    added = load(there, rows({"name": "a"}), "jsonl", "append", "channels")

    assert names(there) == {"general", "a"}
    assert added.tables["channels"].inserted == 1
    replaced = load(there, rows({"name": "b"}), "jsonl", "replace", "channels")
    assert names(there) == {"b"}
    assert (replaced.tables["channels"].deleted, replaced.tables["channels"].inserted) == (2, 1)


def test_replace_leaves_other_tables_and_replace_all_empties_them() -> None:
    source, there = filled(), bench()
    fill(there, [], [{"a": 1}])
    data = archive({"channels/documents.jsonl": rows({"name": "b"})})
    load(there, data, mode="replace")

    assert len(documents(there, "loose")) == 1
    load(there, data, mode="replaceAll")
    assert len(documents(there, "loose")) == 0
    assert names(there) == {"b"}
    assert names(source) == {"general"}


def test_what_is_the_same_is_not_written_again() -> None:
    there = filled()
    before = head(there)
    done = load(there, exported(there), mode="replace")

    assert (done.lsn, head(there)) == (None, before)


def test_replacing_a_document_by_its_id_is_a_new_version_of_it() -> None:
    there = filled()
    (id,) = documents(there, "channels")
    lsn = there.database.runtime.tables.table("channels").versions[id].lsn
    load(there, rows({"_id": id, "name": "other"}), "jsonl", "replace", "channels")
    (write,) = there.entry().writes

    assert (write.id, write.previous) == (id, lsn)
    assert names(there.reopen()) == {"other"}


def test_a_dry_run_says_all_and_writes_nothing() -> None:
    there = filled()
    before = head(there)
    done = load(there, rows({"name": "a"}), "jsonl", "replace", "channels", dry_run=True)

    assert (done.lsn, head(there), names(there)) == (None, before, {"general"})
    assert (done.tables["channels"].inserted, done.tables["channels"].deleted) == (1, 1)


def test_every_bad_row_is_named_and_nothing_is_imported() -> None:
    there = bench()
    good = {"name": "a"}
    data = rows(good, {"name": 5}, good, {"title": "b"}, [1]) + b"{\n" + rows({"name": "c", "_id": "x"}, good)
    before = head(there)
    with pytest.raises(RowsInvalid) as raised:
        load(there, data, "jsonl", table="channels")
    bad = {row.row: row.problem for row in raised.value.rows}

    assert set(bad) == {2, 4, 5, 6, 7}
    assert "name" in bad[2]
    assert "file.jsonl, row 4" in str(raised.value)
    assert "`_id`" in bad[7]
    assert (head(there), names(there)) == (before, set())


def test_ids_that_come_twice_or_are_there_already_are_bad_rows() -> None:
    there = filled()
    (id,) = documents(there, "channels")
    with pytest.raises(RowsInvalid, match=r"row 1.*there is a document with the id"):
        load(there, rows({"_id": id, "name": "a"}), "jsonl", "append", "channels")
    with pytest.raises(RowsInvalid, match=r"row 2: the id \w+ is that of row 1"):
        load(there, rows({"_id": id, "name": "a"}, {"_id": id, "name": "b"}), "jsonl", "replace", "channels")


def test_an_id_of_another_table_is_a_bad_row() -> None:
    there = filled()
    (id,) = documents(there, "channels")
    data = rows({"text": "a"}, {"_id": id})
    with pytest.raises(RowsInvalid, match=r"row 2: `_id` \w+ belongs to a table with the number 10001"):
        load(there, data, "jsonl", table="loose")

    assert documents(there, "loose") == {}


def test_references_are_checked_with_the_numbers_of_the_file() -> None:
    here = open_bench(app_of(Other, Channel))  # Numbers the other way round.
    fill(here, [])
    (id,) = documents(here, "channels")
    there = bench()
    data = archive(
        {
            "_tables/documents.jsonl": rows({"id": 10_002, "name": "channels"}),
            "channels/documents.jsonl": rows({"_id": id, "name": "general"}),
            "others/documents.jsonl": rows({"channel": id}),
        }
    )
    load(there, data)
    again = there.reopen()

    assert there.database.catalog.number_of("channels") == 10_002
    assert [fields["channel"] for fields in documents(again, "others").values()] == [id]
    assert len({again.database.catalog.number_of(name) for name in ("channels", "others", "messages")}) == 3
    assert len({fields["name"] for fields in documents(again, "_tables").values()}) == len(documents(again, "_tables"))


def test_a_number_of_a_table_that_has_documents_is_not_taken() -> None:
    there = filled()
    number = there.database.catalog.number_of("channels")
    data = archive(
        {"_tables/documents.jsonl": rows({"id": number, "name": "new"}), "new/documents.jsonl": rows({"a": 1})}
    )
    with pytest.raises(ImportRefused, match=f"{number}, which is that of 'channels'"):
        load(there, data)

    assert there.database.catalog.number_of("new") is None


def test_a_table_is_not_renumbered_under_documents_that_refer_to_it() -> None:
    there = filled()
    (id,) = documents(there, "channels")

    async def refer(ctx: MutationCtx) -> None:
        await ctx.db.insert(Other(channel=cast("Id[Channel]", id)))

    there.write(refer)
    there.flush()
    data = archive(
        {
            "_tables/documents.jsonl": rows({"id": 10_050, "name": "channels"}),
            "channels/documents.jsonl": rows({"name": "a"}),
        }
    )
    with pytest.raises(ImportRefused, match=r"others/.* refers to documents of a table whose number would change"):
        load(there, data, mode="replace")

    assert names(there.reopen()) == {"general"}


def test_renumbering_is_taken_back_with_an_import_that_the_disk_refuses() -> None:
    here, there = filled(), open_bench(app_of(Other, Channel))
    there.flush()
    number = there.database.catalog.number_of("channels")
    data = exported(here)
    staging = Staging(there.database, Wanted("file.zip", HASH, "zip"))
    for _ in staging.slices(io.BytesIO(data)):
        pass
    staging.finish()
    there.storage.space = sum(there.storage.size(name) for name in there.storage.names()) + 50
    assert there.database.catalog.number_of("channels") == here.database.catalog.number_of("channels") != number
    with pytest.raises(DiskFull):
        there.flush()
    there.database.runtime.not_written("full")

    assert there.database.catalog.number_of("channels") == number
    assert documents(there, "channels") == {}
    there.check()


def test_nothing_is_begun_that_the_disk_has_no_room_for() -> None:
    there = bench()
    there.storage.space = sum(there.storage.size(name) for name in there.storage.names()) + 50
    before = head(there)
    with pytest.raises(WritesRefused, match="no space left"):
        load(there, rows({"name": "a"}), "jsonl", table="channels")

    assert head(there) == before


def test_a_crash_leaves_all_of_an_import_or_nothing() -> None:
    data = exported(filled())
    outcomes = set()
    for lost in range(0, 2_000, 100):
        there = bench()
        staging = Staging(there.database, Wanted("file.zip", HASH, "zip"))
        for _ in staging.slices(io.BytesIO(data)):
            pass
        staging.finish()
        name = there.storage.names()[-1]
        batch = there.database.log.writer.take()
        assert batch is not None
        before = there.storage.size(name)
        there.database.log.writer.write(batch)
        cut = max(before, there.storage.size(name) - lost)
        there.storage.truncate(name, cut)
        there.storage.crash(keep_everything)
        again = open_bench(there.executor.app, there.storage)
        again.check()
        outcomes.add((len(documents(again, "channels")), again.database.catalog.number_of("loose") is not None))

    assert outcomes == {(0, False), (1, False)}


def test_only_one_import_runs_at_a_time() -> None:
    there = bench()
    importer = Importer(there.database)
    results: list[object] = []

    async def one() -> None:
        try:
            results.append(await importer.run(Wanted("a.jsonl", HASH, "jsonl", "append", "channels"), io.BytesIO(data)))
        except ImportUnderWay as error:
            results.append(error)

    async def two() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one)
            nursery.start_soon(one)

    data = rows(*({"name": str(number)} for number in range(200)))
    trio.run(two)

    assert {type(result) for result in results} == {Imported, ImportUnderWay}
    assert len(names(there)) == 200


def test_a_deploy_in_the_middle_interrupts() -> None:
    there = bench()
    staging = Staging(there.database, Wanted("a.jsonl", HASH, "jsonl", "append", "channels"))
    for _ in staging.slices(io.BytesIO(rows({"name": "a"}))):
        pass
    there.deploy(app_of(Channel, version=2))
    with pytest.raises(ImportInterrupted, match="another version"):
        staging.finish()


def test_writes_in_the_middle_are_seen_by_the_step() -> None:
    there = bench()
    staging = Staging(there.database, Wanted("a.jsonl", HASH, "jsonl", "requireEmpty", "channels"))
    for _ in staging.slices(io.BytesIO(rows({"name": "a"}))):
        pass
    fill(there, [])
    with pytest.raises(ImportRefused, match="holds documents already"):
        staging.finish()
    replacing = Staging(there.database, Wanted("a.jsonl", HASH, "jsonl", "replace", "channels"))
    for _ in replacing.slices(io.BytesIO(rows({"name": "a"}))):
        pass
    fill(there, [])
    replacing.finish()
    assert names(there) == {"a"}


def test_more_than_an_entry_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    there = bench()
    monkeypatch.setattr(importing, "IMPORT_BYTES_MAX", 1_000)
    with pytest.raises(ImportRefused, match="1,000 bytes"):
        load(there, rows(*({"name": str(number)} for number in range(100))), "jsonl", table="channels")

    assert names(there) == set()


@pytest.mark.parametrize("name", ["_tables", "a b", "../x", "", "1a", "a" * 65])
def test_a_table_needs_a_name_that_tables_can_have(name: str) -> None:
    with pytest.raises(ImportRefused):
        load(plain(), rows({"a": 1}), "jsonl", table=name)


def test_created_documents_come_after_imported_ones() -> None:
    there = bench()
    load(there, rows(*({"name": str(number)} for number in range(50))), "jsonl", table="channels")
    fill(there, [])
    times = sorted((fields["_creationTime"], fields["name"]) for fields in documents(there, "channels").values())

    assert times[-1][1] == "general"
    assert len({time for time, _ in times}) == 51
