"""Properties of all values: the order, the codecs and normal form agree about what is equal."""

from __future__ import annotations

import string
import struct

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType
from relive.protocol import cbor, json, order, values
from relive.protocol.errors import InvalidValue
from relive.protocol.limits import INT64_MAX, INT64_MIN, INT_MAX
from relive.protocol.values import Int64, Value

INF = float("inf")
NAN = values.NAN
NAMES = st.text(string.ascii_letters + string.digits + " _-.$\"\\'~", max_size=4).filter(
    lambda name: not name.startswith("$")
)
EDGES = st.sampled_from(
    [0, -1, INT_MAX, -INT_MAX, 0.0, -0.0, 1.0, 0.5, 2.0**53, 2.0**-24, 65504.0, 3.4e38, 1e300, 5e-324, INF, -INF, NAN]
)
INT64S = st.integers(INT64_MIN, INT64_MAX) | st.sampled_from([-129, -128, -1, 0, 1, 127, 128, 2**31, 2**53])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-INT_MAX, INT_MAX),
    st.floats(),
    st.floats(width=16),
    EDGES,
    INT64S.map(Int64),
    st.text(max_size=4),
    st.text("a\0\x01\xff\u1000\U0001f600", max_size=3),
    st.binary(max_size=4),
    st.sampled_from([b"\0", b"\0\xff", b"\xff"]),
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
# Few different values, so that pairs are often equal or equal up to some depth.
FEW: st.SearchStrategy[Value] = st.recursive(
    st.sampled_from([None, 0, 0.0, -0.0, 1, True, Int64(0), Int64(1), "", "a", b"", b"a", NAN]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["", "a", "b"]), inner, max_size=2),
    max_leaves=4,
)
FLOATS_OF_ANY_BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", bits.to_bytes(8, "little"))[0])
NUMBERS = FLOATS_OF_ANY_BITS | EDGES | st.sampled_from([-NAN])


def as_floats(value: Value) -> Value:
    """The same value with every number as a float, fields the other way round."""
    if type(value) is int:
        return float(value)
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    if isinstance(value, dict):
        return {name: as_floats(value[name]) for name in reversed(value)}
    return value


def sign(difference: int) -> int:
    return (difference > 0) - (difference < 0)


@settings(max_examples=200)
@given(VALUES | FEW, VALUES | FEW)
def test_sort_keys_compare_as_the_values_do(a: Value, b: Value) -> None:
    key_a, key_b = order.sort_key(a), order.sort_key(b)

    assert (key_a > key_b) - (key_a < key_b) == order.compare(a, b) == -order.compare(b, a)
    assert (key_a == key_b) == values.equal(a, b)


@settings(max_examples=200)
@given(FEW, FEW, FEW, FEW)
def test_joined_sort_keys_compare_field_by_field(a: Value, b: Value, c: Value, d: Value) -> None:
    left, right = order.sort_key(a) + order.sort_key(b), order.sort_key(c) + order.sort_key(d)

    assert (left > right) - (left < right) == (order.compare(a, c) or order.compare(b, d))


@settings(max_examples=200)
@given(st.lists(VALUES | FEW | NUMBERS | st.just(UNSET), max_size=4))
def test_joined_sort_keys_say_what_their_values_are(fields: list[Value | UnsetType]) -> None:
    joined = b"".join([order.UNDEFINED_KEY if field is UNSET else order.sort_key(field) for field in fields])
    decoded = order.decode_keys(joined)

    assert [field is UNSET for field in decoded] == [field is UNSET for field in fields]
    for back, field in zip(decoded, fields, strict=True):
        if back is not UNSET and field is not UNSET:
            # A NaN keeps its bits, which normal form does not.
            assert values.equal(back, field)
            assert back != back or shape(back) == shape(values.normalize(field))


@settings(max_examples=200)
@given(
    st.binary(max_size=12)
    | st.lists(st.sampled_from(list(b"\x00\x01\x03\x08\x10\x12\x15\xffa")), max_size=9).map(bytes)
)
def test_bytes_of_any_kind_are_refused_or_are_the_one_key_of_their_values(data: bytes) -> None:
    try:
        decoded = order.decode_keys(data)
    except InvalidValue:
        return
    assert b"".join([order.UNDEFINED_KEY if field is UNSET else order.sort_key(field) for field in decoded]) == data


@settings(max_examples=200)
@given(NUMBERS, NUMBERS)
def test_floats_of_any_bits_follow_the_total_order(a: float, b: float) -> None:
    bits_a, bits_b = (struct.unpack(">q", struct.pack(">d", number))[0] for number in (a, b))
    expected = sign(
        (bits_a if bits_a >= 0 else -(bits_a & INT64_MAX) - 1) - (bits_b if bits_b >= 0 else -(bits_b & INT64_MAX) - 1)
    )
    key_a, key_b = order.sort_key(a), order.sort_key(b)

    assert order.compare(a, b) == expected
    assert (key_a > key_b) - (key_a < key_b) == expected
    assert values.equal(a, b) == (expected == 0)


@given(st.binary(max_size=4), st.binary(max_size=6))
def test_after_prefix_is_above_exactly_what_starts_with_the_prefix(prefix: bytes, other: bytes) -> None:
    after = order.after_prefix(prefix)

    below = after is None or other < after
    assert below == (other < prefix or other.startswith(prefix))


@settings(max_examples=200)
@given(VALUES)
def test_every_codec_gives_back_the_normal_form(value: Value) -> None:
    normal = values.normalize(value)

    for decoded in (
        json.decode(json.encode(value)),
        cbor.decode(cbor.encode(value)),
        json.from_json(json.to_json(value)),
    ):
        assert values.equal(decoded, normal)
        assert shape(decoded) == shape(normal)


def shape(value: Value) -> object:
    """The exact types inside a value, which ``equal`` does not look at."""
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return type(value)


@settings(max_examples=200)
@given(VALUES)
def test_equal_values_give_equal_bytes(value: Value) -> None:
    other = as_floats(value)

    assert values.equal(value, other)
    assert json.encode(value) == json.encode(other) == json.encode(values.normalize(other))
    assert cbor.encode(value) == cbor.encode(other) == cbor.encode(values.normalize(other))
    assert order.sort_key(value) == order.sort_key(other)
    assert values.size(value) == values.size(other)


@settings(max_examples=200)
@given(VALUES)
def test_cbor_is_what_the_codec_calls_canonical(value: Value) -> None:
    assert cbor.encode(value) == cbor2.dumps(tagged(values.normalize(value)), canonical=True)


def tagged(value: Value) -> object:
    if isinstance(value, Int64):
        return cbor2.CBORTag(cbor.INT64_TAG, int(value))
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, dict):
        return {name: tagged(item) for name, item in value.items()}
    return value


@settings(max_examples=200)
@given(VALUES, FEW)
def test_normalizing_copies_and_changes_no_value(value: Value, added: Value) -> None:
    normal = values.normalize(value)
    before = order.sort_key(normal)
    if isinstance(value, list):
        value.append(added)
    if isinstance(value, dict):
        value["added"] = added

    assert order.sort_key(normal) == before
    assert values.equal(values.normalize(normal), normal)


@settings(max_examples=200)
@given(
    st.binary(max_size=24)
    | VALUES.map(cbor.encode).flatmap(lambda data: st.binary(max_size=2).map(lambda end: data + end))
)
def test_bytes_of_any_kind_are_refused_or_are_a_value_in_normal_form(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except InvalidValue:
        return
    assert values.equal(value, values.normalize(value))
    assert shape(value) == shape(values.normalize(value))
    assert len(cbor.encode(value)) <= len(data)


@settings(max_examples=200)
@given(st.text('[]{}":,\\ "ud8001.e-Na$float', max_size=24) | st.binary(max_size=12))
def test_text_of_any_kind_is_refused_or_is_a_value_in_normal_form(text: str | bytes) -> None:
    try:
        value = json.decode(text)
    except InvalidValue:
        return
    assert shape(value) == shape(values.normalize(value))
