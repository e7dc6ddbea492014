"""The tables as other code reads and orders them, built beside those that are served.

    slice ──> follow: what was committed meanwhile ──> scan: some of what is stored
    slice ... until nothing is left ──> finish: the tables to serve from here on

A follower of the log that starts at a durable commit.  The scan goes through each table in the order of
creation and adds what is missing; what was inserted, changed or deleted meanwhile comes from the
commits, so it makes no difference whether the scan has passed it.

Invariants
    * After `follow`, every document that is here is as served: same id, same LSN, same stored value.
    * A document is scanned only when every commit so far was followed, so it cannot be an old one.
    * `unfit` holds exactly those documents, of all that were read, that do not fit now.
    * Commits in flight are held with their changes in terms of these tables: they can be undone after
      the switch once `settled` is durable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import trio
from attrs import Factory, define, field

from ...actors.committer import Committer
from ...actors.definition import BY_CREATION_TIME
from ...actors.table import Table
from ...actors.tables import Tables
from ...actors.tail import Committed
from ...actors.version import Change, Version
from ...log.entry import BEFORE_FIRST, LSN, Entry, IndexKey
from ...protocol import cbor
from ...protocol.values import Value
from ..data.documents import to_value
from ..data.table_codec import TableCodec, untyped
from ..errors import DeployInterrupted, DocumentInvalid, SchemaMismatch
from ..limits import OFFENDERS_SHOWN_MAX

WORK_PER_SLICE = 100
"""Units of work between one turn of the others and the next: about 2 ms."""
BYTES_PER_WORK = 4_096
"""A document is one unit of work, and one more for each so many bytes."""
TEXT_KEYS_PER_WORK = 8
"""And one more for each so many keys in indexes of text."""

VECTORS_PER_SLICE = 50
"""Documents that were read already and whose vectors are looked at: about 2 ms."""

DISCARDED_PER_SLICE = 500
"""Documents, or changes of documents: about 2 ms."""


@define(eq=False)
class Rebuild:
    served: Tables
    committer: Committer
    before: Mapping[str, TableCodec]
    """How the served tables are read."""
    after: Mapping[str, TableCodec]
    position: LSN = field(init=False)
    """Every commit up to here was followed."""
    followed: Entry | None = None
    """The entry at `position`; None until one was followed."""
    fresh: dict[str, Table] = Factory(dict[str, Table])
    codecs: dict[str, TableCodec] = Factory(dict[str, TableCodec])
    """Of the tables in `fresh`."""
    unfit: dict[tuple[str, str], str] = Factory(dict[tuple[str, str], str])
    """Documents that do not fit: table and id, and why."""
    in_flight: deque[Committed] = Factory(deque[Committed])
    settled: LSN = BEFORE_FIRST
    """The newest commit that replaced a document which did not fit: that one could not be put back."""
    scans: deque[Scan] = field(init=False)
    checked: int = 0
    """Stored documents that the scan has passed."""
    total: int = field(init=False)
    """How many there were at the start."""

    def __attrs_post_init__(self) -> None:
        # Everything after it is held, in the tail, together with what it replaced.
        self.position = self.committer.durable
        tables = [table for name, table in self.served.by_name.items() if not self.is_shared(name)]
        self.scans = deque(Scan.of(table) for table in tables if table.versions)
        self.total = sum(len(table.versions) for table in tables)

    def is_shared(self, name: str) -> bool:
        """True if both codes read a table alike: by the same class, or both by none."""
        before, after = self.before.get(name), self.after.get(name)
        if before is None or after is None:
            return before is after
        return before.cls is after.cls

    def slice(self) -> bool:
        """Do a little; True if nothing is left to do as of the newest commit.  Raises DeployInterrupted."""
        self.follow()
        work = WORK_PER_SLICE
        while work > 0 and self.scans:
            work = self.scan(self.scans[0], work)
        return not (self.scans or self.look_at_vectors())

    def look_at_vectors(self) -> bool:
        """So that the first search after the switch finds them ready; False if nothing is left to look at."""
        vectors = [table.vectors(name) for table in self.fresh.values() for name in table.definition.vectors]
        return any(held.catch_up(VECTORS_PER_SLICE) for held in vectors)

    def follow(self) -> None:
        """Catch up with the newest commit.  Raises DeployInterrupted if history is another now."""
        for committed in self.missed():
            self.apply(committed)
        while self.in_flight and self.in_flight[0].entry.lsn <= self.committer.durable:
            self.in_flight.popleft()

    def missed(self) -> list[Committed]:
        """The commits after `position`, oldest first."""
        tail = self.committer.tail
        if tail.head < self.position:
            raise DeployInterrupted("commits were taken back, for the disk refused them")
        if not tail.holds_after(self.position):
            raise DeployInterrupted("more was committed meanwhile than is held in memory")
        missed = []
        for committed in tail.newest_first():
            if committed.entry.lsn <= self.position:
                if committed.entry is not self.followed and self.followed is not None:
                    raise DeployInterrupted("commits were taken back, for the disk refused them")
                break
            missed.append(committed)
        missed.reverse()
        return missed

    def apply(self, committed: Committed) -> None:
        entry = committed.entry
        assert entry.lsn == self.position + 1, (entry.lsn, self.position)
        changes = [made for change in committed.changes if (made := self.reread(change, entry.lsn)) is not None]
        self.in_flight.append(Committed(entry, tuple(changes)))
        self.position, self.followed = entry.lsn, entry

    def reread(self, change: Change, lsn: LSN) -> Change | None:
        """Apply a change here; it in terms of these tables, None if they do not know either version."""
        name, id = change.table, change.id
        if self.is_shared(name):
            return change
        table = self.table(name)
        if change.old is not None and id not in table.versions:
            self.add(table, change.old)  # The scan has not come to it yet.
        if change.old is not None and id not in table.versions:
            self.settled = lsn
        self.unfit.pop((name, id), None)
        new = self.read(name, change.new) if change.new is not None else None
        if new is None and id not in table.versions:
            return None
        made = table.change(id, new)
        table.apply(made, lsn)
        return made

    def scan(self, scan: Scan, work: int) -> int:
        """Read on in a table, for so much work; how much of it is left."""
        name = scan.name
        served = self.served.table(name).indexes[BY_CREATION_TIME]
        table = self.table(name)
        for key in served.scan(scan.place, scan.stop):
            if work <= 0:
                return work
            scan.place = key + b"\0"
            self.checked += 1
            work -= self.scan_one(table, served.entries[key])
        self.scans.popleft()
        return work

    def scan_one(self, table: Table, served: Version) -> int:
        """Add a stored document, if no commit has brought it already; how much work it was."""
        known = table.versions.get(served.id)
        if known is not None:
            assert known.lsn == served.lsn, (served.id, known.lsn, served.lsn)
            return 1
        text_keys = 0
        if (table.definition.name, served.id) not in self.unfit:
            text_keys = self.add(table, served)
        size = served.size if served.body is None else len(served.body)
        return 1 + size // BYTES_PER_WORK + text_keys // TEXT_KEYS_PER_WORK

    def add(self, table: Table, served: Version) -> int:
        """How many keys it has in indexes of text."""
        version = self.read(table.definition.name, served)
        if version is None:
            return 0
        change = table.change(version.id, version)
        table.apply(change, served.lsn)
        return len(change.keys) - len(table.definition.indexes)

    def read(self, name: str, served: Version) -> Version | None:
        """A served version as the other code reads it; None, and noted, if it does not fit."""
        # As the log holds it: what the code before filled in is not the document's own.
        fields = stored_fields(served)
        try:
            return self.codecs[name].make(fields)
        except DocumentInvalid as error:
            self.unfit[name, served.id] = error.problem
            return None

    def table(self, name: str) -> Table:
        table = self.fresh.get(name)
        if table is None:
            codec = self.codecs[name] = self.after.get(name) or untyped(name)
            table = self.fresh[name] = Table.empty(codec.definition)
        return table

    def require_fit(self) -> None:
        """Raises SchemaMismatch."""
        if self.unfit:
            shown = [f"{table}/{id}: {why}" for (table, id), why in self.unfit.items()]
            raise SchemaMismatch(tuple(shown[:OFFENDERS_SHOWN_MAX]), len(shown))

    def finish(self) -> Mapping[str, Table]:
        """The tables that are not shared, empty ones too, as of the newest commit."""
        assert not self.scans, "there are documents that were not read"
        assert not self.unfit, "there are documents that do not fit"
        assert self.position == self.served.position, (self.position, self.served.position)
        for name in self.served.by_name:
            if not self.is_shared(name):
                self.table(name)
        return self.fresh

    def check(self) -> None:
        for name, table in self.fresh.items():
            table.check()
            served = self.served.table(name).versions if self.position == self.served.position else {}
            assert all(served[id].lsn == version.lsn for id, version in table.versions.items() if served), name
        assert [committed.entry.lsn for committed in self.in_flight] == list(
            range(self.position - len(self.in_flight) + 1, self.position + 1)
        )


def stored_fields(version: Version) -> dict[str, Value]:
    """What the log holds of it, as values that may be changed."""
    if version.body is not None:
        fields: Value = cbor.decode(version.body)
    else:
        fields = to_value(version.document if version.stored is None else version.stored)
    assert isinstance(fields, dict)
    return fields


@define(eq=False)
class Scan:
    """How far one served table was gone through, in the order of creation."""

    name: str
    stop: IndexKey
    """Past the documents of the start: later ones come from the commits."""
    place: IndexKey = b""

    @classmethod
    def of(cls, table: Table) -> Scan:
        last, _ = table.indexes[BY_CREATION_TIME].entries.peekitem(-1)
        return cls(table.definition.name, last + b"\0")


@define(eq=False)
class Discards:
    """Documents and commits that nobody serves any more, taken apart a little at a time.

    Freeing all that a large table held in one go would hold up everybody.
    """

    held: deque[Table | deque[Committed]] = Factory(deque[Table | deque[Committed]])
    added: trio.Event = Factory(trio.Event)

    def add(self, *held: Table | deque[Committed]) -> None:
        self.held.extend(held)
        self.added.set()

    async def run(self) -> None:
        while True:
            while self.held:
                self.slice()
                await trio.lowlevel.checkpoint()
            self.added = trio.Event()
            await self.added.wait()

    def slice(self) -> None:
        first = self.held[0]
        rest = take_from_table(first) if isinstance(first, Table) else take_from_commits(first)
        if not rest:
            self.held.popleft()


def take_from_table(table: Table) -> int:
    """Forget some documents and keys; how many are left, of whatever are the most."""
    every = (*(index.entries for index in table.indexes.values()), table.versions)
    for held in every:
        for _ in range(min(len(held), DISCARDED_PER_SLICE)):
            held.popitem()
    return max(map(len, every))


def take_from_commits(commits: deque[Committed]) -> int:
    """Forget some commits, a large one alone; how many are left."""
    changes = 0
    while commits and changes < DISCARDED_PER_SLICE:
        changes += 1 + len(commits.popleft().changes)
    return len(commits)
