"""Sessions of clients: `on_connect` and `on_disconnect` are called once for each, whatever happens in between.

socket ──> opened, closed ──> wanted ──┐
                 rows of ``_sessions`` ─┴──> differ ──> one entry: the function, and the row beside it

A session is a client, however often it connects again: it has ended when it was away for `SESSION_GRACE_S`.

Invariants
    * There is a row for each session that was begun and not ended: it comes and goes in the entry of the
      function that is told, so that each beginning has exactly one end, also after a crash.
    * A session that has ended is in no room: it leaves them all before `on_disconnect` is called, and what a crash
      keeps from that happens at the next start.
    * A function that fails is told once all the same: then the row changes in an entry of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from math import inf
from uuid import UUID

import trio
from attrs import Factory, define

from ...actors.errors import WritesRefused
from ...protocol.order import sort_key
from ...protocol.results import FunctionFailure
from ..application.functions import Moment
from ..authentication.identity import Identity, identity_of_entry
from ..data.system_tables import ClientSession, PresenceRow
from ..database import Database
from ..execution.beside import Beside
from ..execution.callers import CAME, LEFT, STOPPED, session_cause
from ..execution.callers import SYSTEM as CAUSE
from ..execution.calls import Call, Request
from ..execution.pause import is_paused
from ..execution.system_writes import SystemCtx
from ..limits import SESSION_GRACE_S
from ..transactions.range_query import BEYOND

TRY_AGAIN_S = 1.0
"""After what could not be written, and to see whose time of grace is over."""
TABLE = ClientSession.__table__
ROOMS = PresenceRow.__table__

Write = Callable[[SystemCtx], Awaitable[None]]

logger = logging.getLogger("relive")


@define(eq=False)
class Open:
    """A session of which a socket is open, or was a moment ago."""

    identity: Identity | None
    sockets: int = 0
    away_ns: int = 0
    """Since when it has no socket; of no meaning while it has one."""


@define(eq=False)
class Sessions:
    database: Database
    known: dict[str, Open] = Factory(dict[str, Open])
    unsettled: dict[str, None] = Factory(dict[str, None])
    """Those whose row may not be as it should; in the order in which they came."""
    woken: trio.Event = Factory(trio.Event)

    def opened(self, session: bytes, identity: Identity | None) -> str:
        """A socket of that client is open; its name, for `closed`."""
        name = str(UUID(bytes=session))
        self.known.setdefault(name, Open(identity)).sockets += 1
        self.settle_soon(name)
        self.settle(name)  # What the client does next comes after its beginning.
        return name

    def closed(self, name: str) -> None:
        client = self.known[name]
        client.sockets -= 1
        client.away_ns = self.database.env.monotonic_ns()
        assert client.sockets >= 0
        self.settle_soon(name)

    def settle_soon(self, name: str) -> None:
        self.unsettled[name] = None
        self.woken.set()

    def rewind(self) -> None:
        """Entries were taken back, or other code is deployed: any row may be another."""
        self.unsettled |= dict.fromkeys([*self.known, *self.begun(), *self.in_rooms()])
        self.woken.set()

    def begun(self) -> dict[str, ClientSession]:
        rows = [version.document for version in self.database.runtime.tables.table(TABLE).versions.values()]
        return {row.session: row for row in rows if isinstance(row, ClientSession)}

    def in_rooms(self) -> Iterator[str]:
        """Sessions that are in rooms."""
        for version in self.database.runtime.tables.table(ROOMS).versions.values():
            assert isinstance(version.document, PresenceRow)
            yield version.document.session

    def row_of(self, name: str) -> ClientSession | None:
        index, key = self.database.runtime.tables.table(TABLE).index(ClientSession.by_session.name), sort_key(name)
        found = next(index.scan(key, key + BEYOND), None)
        row = index.entries[found].document if found is not None else None
        assert row is None or isinstance(row, ClientSession)
        return row

    def end_former(self) -> None:
        """End the sessions of a process that has ended; before anybody connects to this one."""
        self.rewind()
        self.settle()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.settle()
            await trio.lowlevel.checkpoint()
            with trio.move_on_after(TRY_AGAIN_S if self.unsettled else inf):
                await self.woken.wait()
            self.woken = trio.Event()

    def settle(self, *names: str) -> None:
        """Begin and end what is to be begun and ended now, of these or of all."""
        if not self.unsettled or is_paused(self.database.runtime.tables):
            return
        for name in names or list(self.unsettled):
            client, row = self.known.get(name), self.row_of(name)
            try:
                if client is None or self.is_over(client):
                    why = LEFT if client is not None else STOPPED
                    self.leave_rooms(name, why)
                    if row is not None:
                        self.end(name, row, why)
                    self.known.pop(name, None)
                elif client.sockets == 0:
                    continue  # It may come again.
                elif row is None:
                    self.begin(name, client)
            except WritesRefused:
                return
            del self.unsettled[name]

    def is_over(self, client: Open) -> bool:
        away_ns = self.database.env.monotonic_ns() - client.away_ns
        return client.sockets == 0 and away_ns >= SESSION_GRACE_S * 1e9

    def leave_rooms(self, name: str, why: str) -> None:
        """Raises WritesRefused."""
        key = sort_key(name)
        index = self.database.runtime.tables.table(ROOMS).index(PresenceRow.by_session.name)
        if next(index.scan(key, key + BEYOND), None) is None:
            return

        async def leave(ctx: SystemCtx) -> None:
            for row in await ctx.db.query(PresenceRow).index(PresenceRow.by_session, name).collect():
                await ctx.db.delete(row.id)

        cause = session_cause(name, why)
        self.database.executor.write("session:leave_rooms", CAUSE, leave, {"session": name}, cause)

    def begin(self, name: str, client: Open) -> None:
        identity = client.identity

        async def insert(ctx: SystemCtx) -> None:
            encoded = identity.encoded if identity is not None else None
            await ctx.db.insert(ClientSession(session=name, identity=encoded, since=ctx.now.timestamp() * 1000))

        self.tell("connect", name, identity, CAME, insert)

    def end(self, name: str, row: ClientSession, why: str) -> None:
        async def delete(ctx: SystemCtx) -> None:
            await ctx.db.delete(row.id)

        self.tell("disconnect", name, identity_of_entry(row.identity), why, delete)

    def tell(self, moment: Moment, name: str, identity: Identity | None, why: str, write: Write) -> None:
        """Call the function for this moment, if the app has one, and write the row.  Raises WritesRefused."""
        executor = self.database.executor
        endpoint = executor.app.told_at(moment)
        if endpoint is None and moment == "connect" and executor.app.told_at("disconnect") is None:
            return  # Nobody wants to know.
        if endpoint is not None:

            async def beside(ctx: SystemCtx, result: bytes) -> None:
                await write(ctx)

            call = Call(endpoint.path, [{"session": name}], admin=True, cause=CAUSE, identity=identity)
            request = Request(CAUSE, None, 0, session_cause(name, why))
            done = executor.mutate(call, request, Beside(after=beside))
            if not isinstance(done.outcome, FunctionFailure):
                return
            logger.error("%s failed for session %s: %s", endpoint.path, name, done.outcome.message)
        executor.write(f"session:{moment}", CAUSE, write, {"session": name}, session_cause(name, why))
