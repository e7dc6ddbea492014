"""Canonical CBOR: its bytes, and what is not taken for a value."""

from __future__ import annotations

import math

import pytest
from relive.protocol import cbor, values
from relive.protocol.errors import InvalidValue
from relive.protocol.values import Int64, Value


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, "f6"),
        (False, "f4"),
        (1, "01"),
        (-1, "20"),
        (1.5, "f93e00"),
        (0.1, "fb3fb999999999999a"),
        (3.4028234663852886e38, "fa7f7fffff"),
        (2.0**53, "fa5a000000"),
        (-0.0, "f98000"),
        (math.nan, "f97e00"),
        (-math.inf, "f9fc00"),
        (2**53 - 1, "1b001fffffffffffff"),
        (Int64(1), "d9c06401"),
        (Int64(-(2**63)), "d9c0643b7fffffffffffffff"),
        ("é", "62c3a9"),
        (b"\0", "4100"),
        ([1, "a"], "82016161"),
        ({"b": 1, "aa": 2, "": 3, "a": 4}, "a4600361610461620162616102"),
        ({"b": 1.5, "a": [0.1]}, "a2616181fb3fb999999999999a6162f93e00"),
    ],
)
def test_values_and_their_bytes(value: Value, data: str) -> None:
    assert cbor.encode(value).hex() == data
    assert values.equal(cbor.decode(bytes.fromhex(data)), value)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0102",
        "f6f6",
        "18",
        "61ff",
        "63eda080",
        "f7",
        "f820",
        "a10102",
        "a14101f6",
        "a18001",
        "a2616101616102",
        "a1612401",
        "a162c3a901",
        "9f01ff",
        "bfff",
        "5f4101ff",
        "f93c00",
        "fb3ff0000000000000",
        "fb7ff8000000000001",
        "fbfff8000000000000",
        "1b0020000000000000",
        "1bffffffffffffffff",
        "d9c0641bffffffffffffffff",
        "d9c0646101",
        "d9c064f93c00",
        "d9c064d9c06401",
        "d9c06581f6",
        "c001",
        "c11a514b67b0",
        "c24101",
        "d81c81d81d00",
        "d8236161",
        "d9010281 01",
        "d90100816161",
        "d9d9f701",
        "9bffffffffffffffff",
        "5bffffffffffffffff",
        "9a7fffffff",
        "bb7fffffffffffffff",
    ],
)
def test_what_is_not_one_value_is_refused(data: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        cbor.decode(bytes.fromhex(data))

    assert caught.value.path.startswith("$")


def test_the_deepest_value_passes_and_a_deeper_one_does_not() -> None:
    deepest = b"\x81" * 64 + cbor.encode(Int64(1))

    assert cbor.encode(cbor.decode(deepest)) == deepest
    for deeper in (b"\x81" + deepest, b"\x81" * 64 + b"\x80", b"\x81" * 65 + b"\x01", b"\xa1\x61a" * 65 + b"\x01"):
        with pytest.raises(InvalidValue):
            cbor.decode(deeper)


@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x61a", b"\xd9\xc0\x64", b"\xc2", b"\xd8\x1c\x81", b"\x9f"])
def test_very_deep_bytes_are_refused(opening: bytes) -> None:
    with pytest.raises(InvalidValue):
        cbor.decode(opening * 100_000 + b"\x01")


def test_the_place_of_a_bad_value_is_told() -> None:
    with pytest.raises(InvalidValue) as caught:
        cbor.decode(bytes.fromhex("a1616182 01 f93c00"))

    assert caught.value.path == "$.a[1]"
