"""Keys as people read them."""

from __future__ import annotations

import pytest
from relive.actors.key_text import bound_text, key_text, range_text
from relive.log.entry import IndexName, KeyRange
from relive.protocol.order import UNDEFINED_KEY, sort_key
from relive.protocol.values import Int64, Value

from .samples import BY_ID_NAME, BY_RANK, suffix_of

BY_CREATION_TIME = IndexName("notes", "by_creation_time")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (["general"], '["general", ...]'),
        (["général", 2, None, True], '["général", 2, null, true, ...]'),
        ([Int64(5), b"\0\xff", [1.5, {"a": float("inf")}]], '[5, "00ff", [1.5, {"a": Infinity}], ...]'),
    ],
)
def test_a_key_is_the_values_of_its_fields(fields: list[Value], text: str) -> None:
    assert key_text(BY_RANK, b"".join(map(sort_key, fields)) + suffix_of("a")) == text


def test_a_missing_field_is_undefined() -> None:
    assert key_text(BY_RANK, UNDEFINED_KEY + suffix_of("a")) == "[undefined, ...]"


def test_what_is_ordered_by_creation_time_shows_that() -> None:
    assert key_text(BY_CREATION_TIME, suffix_of("a")) == "[1700000000000.5, ...]"


def test_a_key_by_id_is_the_id() -> None:
    assert key_text(BY_ID_NAME, b"j57abc") == '["j57abc"]'
    assert bound_text(BY_ID_NAME, b"j57abc\xff") == '["j57abc\ufffd"]'


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (b"", "[]"),
        (sort_key("a"), '["a"]'),
        (sort_key("a") + b"\xff", '["a"]'),
        (sort_key(1) + sort_key("a\0"), '[1, "a\\u0000"]'),
        (b"\x02\xff", "02ff"),
    ],
)
def test_a_bound_is_the_values_that_it_was_made_of(bound: bytes, text: str) -> None:
    assert bound_text(BY_RANK, bound) == text


def test_bytes_that_are_no_key_are_shown_as_they_are() -> None:
    assert key_text(BY_RANK, b"\x02\x03") == "0203"


FULL = sort_key("a") + suffix_of("x")


@pytest.mark.parametrize(
    ("start", "stop", "text"),
    [
        (b"", None, "from the start to the end"),
        (FULL, FULL + b"\0", '["a", ...]'),
        (sort_key("a"), sort_key("a") + b"\xff", '["a"]'),
        (sort_key("a"), sort_key("b"), 'from ["a"] to ["b"]'),
        (sort_key("a"), FULL + b"\0", 'from ["a"] through ["a", ...]'),
        (b"", sort_key(""), 'from the start to [""]'),
    ],
)
def test_a_range_is_told_from_where_to_where(start: bytes, stop: bytes | None, text: str) -> None:
    assert range_text(KeyRange(BY_RANK, start, stop)) == text


def test_a_range_of_ids() -> None:
    assert range_text(KeyRange(BY_ID_NAME, b"a", b"a\0")) == '["a"]'
    assert range_text(KeyRange(BY_ID_NAME, b"a", b"c\0")) == 'from ["a"] through ["c"]'


def test_a_word_that_may_go_on_is_shown_as_one() -> None:
    whole = sort_key(Int64(1)) + sort_key("a") + sort_key("tok")
    begun = whole.removesuffix(b"\0")
    assert range_text(KeyRange(BY_RANK, whole, whole + b"\xff")) == '[1, "a", "tok"]'
    assert range_text(KeyRange(BY_RANK, begun, begun + b"\xff")) == '[1, "a", "tok"], or what begins so'
