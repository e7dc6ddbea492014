"""Does a transaction still hold, though others were committed after its snapshot?

    nothing read, nothing written over     it holds
    a later change touches what was read   Conflict
    a document was changed later           merged, if the commit says how; else Conflict
    what was merged touches what was read  Conflict: read after the merge, it would have been another

What is returned follows the newest version of each document, durable or in flight.
"""

from __future__ import annotations

from typing import NamedTuple

from ..log.entry import BEFORE_FIRST, Entry, IndexKey, IndexName, KeyRange
from .definition import BY_ID, moved
from .errors import CannotMerge, Conflict
from .messages import Commit
from .tail import Committed, Tail
from .version import Change, KeyChange

Writes = tuple[tuple[Change, ...], tuple[bytes | None, ...]]
"""Changes, and the new document of each."""


class Hit(NamedTuple):
    """A change that touches what was read."""

    name: IndexName
    key: IndexKey
    id: str


def validate(request: Commit, tail: Tail) -> Writes:
    """What the commit writes, from the newest versions on.  Raises Conflict, having changed nothing."""
    assert request.snapshot <= tail.head, "a snapshot from the future"
    assert len(request.changes) == len(request.documents)
    for change in request.changes:
        assert change.old is None or change.old.lsn <= request.snapshot, change.id
    if request.snapshot == tail.head or is_blind(request):
        return request.changes, request.documents
    if not tail.holds_after(request.snapshot):
        raise too_old(request)
    written = {(change.table, change.id) for change in request.changes}
    changed: dict[tuple[str, str], tuple[Entry, Change]] = {}
    for committed in tail.after(request.snapshot):
        hit = overlap(request.reads, committed)
        if hit is not None:
            raise conflict(request, committed.entry, hit)
        for change in committed.changes:
            if (change.table, change.id) in written:
                changed[change.table, change.id] = committed.entry, change
    return merged(request, changed) if changed else (request.changes, request.documents)


def is_blind(request: Commit) -> bool:
    """Nothing was read, and only new documents are written: nobody can have come between."""
    return not request.reads and all(change.old is None for change in request.changes)


def merged(request: Commit, changed: dict[tuple[str, str], tuple[Entry, Change]]) -> Writes:
    """The same with documents that were ``changed`` since the snapshot, and by which entry, merged."""
    changes, documents = list(request.changes), list(request.documents)
    for position, staged in enumerate(request.changes):
        if (staged.table, staged.id) not in changed:
            continue
        entry, newest = changed[staged.table, staged.id]
        merge = request.merges.get((staged.table, staged.id))
        if merge is None or newest.new is None:
            raise conflict(request, entry, place_of(staged))
        try:
            change, document = merge(newest.new)
        except CannotMerge as error:
            raise conflict(request, entry, place_of(staged)) from error
        assert (change.table, change.id) == (staged.table, staged.id), "another document"
        assert change.old is newest.new, "merged into an older version"
        hit = first_hit(request.reads, between(staged, change))
        if hit is not None:
            raise conflict(request, entry, hit)
        changes[position], documents[position] = change, document
    return tuple(changes), tuple(documents)


def between(staged: Change, change: Change) -> Change:
    """From the document as the transaction left it to the document as it is committed."""
    keys = zip(staged.keys[: staged.single], change.keys[: change.single], strict=True)
    pairs = [KeyChange(was.name, was.new, now.new) for was, now in keys]
    return Change(
        change.table,
        change.id,
        staged.new,
        change.new,
        (*pairs, *between_texts(staged, change)),
        len(pairs),
    )


def between_texts(staged: Change, change: Change) -> list[KeyChange]:
    """The same in the text indexes, where any number of keys is a document's."""
    were = new_text_keys(staged)
    are = new_text_keys(change)
    return [key for name in {**were, **are} for key in moved(name, were.get(name, ()), are.get(name, ()))]


def new_text_keys(change: Change) -> dict[IndexName, list[IndexKey]]:
    found: dict[IndexName, list[IndexKey]] = {}
    if change.single is not None:
        for name, _, new in change.keys[change.single :]:
            if new is not None:
                found.setdefault(name, []).append(new)
    return found


def overlap(reads: tuple[KeyRange, ...], committed: Committed) -> Hit | None:
    """The first change of the commit that touches a range read."""
    for change in committed.changes:
        hit = first_hit(reads, change)
        if hit is not None:
            return hit
    return None


def first_hit(reads: tuple[KeyRange, ...], change: Change) -> Hit | None:
    for key_range in reads:
        for index, old, new in change.keys:
            if index == key_range.index and key_range.touched(old, new):
                key = old if old is not None and old in key_range else new
                assert key is not None
                return Hit(index, key, change.id)
    return None


def place_of(change: Change) -> Hit:
    """Where a document stands by its id."""
    return Hit(IndexName(change.table, BY_ID), change.id.encode(), change.id)


def conflict(request: Commit, entry: Entry, hit: Hit) -> Conflict:
    return Conflict(request.function, entry.function, request.snapshot, entry.lsn, hit.name, hit.key, hit.id)


def too_old(request: Commit) -> Conflict:
    """What was read may have changed, and nobody can tell any more: that counts as changed."""
    if request.reads:
        first = request.reads[0]
        index, key, id = first.index, first.start, ""
    else:
        index, key, id = next(place_of(change) for change in request.changes if change.old is not None)
    return Conflict(request.function, "", request.snapshot, BEFORE_FIRST, index, key, id)
