"""The index keys of documents, made of the log alone: fields, then creation time, then id.

Said here again, so that what the engine leaves out of an index is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from ..log.entry import IndexKey, IndexName, KeyRange
from ..protocol import cbor
from ..protocol.order import UNDEFINED_KEY, sort_key
from .fold import Change

INDEXES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "accounts": {"by_name": ("name",)},
    "counters": {"by_name": ("name",), "by_count": ("count",)},
    "meters": {"by_name": ("name",)},
    "owneds": {"by_name": ("name",), "by_owner": ("owner",)},
    "messages": {"by_position": ("channel", "position"), "by_body": ("body",)},
    "jobs": {"by_state": ("state",), "by_worker": ("worker", "state")},
    "lists": {"by_key": ("key",)},
    "registers": {"by_key": ("key",)},
    "pins": {"by_name": ("name",)},
    "parts": {"by_name": ("name",)},
    "notes": {"by_body": ("body",), "by_at": ("at",)},
    "items": {"by_name": ("name",), "by_size": ("size",)},
    "timers": {"by_number": ("number",)},
    "marks": {},
    "beats": {"by_name": ("name",)},
}
"""Of the newest version of the app, by table and index."""
SYSTEM_INDEXES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "_scheduled_functions": {
        "by_scheduled_time": ("scheduledTime",),
        "by_completed_time": ("completedTime",),
        "by_state": ("state.kind", "scheduledTime"),
    },
}
"""Of tables of the engine's own that the app reads."""


@frozen
class Move:
    """Where a document stood in an index and where it stands."""

    index: IndexName
    old: IndexKey | None
    new: IndexKey | None


def moves(change: Change) -> Iterator[Move]:
    """In every index of the table."""
    old, new = keys_of(change.table, change.old), keys_of(change.table, change.new)
    for name in old or new:
        yield Move(IndexName(change.table, name), old.get(name), new.get(name))


def keys_of(table: str, document: bytes | None) -> dict[str, IndexKey]:
    """By index; of no document, none."""
    if document is None:
        return {}
    fields: Any = cbor.decode(document)
    place = sort_key(fields["_creationTime"]) + sort_key(fields["_id"])
    keys = {"by_id": fields["_id"].encode(), "by_creation_time": place}
    for name, of in (INDEXES.get(table) or SYSTEM_INDEXES.get(table, {})).items():
        keys[name] = b"".join(key_at(fields, each.split(".")) for each in of) + place
    return keys


def key_at(fields: Any, path: list[str]) -> IndexKey:
    for name in path:
        if name not in fields:
            return UNDEFINED_KEY
        fields = fields[name]
    return sort_key(fields)


def touches(read: KeyRange, move: Move) -> bool:
    """Whether the move changes what was read."""
    if read.index != move.index:
        return False
    was, is_ = (key is not None and within(read, key) for key in (move.old, move.new))
    return was is not is_ if read.keys_only else was or is_


def within(read: KeyRange, key: IndexKey) -> bool:
    return read.start <= key and (read.stop is None or key < read.stop)
