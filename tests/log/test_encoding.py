"""Entries as bytes: one encoding for each, and nothing else is accepted."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.log.encoding import decode, encode, entry_hash
from relive.log.entry import LSN, Cause, Entry, IndexName, KeyRange, Kind, Timestamp, Write
from relive.log.errors import Malformed

from .samples import entry

numbers = st.integers(0, 2**63 - 1)
times = st.builds(Timestamp, numbers)
lsns = st.builds(LSN, numbers)
blobs = st.binary(max_size=40)
optional_blobs = st.none() | blobs
texts = st.text(max_size=20)


@st.composite
def ranges(draw: st.DrawFn) -> KeyRange:
    start = draw(blobs)
    stop = draw(st.none() | blobs.filter(lambda stop: start < stop) | st.just(start + b"\x00"))
    return KeyRange(IndexName(draw(texts), draw(texts)), start, stop, draw(st.booleans()))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    lsn = draw(st.integers(1, 2**63 - 1))
    session = draw(optional_blobs)
    return Entry(
        lsn=LSN(lsn),
        ts=draw(times),
        kind=draw(st.sampled_from(Kind)),
        cause=Cause(draw(texts), draw(texts), draw(lsns)),
        function=draw(texts),
        code=draw(blobs),
        engine=draw(texts),
        args=draw(blobs),
        identity=draw(optional_blobs),
        clock=draw(times),
        seed=draw(blobs),
        snapshot=LSN(draw(st.integers(0, lsn - 1))),
        reads=tuple(draw(st.lists(ranges(), max_size=3))),
        writes=tuple(draw(st.lists(st.builds(Write, texts, texts, lsns, optional_blobs), max_size=3))),
        result_digest=draw(blobs),
        result=draw(optional_blobs),
        logs=tuple(draw(st.lists(texts, max_size=3))),
        session=session,
        request=None if session is None else draw(numbers),
        prev=draw(st.binary(min_size=32, max_size=32)),
    )


@given(entries())
@settings(max_examples=150)
def test_decoding_gives_back_what_was_encoded(entry: Entry) -> None:
    assert decode(encode(entry)) == entry


@given(entries())
@settings(max_examples=50)
def test_the_encoding_is_canonical_cbor(entry: Entry) -> None:
    data = encode(entry)

    assert cbor2.dumps(cbor2.loads(data), canonical=True) == data


FIELDS: list[Any] = [
    *[1, 1001, "mutation", ["client", "", 0], "messages:send", b"", "0.1.0", b"\xa0", None, 1001, b"", 0],
    *[[["messages", "by_id", b"a", None]], [["messages", "id1", 0, None]], b"", None, [], None, None],
    bytes(32),
]


def test_an_entry_is_the_array_of_its_fields() -> None:
    assert encode(entry(1, document=None)) == cbor2.dumps(FIELDS)


def test_a_range_says_so_only_if_nothing_but_its_keys_was_read() -> None:
    index = IndexName("messages", "by_id")
    reads = (KeyRange(index, b"a", b"b"), KeyRange(index, b"a", b"b", keys_only=True))
    known = evolve(entry(1, document=None), reads=reads)
    fields = [*FIELDS]
    fields[12] = [["messages", "by_id", b"a", b"b"], ["messages", "by_id", b"a", b"b", True]]

    assert encode(known) == cbor2.dumps(fields)
    assert decode(cbor2.dumps(fields)) == known


def test_what_was_written_before_ranges_could_say_so_is_read_and_encoded_as_ever() -> None:
    data = bytes.fromhex(
        "94011903e9686d75746174696f6e8366636c69656e7460006d6d657373616765733a73656e644065302e312e3041a0f6"
        "1903e940008184686d657373616765736562795f69644161f68184686d657373616765736369643100f640f680f6f6"
        "58200000000000000000000000000000000000000000000000000000000000000000"
    )

    assert decode(data) == entry(1, document=None)
    assert encode(decode(data)) == data


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, 0),
        (0, -1),
        (0, True),
        (0, 2**63),
        (0, 1.0),
        (1, "now"),
        (2, "rumour"),
        (2, 7),
        (3, ["client", ""]),
        (3, ["client", "", None]),
        (4, b"messages:send"),
        (7, "{}"),
        (8, "claims"),
        (11, 1),
        (12, None),
        (12, [["messages", "by_id", b"b", b"a"]]),
        (12, [["messages", "by_id", b"a", b"a"]]),
        (12, [["messages", "by_id", "a", None]]),
        (12, [[None, "by_id", b"a", None]]),
        (12, [["messages", "by_id", b"a"]]),
        (12, [["messages", "by_id", b"a", None, False]]),
        (12, [["messages", "by_id", b"a", None, None]]),
        (12, [["messages", "by_id", b"a", None, 1]]),
        (12, [["messages", "by_id", b"a", None, True, True]]),
        (13, [["messages", "id1", -1, None]]),
        (13, [["messages", b"id1", 0, None]]),
        (13, {}),
        (15, 5),
        (16, [b"line"]),
        (17, b"session without a request"),
        (18, 3),
        (19, bytes(31)),
        (19, None),
    ],
)
def test_a_field_of_the_wrong_kind_is_malformed(field: int, value: object) -> None:
    fields = [*FIELDS]
    fields[field] = value

    with pytest.raises(Malformed):
        decode(cbor2.dumps(fields))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\xff",
        b"\x81" * 100_000,
        b"\x9b" + b"\xff" * 8,
        cbor2.dumps(FIELDS) + b"\x00",
        cbor2.dumps(FIELDS)[:-1],
        cbor2.dumps(FIELDS[:-1]),
        cbor2.dumps([*FIELDS, 0]),
        cbor2.dumps(FIELDS).replace(b"\x00", b"\x18\x00", 1),
        b"\x9f" + cbor2.dumps(FIELDS)[1:] + b"\xff",
        cbor2.dumps(dict(enumerate(FIELDS))),
    ],
)
def test_bytes_that_encode_did_not_make_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode(data)


@given(st.binary(max_size=60), st.integers(0, 2000), st.integers(0, 7))
@settings(max_examples=150)
def test_damaged_bytes_are_malformed_or_another_entry_and_nothing_else(tail: bytes, at: int, bit: int) -> None:
    data = bytearray(encode(entry(1)))
    data[at % len(data)] ^= 1 << bit
    data[at % len(data) + 1 :] = tail or data[at % len(data) + 1 :]
    try:
        decoded = decode(bytes(data))
    except Malformed:
        return

    assert encode(decoded) == data


def test_the_hash_is_of_the_bytes() -> None:
    assert len(entry_hash(encode(entry(1)))) == 32
    assert entry_hash(encode(entry(1))) != entry_hash(encode(entry(2)))
