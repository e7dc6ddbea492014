"""The total order of values and its bytes, as the Convex documentation and clients have them."""

from __future__ import annotations

import math

import pytest
from msgspec import UNSET, UnsetType
from relive.protocol import order, values
from relive.protocol.errors import InvalidValue
from relive.protocol.values import Int64, Value

VECTORS: list[tuple[Value, str]] = [
    (None, "03"),
    (Int64(-(2**63)), "048000000000000000"),
    (Int64(-1), "07ff"),
    (Int64(0), "08"),
    (Int64(1), "0901"),
    (Int64(128), "0a0080"),
    (-math.inf, "0d000fffffffffffff"),
    (-0.0, "0d7fffffffffffffff"),
    (0.0, "0d8000000000000000"),
    (1.5, "0dbff8000000000000"),
    (math.nan, "0dfff8000000000000"),
    (False, "0e"),
    (True, "0f"),
    ("", "1000"),
    ("a\0b", "106100ff6200"),
    (b"\x00\xff", "1100ffff00"),
    ([], "1200"),
    ([1.0, "x"], "120dbff000000000000010780000"),
    ({}, "1500"),
    ({"": None}, "1500ff0300"),
    ({"a": Int64(1)}, "156100090100"),
]

ASCENDING: list[Value] = [
    None,
    Int64(-(2**63)),
    Int64(-(2**31) - 1),
    Int64(-(2**31)),
    Int64(-129),
    Int64(-128),
    Int64(-1),
    Int64(0),
    Int64(1),
    Int64(127),
    Int64(128),
    Int64(32767),
    Int64(32768),
    Int64(2**63 - 1),
    -math.nan,
    -math.inf,
    -1e300,
    -1,
    -5e-324,
    -0.0,
    0,
    5e-324,
    1,
    1.5,
    2**53 - 1,
    2.0**53,
    math.inf,
    math.nan,
    False,
    True,
    "",
    "\0",
    "\0\0",
    "\x01",
    "a",
    "a\0",
    "ab",
    "b",
    "\uffff",
    "\U00010000",
    b"",
    b"\0",
    b"\0\0",
    b"\x01",
    b"\xff",
    b"\xff\0",
    [],
    [None],
    [None, None],
    [[]],
    [[], None],
    [{}],
    [{"": None}],
    {},
    {"": None},
    {"": None, "a": None},
    {"": 1},
    {"A": None},
    {"a": None},
    {"a": None, "b": None},
    {"a": 1},
    {"aa": None},
    {"b": None},
]


@pytest.mark.parametrize(("value", "key"), VECTORS)
def test_sort_keys_are_those_of_the_official_encoding(value: Value, key: str) -> None:
    assert order.sort_key(value).hex() == key


def test_a_missing_field_sorts_before_everything() -> None:
    assert order.UNDEFINED_KEY.hex() == "01"
    assert all(order.sort_key(value) > order.UNDEFINED_KEY for value in ASCENDING)


def test_the_order_and_the_keys_agree_on_every_pair_of_examples() -> None:
    keys = [order.sort_key(value) for value in ASCENDING]

    assert keys == sorted(set(keys))
    for index_a, a in enumerate(ASCENDING):
        for index_b, b in enumerate(ASCENDING):
            assert order.compare(a, b) == (index_a > index_b) - (index_a < index_b), (a, b)


def test_numbers_of_both_forms_have_one_key() -> None:
    assert order.sort_key(3) == order.sort_key(3.0)
    assert order.compare(3, 3.0) == 0


@pytest.mark.parametrize(
    ("prefix", "after"),
    [(b"a", b"b"), (b"a\xff", b"b"), (b"\xff\x01\xff\xff", b"\xff\x02"), (b"\xff", None), (b"", None)],
)
def test_after_a_prefix(prefix: bytes, after: bytes | None) -> None:
    assert order.after_prefix(prefix) == after


@pytest.mark.parametrize(("value", "key"), VECTORS)
def test_a_key_says_what_its_value_is(value: Value, key: str) -> None:
    (decoded,) = order.decode_keys(bytes.fromhex(key))

    assert not isinstance(decoded, UnsetType)
    assert values.equal(decoded, value)


def test_a_missing_field_is_unset_in_a_key() -> None:
    keys = order.UNDEFINED_KEY + order.sort_key("a\0") + order.UNDEFINED_KEY

    assert order.decode_keys(keys) == [UNSET, "a\0", UNSET]
    assert order.decode_keys(b"") == []


@pytest.mark.parametrize(
    "key",
    [
        *["00", "02", "ff", "0e14", "0cff", "0a0001"],
        *["0d", "0d00", "1061", "106100ff", "10ff00", "12", "1201", "1200ff", "15", "1561"],
        *["15610003610003", "156200036100030000"],
        "12" * 65 + "00" * 65,
    ],
)
def test_what_no_value_has_as_its_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidValue, match="no sort key"):
        order.decode_keys(bytes.fromhex(key))
