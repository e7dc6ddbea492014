"""Entries as bytes: canonical CBOR, exactly one encoding for each entry.

An entry is a CBOR array of its fields in the order of ``Entry``; causes, ranges and writes are
arrays too; a range of which only the keys were read ends with ``true``, any other has no such
element.  There are no maps, no tags, no floats and no lengths left open.  ``decode`` accepts only
what ``encode`` makes, so the hash of the bytes is the identity of the entry.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, TypeGuard

import cbor2

from .entry import HASH_BYTES, LSN, Cause, Entry, IndexName, KeyRange, Kind, Timestamp, Write
from .errors import Malformed

NUMBER_MAX: Final = 2**63 - 1

_KINDS: Final = {kind.value: kind for kind in Kind}
_dumps = cbor2.dumps
_loads = cbor2.loads


def encode(entry: Entry) -> bytes:
    """The canonical encoding.  Text with lone surrogates is the caller's fault (UnicodeEncodeError)."""
    # Once for each mutation, so straight-line.  ``_value_`` is ``value`` without a descriptor call.
    cause = entry.cause
    return _dumps(
        (
            entry.lsn,
            entry.ts,
            entry.kind._value_,
            (cause.kind, cause.id, cause.parent),
            entry.function,
            entry.code,
            entry.engine,
            entry.args,
            entry.identity,
            entry.clock,
            entry.seed,
            entry.snapshot,
            [
                (read.index.table, read.index.index, read.start, read.stop, True)
                if read.keys_only
                else (read.index.table, read.index.index, read.start, read.stop)
                for read in entry.reads
            ],
            [(write.table, write.id, write.previous, write.document) for write in entry.writes],
            entry.result_digest,
            entry.result,
            entry.logs,
            entry.session,
            entry.request,
            entry.prev,
        ),
        canonical=True,
    )


def entry_hash(data: bytes) -> bytes:
    """What the next entry names as ``prev``."""
    return blake2b(data, digest_size=HASH_BYTES).digest()


def decode(data: bytes) -> Entry:
    """The entry whose encoding ``data`` is.  Raises ``Malformed`` for any other bytes."""
    entry = decode_checked(data)
    # Trailing bytes, longer forms of numbers, shared references: one comparison refuses all of them.
    if encode(entry) != data:
        raise Malformed("not the canonical encoding of its entry")
    return entry


def decode_checked(data: bytes) -> Entry:
    """The same of bytes whose frame was checked, at half the cost: that the encoding is the canonical one
    is taken for granted.  Raises ``Malformed``."""
    try:
        fields = _loads(data)
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError) as error:
        raise Malformed(f"not CBOR: {error}") from None
    return _entry(_array(fields, 20, "entry"))


def _entry(fields: list[object]) -> Entry:
    lsn, ts, kind, cause, function, code, engine, args, identity, clock = fields[:10]
    seed, snapshot, reads, writes, digest, result, logs, session, request, prev = fields[10:]
    # Recovery does this for every entry, so without calls where they can be spared.  Not isinstance: True is no number.
    if not (
        (type(lsn) is int and 0 <= lsn <= NUMBER_MAX)
        and (type(ts) is int and 0 <= ts <= NUMBER_MAX)
        and (type(clock) is int and 0 <= clock <= NUMBER_MAX)
        and (type(snapshot) is int and 0 <= snapshot <= NUMBER_MAX)
    ):
        raise Malformed("lsn, ts, clock and snapshot must be numbers")
    if not snapshot < lsn:
        raise Malformed(f"entry {lsn} reads as of {snapshot}, which is not before it")
    if not (isinstance(kind, str) and kind in _KINDS):
        raise Malformed(f"unknown kind of entry {kind!r}")
    if not (isinstance(function, str) and isinstance(engine, str)):
        raise Malformed("function and engine must be text")
    if not (isinstance(code, bytes) and isinstance(args, bytes) and isinstance(seed, bytes)):
        raise Malformed("code, args and seed must be bytes")
    if not (
        (identity is None or isinstance(identity, bytes))
        and (result is None or isinstance(result, bytes))
        and isinstance(digest, bytes)
    ):
        raise Malformed("identity, result and result_digest must be bytes")
    if not (_is_bytes_or_none(session) and (request is None or _is_number(request))):
        raise Malformed("session must be bytes and request a number")
    if (session is None) != (request is None):
        raise Malformed("session and request go together")
    if not (isinstance(prev, bytes) and len(prev) == HASH_BYTES):
        raise Malformed(f"prev must be {HASH_BYTES} bytes")
    # By position, in the order of the fields.
    return Entry(
        LSN(lsn),
        Timestamp(ts),
        _KINDS[kind],
        _cause(cause),
        function,
        code,
        engine,
        args,
        identity,
        Timestamp(clock),
        seed,
        LSN(snapshot),
        tuple([_range(read) for read in _list(reads, "reads")]),
        tuple([_write(write) for write in _list(writes, "writes")]),
        digest,
        result,
        tuple([_text(line) for line in _list(logs, "logs")]),
        session,
        request,
        prev,
    )


def _cause(value: object) -> Cause:
    kind, id, parent = _array(value, 3, "cause")
    if not (isinstance(kind, str) and isinstance(id, str) and _is_number(parent)):
        raise Malformed("a cause is two texts and a number")
    return Cause(kind, id, LSN(parent))


def _range(value: object) -> KeyRange:
    keys_only = isinstance(value, list) and len(value) == 5
    table, index, start, stop, *flag = _array(value, 5 if keys_only else 4, "range")
    if not (isinstance(table, str) and isinstance(index, str)):
        raise Malformed("a range names its index with two texts")
    if not (isinstance(start, bytes) and _is_bytes_or_none(stop)):
        raise Malformed("a range goes from bytes to bytes")
    if not (stop is None or start < stop):
        raise Malformed("an empty range reads nothing")
    if keys_only and flag[0] is not True:
        raise Malformed("a range of which only the keys were read ends with true")
    return KeyRange(IndexName(table, index), start, stop, keys_only)


def _write(value: object) -> Write:
    table, id, previous, document = _array(value, 4, "write")
    if not (isinstance(table, str) and isinstance(id, str)):
        raise Malformed("a write names its document with two texts")
    if not (_is_number(previous) and _is_bytes_or_none(document)):
        raise Malformed("a write holds a number and the bytes of a document")
    return Write(table, id, LSN(previous), document)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("a log line must be text")
    return value


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise Malformed(f"{what} must be an array")
    return value


def _array(value: object, length: int, what: str) -> list[object]:
    if not (isinstance(value, list) and len(value) == length):
        raise Malformed(f"{what} must be an array of {length}")
    return value


def _is_number(value: object) -> TypeGuard[int]:
    # Not isinstance: True is no number.
    return type(value) is int and 0 <= value <= NUMBER_MAX


def _is_bytes_or_none(value: object) -> TypeGuard[bytes | None]:
    return value is None or isinstance(value, bytes)
