"""Files that are not what they should be: a clear error, and nothing changes."""

from __future__ import annotations

import io
import random
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.engine.portability import archive as archives
from relive.engine.portability import rows
from relive.engine.portability.errors import FileInvalid, ImportRefused, RowsInvalid

from .carrying import archive, bench, documents, exported, fill, load

REFUSED = (FileInvalid, ImportRefused, RowsInvalid)


def refused(data: bytes, format: Any = "zip", table: str | None = None, match: str | None = None) -> None:
    there = bench()
    before = there.database.runtime.tail.head
    with pytest.raises(REFUSED, match=match):
        load(there, data, format, table=table)
    assert there.database.runtime.tail.head == before


@pytest.mark.parametrize("data", [b"", b"PK", b"hello", b'{"name": "a"}\n', bytes(1_000)])
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    refused(data, match="no ZIP file")


def test_an_export_cut_anywhere_is_refused() -> None:
    here = bench()
    fill(here, [], [{"text": str(number)} for number in range(20)])
    data = exported(here)

    for length in range(0, len(data) - 1, 7):
        refused(data[:length])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**9))
def test_a_damaged_export_is_refused_or_says_the_same(seed: int) -> None:
    here, there = bench(), bench()
    fill(here, [], [{"text": str(number)} for number in range(20)])
    data, chance = bytearray(exported(here)), random.Random(seed)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    try:
        load(there, bytes(data))
    except REFUSED:
        assert documents(there, "loose") == {}
    else:
        # What no checksum covers: dates, rights, a name that makes it another table.
        assert set(documents(there, "loose")) <= set(documents(here, "loose"))


@pytest.mark.parametrize(
    "name", ["../channels/documents.jsonl", "/channels/documents.jsonl", "a/../../b.jsonl", "C:/x/documents.jsonl"]
)
def test_names_that_lead_out_of_the_zip_are_refused(name: str) -> None:
    refused(archive({name: b'{"name": "a"}\n'}), match="leads out of it")


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ARCHIVE_RATIO_FROM_BYTES", 10_000)
    monkeypatch.setattr(archives, "ARCHIVE_RATIO_MAX", 100)
    refused(archive({"channels/documents.jsonl": bytes(1_000_000)}), match="packed beyond reason")


def test_a_bomb_that_lies_about_its_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ARCHIVE_RATIO_FROM_BYTES", 10_000)
    monkeypatch.setattr(archives, "ARCHIVE_RATIO_MAX", 100)
    data = archive({"channels/documents.jsonl": b" " * 1_000_000})
    lie = data.replace((1_000_000).to_bytes(4, "little"), (9_000).to_bytes(4, "little"))
    assert lie != data
    refused(lie)


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ARCHIVE_ENTRIES_MAX", 2)
    refused(archive({f"t{number}.jsonl": b"" for number in range(3)}), match="3 files; 2 are allowed")


def test_a_zip_without_tables_is_refused() -> None:
    refused(archive({"README.md": b"hello", "generated_schema.jsonl": b'"uniform"'}), match="there is no table in it")


def test_two_files_of_one_table_are_refused() -> None:
    refused(archive({"a/t/documents.jsonl": b"", "t.csv": b""}), match="two files in it are of table 't'")


def test_an_encrypted_file_is_refused() -> None:
    data = bytearray(archive({"t.jsonl": b'{"a":1}\n'}))
    data[6] |= 1
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    refused(bytes(data), match="encrypted")


def test_components_and_old_schemas_are_refused() -> None:
    refused(archive({"_components/x/t/documents.jsonl": b""}), match="components")
    files = {"t/documents.jsonl": b'{"a":1}\n', "t/generated_schema.jsonl": b'"{a: int64}"\n'}
    refused(archive(files), match="Convex wrote long ago")


def test_what_is_left_out_is_told() -> None:
    there = bench()
    files = {
        "x/channels/documents.jsonl": b'{"name":"a"}',
        "x/_storage/abc.png": b"png",
        "x/_crons/documents.jsonl": b"",
    }
    done = load(there, archive(files))

    assert done.notes == (
        "stored files are left out: there is no _storage/documents.jsonl",
        "_crons belongs to the system, and is left out",
    )


def test_without_a_generated_schema_bare_numbers_are_numbers() -> None:
    there = bench()
    load(there, archive({"loose/documents.jsonl": b'{"a":1}\n'}))
    (fields,) = documents(there, "loose").values()

    assert type(fields["a"]) is int


def test_what_is_not_utf_8_is_a_bad_row_or_a_bad_file() -> None:
    refused(b'{"name": "\xff"}\n', "jsonl", "channels", match="row 1")
    refused(b"name\n\xff\n", "csv", "channels", match="line 2 is not UTF-8")
    refused(b'[{"name": "\xff"}]', "json", "channels")


def test_a_byte_order_mark_is_passed_over() -> None:
    for data, format in ((b'{"name": "a"}\n', "jsonl"), (b"name\na\n", "csv"), (b'[{"name": "a"}]', "json")):
        there = bench()
        load(there, b"\xef\xbb\xbf" + data, format, table="channels")  # type: ignore[arg-type]
        assert [fields["name"] for fields in documents(there, "channels").values()] == ["a"]


def test_lines_and_arrays_that_are_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROW_BYTES_MAX", 100)
    monkeypatch.setattr(rows, "ARRAY_BYTES_MAX", 100)
    long = b"x" * 1_000
    refused(b'{"name": "a"}\n{"name": "' + long + b'"}\n', "jsonl", "channels", match="row 2: longer than 100 bytes")
    refused(b"name\n" + long, "csv", "channels", match="line 2 is longer than 100 bytes")
    refused(b'["' + long + b'"]', "json", "channels", match="longer than 100 bytes")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "a header"),
        (b"name,name\na,b\n", "two columns are named 'name'"),
        (b"name,\na,b\n", "column 2 has no name"),
        (b"name\na,b\n", "row 2: 2 cells, but the header has 1"),
        (b'name\n"a\n', "not CSV"),
    ],
)
def test_what_is_no_csv_is_refused(data: bytes, match: str) -> None:
    refused(data, "csv", "channels", match=match)


def test_deep_and_huge_values_are_bad_rows() -> None:
    deep = b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"
    refused(deep, "jsonl", "loose", match="row 1")
    refused(b'{"a":' + b"[" * 60 + b"]" * 60 + b"}", "jsonl", "loose", match="nested more than 16 deep")
    refused(b'{"a":"' + b"x" * 2**20 + b'"}', "jsonl", "loose", match="a document has at most")
    refused(b'{"_secret": 1}\n{"$a": 1}', "jsonl", "loose", match=r"(?s)row 1.*belong to the system.*row 2")
    refused(archive({"loose.jsonl": b'{"a":99999999999999999999}'}), match="beyond 64 bits")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["jsonl", "csv", "json"]))
def test_rubbish_is_refused_or_read(data: bytes, format: Any) -> None:
    there = bench()
    try:
        load(there, data, format, table="loose")
    except REFUSED:
        assert documents(there, "loose") == {}


def test_a_zip_is_read_where_another_tool_packed_it() -> None:
    there, data = bench(), io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as packed:
        packed.mkdir("snapshot")
        packed.writestr("snapshot/channels/documents.jsonl", b'{"name":"a"}\n\n')
    load(there, data.getvalue())

    assert len(documents(there, "channels")) == 1
