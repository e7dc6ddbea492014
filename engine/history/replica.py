"""The state of a deployment as the log alone tells it, moved from entry to entry with the code of its time.

Invariants
    * The tables are those after the entry at `position`, read with the code of the last deploy before it.
    * Nothing of it is shared with a server: it is built from bytes, and thrown away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from attrs import Factory, define, field

from ...actors.newest import Newest
from ...actors.tables import Tables
from ...actors.tail import Committed
from ...actors.version import Change
from ...log.entry import BEFORE_FIRST, DROPPED, FIRST_LSN, LSN, Entry, Kind
from ...log.reader import LogReader
from ..application.app import App, empty_app
from ..application.codecs import codecs_of, definer
from ..data.catalog import Catalog
from ..data.table_codec import TableCodec
from ..deployment.deploy import Offenders, deployed_app
from ..env import Env
from ..errors import AppInvalid
from ..execution.attempt import Attempt
from ..execution.nested_calls import NestedCalls
from ..execution.past_entries import PastEntries
from ..transactions.cursors import Cursors
from ..transactions.journal import Pages
from ..transactions.transaction import Transaction
from .starting import state_at

AS_IT_IS = nullcontext()
COMMITS_HELD_MAX = 1_000
"""How far behind the newest entry a snapshot may lie."""


@define(eq=False)
class Replica:
    reader: LogReader
    secret: bytes = field(repr=False)
    app: App = field(factory=empty_app)
    bodies: Newest = Factory(Newest)
    """What is stored, whatever code reads it."""
    tables: Tables = field(init=False)
    catalog: Catalog = field(init=False)
    codecs: dict[str, TableCodec] = field(init=False)
    nested: NestedCalls = field(init=False)
    cursors: Cursors = field(init=False)
    held: deque[Committed] = Factory(lambda: deque[Committed](maxlen=COMMITS_HELD_MAX))
    """The newest commits since the last deploy."""
    pinned: bool = False
    """Whether it keeps its code, whatever is deployed."""
    deployed: bytes | None = None
    """What the last deploy that was passed over says."""
    whole_from: LSN = field(init=False)
    """After this entry nothing is beyond retention, neither what is stored nor what was done; up to it the
    tables are empty.  0 if nothing was dropped."""
    unloadable: str = ""
    """Why the code deployed last cannot run here; empty if it can."""
    moment: tuple[int, bytes] = (0, b"")
    """Clock and chance of what is run again, as `env` gives them."""
    env: Env = field(init=False)
    past: PastEntries = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.cursors = Cursors(self.secret)
        self.env = Env(lambda: self.moment[0], lambda count: self.moment[1][:count])
        self.past = PastEntries(self.reader)
        self.whole_from = whole_from(self.reader)
        self.read_with(self.app)

    @property
    def position(self) -> LSN:
        return self.tables.position

    @classmethod
    def at(
        cls,
        reader: LogReader,
        secret: bytes,
        lsn: LSN,
        app: App | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Replica:
        """The state after an entry, read with the code deployed then, or with ``app``, from there on too.

        Raises NoSuchEntry, Damaged, AppInvalid if the code does not load here, SchemaMismatch if
        documents do not fit it.
        """
        replica = cls(reader, secret, pinned=app is not None)
        state = state_at(reader, lsn, on_progress)
        replica.bodies = state.newest
        replica.read_with(app if app is not None else deployed_app(state.deployment))
        return replica

    @classmethod
    def resumed(
        cls,
        reader: LogReader,
        secret: bytes,
        lsn: LSN,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Replica:
        """As `at`, to go on from there: code that does not load here is `unloadable`, and no error."""
        replica = cls(reader, secret)
        state = state_at(reader, lsn, on_progress)
        replica.bodies = state.newest
        if lsn < replica.whole_from:
            replica.deployed, replica.tables.position = state.deployment, lsn
        else:
            replica.read_deployed(state.deployment)
        return replica

    def read_with(self, app: App) -> None:
        """Read all that is stored with this code from here on.  Raises SchemaMismatch."""
        codecs: dict[str, TableCodec] = {}
        tables = Tables.empty(definer(codecs))
        catalog = Catalog(tables)
        codecs.update(codecs_of(app, catalog))
        offenders = Offenders()
        self.bodies.fill(tables, offenders.add)
        offenders.require_none()
        app.install(instead_of=self.app)
        self.app, self.tables, self.catalog, self.codecs = app, tables, catalog, codecs
        self.nested = NestedCalls(app)
        self.held.clear()

    def apply(self, entry: Entry, changes: tuple[Change, ...] | None = None) -> Committed:
        """Go on by one entry, as recovery would: its writes, and never its function.

        ``changes`` are what its writes mean, where somebody has made just these of the tables as they are.
        Raises SchemaMismatch, and DocumentInvalid if it is pinned to code that a document does not fit.
        """
        self.bodies.apply(entry)
        if entry.lsn <= self.whole_from:
            return self.pass_over(entry)
        if changes is None:
            committed = Committed(entry, self.tables.replay(entry))
        else:
            committed = Committed(entry, changes)
            self.tables.apply(committed)
        self.held.append(committed)
        if entry.kind is Kind.DEPLOY and entry.code != self.app.code and not self.pinned:
            self.read_deployed(entry.args)
        return committed

    def pass_over(self, entry: Entry) -> Committed:
        """Go on by an entry as of which the tables cannot be told; read them once they can be."""
        if entry.kind is Kind.DEPLOY:
            self.deployed = entry.args
        self.tables.position = entry.lsn
        if entry.lsn == self.whole_from:
            if self.deployed is not None and not self.pinned:
                self.read_deployed(self.deployed)
            else:
                self.read_with(self.app)
        return Committed(entry, ())

    def read_deployed(self, deployment: bytes) -> None:
        """Read all with the code that the entry of a deploy holds.  Raises SchemaMismatch."""
        try:
            app, self.unloadable = deployed_app(deployment), ""
        except AppInvalid as error:
            app, self.unloadable = empty_app(), str(error)
        self.read_with(app)

    def rewound(self, snapshot: LSN) -> AbstractContextManager[None]:
        """The tables as of a snapshot that is among the commits held, for a while."""
        return AS_IT_IS if snapshot == self.tables.position else self.moved_back(snapshot)

    @contextmanager
    def moved_back(self, snapshot: LSN) -> Iterator[None]:
        """Undo the commits behind the snapshot, and do them again at the end."""
        undone: list[Committed] = []
        while self.tables.position > snapshot:
            undone.append(self.held.pop())
            self.tables.undo(undone[-1])
        try:
            yield
        finally:
            for committed in reversed(undone):
                for change in committed.changes:
                    if change.new is not None:
                        change.new.lsn = BEFORE_FIRST  # It is committed again.
                self.tables.apply(committed)
                self.held.append(committed)

    def holds(self, snapshot: LSN) -> bool:
        return self.position - len(self.held) <= snapshot <= self.position

    def attempt(self, kind: str, env: Env, request_id: str = "") -> Attempt:
        """A run of a handler on the tables as they are now."""
        assert kind in ("query", "mutation")
        return Attempt(
            "query" if kind == "query" else "mutation",
            env,
            env.clock_ns,
            self.secret,
            self.codecs,
            self.catalog,
            self.nested,
            lambda: Transaction.at_head(self.tables, Pages(self.cursors)),
            request_id,
            self.past,
        )


def whole_from(reader: LogReader) -> LSN:
    """The entry after which nothing that compaction has dropped stands in the way; 0 if nothing was dropped."""
    if not reader.is_reduced:
        return BEFORE_FIRST
    newest, last = Newest(), BEFORE_FIRST
    for entry in reader.entries(FIRST_LSN):
        newest.apply(entry)
        if newest.dropped or entry.args == DROPPED:
            last = entry.lsn
    return LSN(last + 1) if last else BEFORE_FIRST
