"""Convex JSON as clients write and read it."""

from __future__ import annotations

import math

import msgspec
import pytest
from relive.protocol import json, values
from relive.protocol.errors import InvalidValue
from relive.protocol.limits import JSON_DEPTH_MAX, VALUE_DEPTH_MAX
from relive.protocol.values import Int64, Value

BOTH_WAYS: list[tuple[Value, bytes]] = [
    (None, b"null"),
    (True, b"true"),
    (1, b"1.0"),
    (-3, b"-3.0"),
    (0, b"0.0"),
    (2**53 - 1, b"9007199254740991.0"),
    (0.1, b"0.1"),
    (1e300, b"1e300"),
    (5e-324, b"5e-324"),
    (math.nan, b'{"$float":"AAAAAAAA+H8="}'),
    (-0.0, b'{"$float":"AAAAAAAAAIA="}'),
    (math.inf, b'{"$float":"AAAAAAAA8H8="}'),
    (-math.inf, b'{"$float":"AAAAAAAA8P8="}'),
    (Int64(9), b'{"$integer":"CQAAAAAAAAA="}'),
    (Int64(-1), b'{"$integer":"//////////8="}'),
    (b"", b'{"$bytes":""}'),
    (b"\x01\x02", b'{"$bytes":"AQI="}'),
    ("é\n\0😀", '"é\\n\\u0000😀"'.encode()),
    ([], b"[]"),
    ([1, [None]], b"[1.0,[null]]"),
    ({"b": 1, "a": {"d": 1, "c": 2}, "": 0}, b'{"":0.0,"a":{"c":2.0,"d":1.0},"b":1.0}'),
    ({"a$b": 1}, b'{"a$b":1.0}'),
]


@pytest.mark.parametrize(("value", "text"), BOTH_WAYS)
def test_values_and_their_json(value: Value, text: bytes) -> None:
    assert json.encode(value) == text
    assert values.equal(json.decode(text), value)
    assert values.equal(json.decode(text.decode()), value)
    assert json.dump(json.to_json(json.decode(text))) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.0", 1),
        ("-0.0", -0.0),
        ("1e2", 100),
        ("9007199254740993", 9007199254740992.0),
        ("123456789012345678901234567890", 1.2345678901234568e29),
        (' { "a" : [ 1 , 2.5 ] } ', {"a": [1, 2.5]}),
        (r'"\ud83d\ude00"', "😀"),
        ('{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_other_ways_to_write_a_value(text: str, value: Value) -> None:
    decoded = json.decode(text)

    assert values.equal(decoded, value)
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "[1,]",
        "1 2",
        "nul",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "9" * 400,
        pytest.param("9" * 5000, id="more digits than Python reads"),
        "'a'",
        '"\ud800"',
        r'"\ud800"',
        r'"\udc00"',
        r'{"\ud800":1}',
        '{"a":"\udfff"}',
        b'"\xff"',
        b"\xff",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf1",
        '{"$float":"AAAAAAAA8D8="}',
        '{"$float":"AAAAAAAAAAA="}',
        '{"$float":"AAAA"}',
        '{"$float":1.0}',
        '{"$float":null}',
        '{"$integer":"AQ=="}',
        '{"$integer":"AAAAAAAAAAAA"}',
        '{"$integer":"1"}',
        '{"$integer":5}',
        '{"$bytes":"AQI"}',
        '{"$bytes":"AQJ="}',
        '{"$bytes":"AQI=\\n"}',
        '{"$bytes":"A-_="}',
        '{"$bytes":"é"}',
        '{"$bytes":[]}',
        '{"$set":[]}',
        '{"$map":[]}',
        '{"$undefined":null}',
        '{"$":1}',
        '{"$bytes":"","a":1}',
        '{"a":1,"$b":1}',
        '{"é":1}',
        '{"a\\u0000":1}',
    ],
)
def test_what_is_not_convex_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidValue) as caught:
        json.decode(text)

    assert caught.value.path.startswith("$")


def test_the_place_of_a_bad_value_is_told() -> None:
    with pytest.raises(InvalidValue) as caught:
        json.from_json({"tags": [1, {"$integer": "?"}]}, path="args")

    assert caught.value.path == "args.tags[1]"


@pytest.mark.parametrize("tree", [{1: 2}, object(), (1,), ["\ud800"], {"a": "\ud800"}, Int64(1), b""])
def test_a_tree_from_elsewhere_is_checked_too(tree: object) -> None:
    with pytest.raises(InvalidValue):
        json.from_json(tree)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"a":[' * 100_000,
        r'["\"[","\\",' + "[" * 100_000,
        "[[]," * (JSON_DEPTH_MAX + 1) + "1" + "]" * (JSON_DEPTH_MAX + 1),
    ],
    ids=range(6),
)
def test_deep_nesting_is_refused_before_the_codec_runs(text: str) -> None:
    for decode in (json.parse, json.decode):
        with pytest.raises(InvalidValue, match="nested"):
            decode(text)


def test_brackets_in_strings_and_beside_one_another_are_not_nesting() -> None:
    tree = [["[[[{{{" * 100, '\\"[{' * 100, "\\" * 7 + '"[' * 100], *[[{}] for _ in range(1000)]]

    assert json.parse(json.dump(tree)) == tree


def test_depth_is_counted_the_same_for_every_way_in() -> None:
    deepest = b"[" * VALUE_DEPTH_MAX + b'{"$integer":"AAAAAAAAAAA="}' + b"]" * VALUE_DEPTH_MAX

    assert json.encode(json.decode(deepest)) == deepest
    assert json.parse(b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX)
    with pytest.raises(InvalidValue):
        json.decode(b"[" + deepest + b"]")
    with pytest.raises(InvalidValue):
        json.parse(b"[" * (JSON_DEPTH_MAX + 1) + b"]" * (JSON_DEPTH_MAX + 1))


def test_encoded_json_is_embedded_as_it_is() -> None:
    value = msgspec.Raw(json.encode({"b": 1, "a": 2}))

    assert json.dump({"type": "x", "value": value, "n": 3}) == b'{"type":"x","value":{"a":2.0,"b":1.0},"n":3}'


def test_a_dumped_tree_holds_no_lone_surrogate() -> None:
    with pytest.raises(InvalidValue):
        json.dump({"logLines": ["\ud800"]})


@pytest.mark.parametrize(
    ("value", "clean", "export"),
    [
        (None, b"null", b"null"),
        (1, b"1.0", b"1.0"),
        (1.5, b"1.5", b"1.5"),
        (-0.0, b"-0.0", b"-0.0"),
        (math.nan, b'"NaN"', b'{"$float":"AAAAAAAA+H8="}'),
        (math.inf, b'"Infinity"', b'{"$float":"AAAAAAAA8H8="}'),
        (-math.inf, b'"-Infinity"', b'{"$float":"AAAAAAAA8P8="}'),
        (Int64(-(2**63)), b'"-9223372036854775808"', b"-9223372036854775808"),
        (b"\x01\x02", b'"AQI="', b'{"$bytes":"AQI="}'),
        ({"b": [Int64(1)], "a": "x"}, b'{"a":"x","b":["1"]}', b'{"a":"x","b":[1]}'),
    ],
)
def test_the_other_formats_of_http(value: Value, clean: bytes, export: bytes) -> None:
    assert json.encode_clean(value) == clean
    assert json.encode_export(value) == export
