"""What is exported comes back as it was: bytes, ids, kinds of values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.protocol import cbor

from .carrying import ANYTHING, MESSAGE, Channel, bench, documents, exported, fill, load, plain

TABLES = ("channels", "messages", "others", "loose")


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Kinds of numbers, signs of zeros and all."""
    return cbor.encode(a) == cbor.encode(b)


@settings(max_examples=60, deadline=None)
@given(messages=st.lists(MESSAGE, max_size=4), loose=st.lists(ANYTHING, max_size=4))
def test_a_snapshot_comes_back_byte_for_byte(messages: list[dict[str, Any]], loose: list[dict[str, Any]]) -> None:
    here, there = bench(), bench()
    fill(here, messages, loose)
    data = exported(here)
    done = load(there, data)

    assert done.rows == len(messages) + len(loose) + 1
    assert all(same(documents(here, table), documents(there, table)) for table in TABLES)
    assert exported(there) == data
    assert exported(there.reopen()) == data


@settings(max_examples=60, deadline=None)
@given(messages=st.lists(MESSAGE, max_size=4))
def test_csv_of_a_table_with_a_class_comes_back(messages: list[dict[str, Any]]) -> None:
    here, there = bench(), bench()
    fill(here, messages)
    data = exported(here, "csv", packed=True)
    load(there, data)

    assert all(same(documents(here, table), documents(there, table)) for table in TABLES)
    assert exported(there, "csv", packed=True) == data


@settings(max_examples=30, deadline=None)
@given(messages=st.lists(MESSAGE, max_size=4), loose=st.lists(ANYTHING, max_size=4))
def test_json_lines_in_a_zip_come_back(messages: list[dict[str, Any]], loose: list[dict[str, Any]]) -> None:
    here, there = bench(), bench()
    fill(here, messages, loose)
    load(there, exported(here, "jsonl", packed=True))

    assert all(same(documents(here, table), documents(there, table)) for table in TABLES)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_one_table_comes_back_by_itself(format: Any) -> None:
    here, there = bench(), bench()
    fill(here, [])
    load(there, exported(here, format, "channels"), format, table="channels")

    assert documents(there, "channels") == documents(here, "channels")


def test_numbers_of_tables_are_taken_over_so_that_ids_stay_references() -> None:
    here, there = bench(), plain(Channel)  # Elsewhere the tables were made in another order.
    fill(here, [], [{"a": 1}])
    load(there, exported(here, "zip"))
    numbers = {name: there.database.catalog.number_of(name) for name in ("channels", "loose")}

    assert numbers == {name: here.database.catalog.number_of(name) for name in ("channels", "loose")}
    assert documents(there, "loose") == documents(here, "loose")
    assert documents(there.reopen(), "channels") == documents(here, "channels")
