"""Document ids: the official vectors, and that nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.protocol import ids
from relive.protocol.errors import InvalidId
from relive.protocol.ids import DocumentId

VECTORS = [
    (1, "00000000000000000000000000000000", "0400000000000000000000000000248"),
    (127, "ffffffffffffffffffffffffffffffff", "fzzzzzzzzzzzzzzzzzzzzzzzzzzpzsr"),
    (128, "0123456789abcdeffedcba9876543210", "g00g28t5cy4tqkffzvebn63pags10yfd"),
    (540, "7c75fb4a61fb003ca5a2086f49134d1a", "kg27rxfv99gzp01wmph0gvt92d6hnvy6"),
    (10001, "000102030405060708090a0b0c0d0e0f", "j57000820c20a1g7104gm2rc1m70ynr8"),
    (16384, "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", "g2003851maht99d6mymakanbnjptxbvs74"),
    (4294967295, "ffffffffffffffffffffffffffffffff", "zzzzzzrfzzzzzzzzzzzzzzzzzzzzzzzzzzxjj"),
]
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


@pytest.mark.parametrize(("table_number", "internal", "text"), VECTORS)
def test_ids_are_written_as_the_official_server_writes_them(table_number: int, internal: str, text: str) -> None:
    assert ids.encode(table_number, bytes.fromhex(internal)) == text
    assert ids.decode(text) == DocumentId(table_number, bytes.fromhex(internal))
    assert ids.table_number(text) == table_number


@settings(max_examples=100)
@given(
    st.integers(1, ids.TABLE_NUMBER_MAX) | st.sampled_from([127, 128, 2**14, 2**21, 2**28]),
    st.binary(min_size=16, max_size=16),
)
def test_an_id_says_what_it_was_made_of(table_number: int, internal: bytes) -> None:
    text = ids.encode(table_number, internal)

    assert ids.decode(text) == DocumentId(table_number, internal)
    assert len(text) in (31, 32, 34, 36, 37)


@pytest.mark.parametrize("text", [text for _, _, text in VECTORS])
def test_an_id_with_one_character_changed_is_refused_or_is_another_id(text: str) -> None:
    refused = 0
    for position in range(len(text)):
        for character in DIGITS + "ilouAZ -_é\0":
            changed = text[:position] + character + text[position + 1 :]
            try:
                decoded = ids.decode(changed)
            except InvalidId:
                refused += 1
            else:
                assert ids.encode(decoded.table_number, decoded.internal) == changed
                assert (changed == text) == (decoded == ids.decode(text))
    # Fletcher's checksum modulo 256 catches nearly every change of one character.
    assert refused > 0.98 * len(text) * len(DIGITS)


@settings(max_examples=100)
@given(st.text(DIGITS, min_size=29, max_size=39))
def test_text_is_refused_or_is_the_one_way_to_write_an_id(text: str) -> None:
    try:
        decoded = ids.decode(text)
    except InvalidId:
        return
    assert ids.encode(decoded.table_number, decoded.internal) == text


def with_checksum(body: bytes) -> str:
    """What a careless encoder would make of any bytes."""
    first = second = 0
    for byte in body:
        first = (first + byte) % 256
        second = (second + first) % 256
    data = body + bytes((first, second))
    digits = -(-8 * len(data) // 5)
    number = int.from_bytes(data, "big") << (5 * digits - 8 * len(data))
    return "".join(DIGITS[(number >> (5 * place)) & 31] for place in reversed(range(digits)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0" * 30,
        "0" * 31,
        "0" * 32,
        "0" * 38,
        "j57000820c20a1g7104gm2rc1m70ynr8".upper(),
        "j57000820c20a1g7104gm2rc1m70ynr8 ",
        "j57000820c20a1g7104gm2rc1m70ynr80",
        "j57000820c20a1g7104gm2rc1m70ynr",
        "j57000820c20a1g7104gm2rc1m70ynr8\n",
        "3k7ty84apk2zy00ay4st1n5p9kh7tf8",
        "0400000000000000000000000000249",
        with_checksum(b"\x00" + bytes(16)),
        with_checksum(b"\x81\x00" + bytes(16)),
        with_checksum(b"\xff\xff\xff\xff\x1f" + bytes(16)),
        with_checksum(b"\x01\x01" + bytes(16)),
        with_checksum(b"\x80" + bytes(16)),
        with_checksum(b"\x01" + bytes(15)),
        with_checksum(b"\x81\x82\x83\x84\x85\x01" + bytes(16)),
    ],
)
def test_what_is_not_an_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidId) as caught:
        ids.decode(text)
    with pytest.raises(InvalidId):
        ids.table_number(text)

    assert str(caught.value)


def test_careless_text_with_a_good_number_is_the_id() -> None:
    assert with_checksum(b"\x91\x4e" + bytes(range(16))) == "j57000820c20a1g7104gm2rc1m70ynr8"


def test_a_minted_id_ends_with_its_day() -> None:
    internal = ids.mint(bytes(range(14)), 20_000)

    assert internal == bytes(range(14)) + b"\x4e\x20"
    assert ids.decode(ids.encode(ids.TABLE_NUMBER_USER_MIN, internal)).internal == internal
