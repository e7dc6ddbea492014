"""What is a value, what its normal form is, and how large it is."""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from enum import IntEnum, StrEnum
from types import MappingProxyType

import pytest
from relive.protocol import cbor, json, order, values
from relive.protocol.errors import InvalidValue
from relive.protocol.limits import ARRAY_ITEMS_MAX, INT_MAX, OBJECT_FIELDS_MAX, VALUE_DEPTH_MAX
from relive.protocol.values import Int64, Value


class Color(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Celsius(float):
    pass


class Blob(bytes):
    pass


def nested(deep: int) -> Value:
    value: Value = []
    for _ in range(deep - 1):
        value = [value]
    return value


def nested_objects(deep: int) -> Value:
    value: Value = {}
    for _ in range(deep - 1):
        value = {"a": value}
    return value


def bits(value: object) -> str:
    assert type(value) is float
    return struct.pack(">d", value).hex()


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        (1.0, 1),
        (0.0, 0),
        (-3.0, -3),
        (float(INT_MAX), INT_MAX),
        (-float(INT_MAX), -INT_MAX),
        (2.0**53, 2.0**53),
        (1e300, 1e300),
        (0.5, 0.5),
        (7, 7),
        (True, True),
        (Celsius(20.0), 20),
        (Celsius(20.5), 20.5),
        (Level.HIGH, 3),
        (Color.RED, "red"),
        (Blob(b"x"), b"x"),
        ((1, (2.0,)), [1, [2]]),
        ({Color.RED: Color.RED}, {"red": "red"}),
        (OrderedDict(a=1.0), {"a": 1}),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (Int64(5), Int64(5)),
        (math.inf, math.inf),
    ],
)
def test_normal_form(value: object, normal: Value) -> None:
    result = values.normalize(value)

    assert result == normal
    assert type(result) is type(normal)


def test_strings_and_names_of_subclasses_become_plain_strings() -> None:
    result = values.normalize({Color.RED: [Color.RED]})

    assert isinstance(result, dict)
    ((name, items),) = result.items()
    assert type(name) is str
    assert isinstance(items, list)
    assert type(items[0]) is str


def test_minus_zero_stays_a_float() -> None:
    assert bits(values.normalize(-0.0)) == "8000000000000000"


@pytest.mark.parametrize("payload", ["7ff8000000000000", "fff8000000000000", "7ff8000000000001"])
def test_there_is_one_nan(payload: str) -> None:
    nan = struct.unpack(">d", bytes.fromhex(payload))[0]

    assert bits(values.normalize(nan)) == "7ff8000000000000"
    assert json.encode(nan) == b'{"$float":"AAAAAAAA+H8="}'
    assert cbor.encode(nan) == bytes.fromhex("f97e00")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (2**53, "$"),
        (-(2**53), "$"),
        pytest.param(10**5000, "$", id="more digits than Python writes"),
        ({1, 2}, "$"),
        (object(), "$"),
        (bytearray(b"x"), "$"),
        (1j, "$"),
        ("\ud800", "$"),
        ("a\udfff", "$"),
        ({"a": {"b": [0, "\ud800"]}}, "$.a.b[1]"),
        ({"a b": [{"c": set()}]}, "$['a b'][0].c"),
        ({"$set": 1}, "$"),
        ({"a": {"$": 1}}, "$.a"),
        ({"é": 1}, "$"),
        ({"a\n": 1}, "$"),
        ({"\x7f": 1}, "$"),
        ({"\ud800": 1}, "$"),
        ({1: 1}, "$"),
        ([{None: 1}], "$[0]"),
        ({"x" * 1025: 1}, "$"),
        ([0] * (ARRAY_ITEMS_MAX + 1), "$"),
        ((0,) * (ARRAY_ITEMS_MAX + 1), "$"),
        ({str(index): 0 for index in range(OBJECT_FIELDS_MAX + 1)}, "$"),
        (nested(VALUE_DEPTH_MAX + 1), "$" + "[0]" * VALUE_DEPTH_MAX),
        (nested_objects(VALUE_DEPTH_MAX + 1), "$" + ".a" * VALUE_DEPTH_MAX),
    ],
)
def test_what_is_not_a_value_is_refused_with_its_place(value: object, path: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        values.normalize(value)

    assert caught.value.path == path
    assert str(caught.value)


def test_the_place_starts_where_the_caller_says() -> None:
    with pytest.raises(InvalidValue) as caught:
        values.normalize([object()], path="args.tags")

    assert caught.value.path == "args.tags[0]"


def test_a_value_inside_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(InvalidValue):
        values.normalize(endless)


@pytest.mark.parametrize(
    "value",
    [
        {"": 1},
        {"a$": 1, "b c~": 2},
        {"x" * 1024: 1, "y" * 1024: 2},
        [0] * ARRAY_ITEMS_MAX,
        {str(index): 0 for index in range(OBJECT_FIELDS_MAX)},
        nested(VALUE_DEPTH_MAX),
        nested_objects(VALUE_DEPTH_MAX),
    ],
)
def test_values_at_the_limits_pass_everywhere(value: Value) -> None:
    assert values.normalize(value) == value
    assert json.decode(json.encode(value)) == value
    assert cbor.decode(cbor.encode(value)) == value
    assert order.compare(value, value) == 0
    assert order.sort_key(value)


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**53),
        {"$set": 1},
        {"$integer": "AAAAAAAAAAA="},
        {"é": 1},
        {"a": "\ud800"},
        {"a": [2**53]},
        {"a": [0] * (ARRAY_ITEMS_MAX + 1)},
        {str(index): 0 for index in range(OBJECT_FIELDS_MAX + 1)},
        (1,),
        Color.RED,
        nested(VALUE_DEPTH_MAX + 1),
        nested_objects(VALUE_DEPTH_MAX + 1),
        nested(100_000),
        nested_objects(100_000),
    ],
)
def test_encoders_refuse_what_no_decoder_would_take(value: Value) -> None:
    for encode in (json.encode, json.encode_clean, json.encode_export, cbor.encode):
        with pytest.raises(InvalidValue) as caught:
            encode(value)
        assert caught.value.path.startswith("$")


@pytest.mark.parametrize("value", ["\ud800", ["\ud800"], nested(65), nested_objects(100_000), nested(100_000)])
def test_sort_keys_are_refused_like_the_value(value: Value) -> None:
    with pytest.raises(InvalidValue):
        order.sort_key(value)


@pytest.mark.parametrize("bomb", [nested(100_000), nested_objects(100_000)])
def test_very_deep_values_are_refused_by_whatever_takes_foreign_trees(bomb: Value) -> None:
    with pytest.raises(InvalidValue):
        values.normalize(bomb)
    with pytest.raises(InvalidValue):
        json.from_json(bomb)
    with pytest.raises(InvalidValue):
        json.to_json(bomb)


def test_the_path_of_an_encoding_error_is_complete() -> None:
    for encode in (json.encode, cbor.encode, order.sort_key):
        with pytest.raises(InvalidValue) as caught:
            encode({"a": [1, {"b": "\udc00"}]})
        assert caught.value.path == "$.a[1].b"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_an_int64_holds_64_bits(number: int) -> None:
    assert Int64(2**63 - 1) == 2**63 - 1
    with pytest.raises(InvalidValue):
        Int64(number)


def test_an_int64_shows_what_it_is() -> None:
    assert repr([Int64(-5)]) == "[Int64(-5)]"


EQUAL: list[tuple[Value, Value]] = [
    (1, 1.0),
    (0.0, 0),
    (-0.0, -0.0),
    (math.nan, math.nan),
    ([1, {"a": 2}], [1.0, {"a": 2.0}]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
]
UNEQUAL: list[tuple[Value, Value]] = [
    (True, 1),
    (False, 0),
    (True, 1.0),
    (Int64(1), 1),
    (Int64(1), 1.0),
    (Int64(1), True),
    (-0.0, 0),
    (-0.0, 0.0),
    (math.nan, -math.nan),
    (math.nan, 1.0),
    ("", b""),
    (None, False),
    ([], {}),
    ([1], [1, 1]),
    ([1], [True]),
    ({"a": None}, {}),
    ({"a": 1}, {"b": 1}),
]


def test_equality_is_of_the_value_model() -> None:
    for a, b in EQUAL:
        assert values.equal(a, b), (a, b)
        assert values.equal(b, a), (a, b)
    for a, b in UNEQUAL:
        assert not values.equal(a, b), (a, b)
        assert not values.equal(b, a), (a, b)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 1),
        (True, 1),
        (1, 9),
        (1.5, 9),
        (Int64(1), 9),
        ("", 2),
        ("abc", 5),
        ("é😀", 2 + 2 + 4),
        (b"abc", 5),
        ([], 2),
        ([None, 1, "a"], 2 + 1 + 9 + 3),
        ([1, 2.5, Int64(3)], 2 + 3 * 9),
        ([True, 1, [1.5]], 2 + 1 + 9 + (2 + 9)),
        ({}, 2),
        ({"ab": None, "": 1}, 2 + (2 + 1 + 1) + (0 + 1 + 9)),
        ([[{"a": []}]], 2 + 2 + 2 + (1 + 1 + 2)),
    ],
)
def test_size_in_bytes(value: Value, size: int) -> None:
    assert values.size(value) == size


@pytest.mark.parametrize(
    ("value", "depth"),
    [(1, 0), ("", 0), ([], 1), ({}, 1), ([1, [2], {"a": [3]}], 3), ({"a": 1, "b": [1]}, 2), (nested(64), 64)],
)
def test_depth(value: Value, depth: int) -> None:
    assert values.depth(value) == depth
    assert (values.too_deep(value, depth), values.too_deep(value, depth - 1) is None) == (None, depth == 0)


def test_the_place_of_what_is_too_deep_is_the_first_one() -> None:
    value: Value = {"a": [1, [2]], "b c": {"d": [[3]]}, "e": [[4]]}

    assert [values.too_deep(value, allowed) for allowed in (0, 1, 2, 3, 4)] == ["", ".a", ".a[1]", "['b c'].d[0]", None]
