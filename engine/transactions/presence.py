"""Who is where now: `Presence`.

    watching = Presence("watching")

    @mutation
    async def look_at(ctx: MutationCtx, ticket: Id[Ticket]) -> None:
        await watching.enter(ctx, ticket, user=await name_of(ctx))

    @query
    async def watchers(ctx: QueryCtx, ticket: Id[Ticket]) -> list[Present]:
        return await watching.present(ctx, ticket)

Who enters is the session of the client that called the mutation over its socket.  Nobody has to call again to
stay: the server takes a session out of all rooms when it has ended (`server.sessions`).

Invariants
    * A row of ``_presence`` is of a session that has not ended, one for each room that it is in.
    * A mutation that runs for no session enters nothing: nobody would take it out again.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from ..data.schema import Record
from ..data.system_tables import PresenceRow
from ..errors import PresenceRefused
from ..limits import PRESENCE_LISTED, PRESENCE_LISTED_MAX, PRESENCE_ROOMS_MAX
from .context import MutationCtx, QueryCtx
from .database_access import DatabaseWriter, SystemTablesReader
from .range_query import Query

NAME_CHARS_MAX = 64
TEXT_CHARS_MAX = 1_024
"""Of a room, and of a user."""


class Present(Record):
    """Somebody who is in a room; may be returned to clients."""

    user: str
    sessions: int
    """How many of theirs: tabs, say."""
    since: float
    """When the first of them entered: milliseconds since the Unix epoch."""


class PresenceWriter(DatabaseWriter):
    """Writes ``_presence``, for a mutation that enters or leaves."""

    _reads_system_tables: ClassVar[bool] = True
    _writes_system_tables: ClassVar[bool] = True


@frozen
class Presence:
    """Who is in which room, by the sessions of clients; see the module.

    Rooms and users are texts of up to 1,024 characters; what they mean is the app's affair.  Raises ValueError
    for a name that is none.
    """

    name: str = field()
    """Rooms are kept under it: no two of an app may have the same."""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name) <= NAME_CHARS_MAX:
            raise ValueError(f"a Presence is named with 1 to {NAME_CHARS_MAX} characters, not {self.name!r:.80}")

    async def enter(self, ctx: MutationCtx, room: str, *, user: str) -> None:
        """The caller's session is in ``room`` from here on, as ``user``, until it leaves or ends.

        To enter again changes nothing; as another user, it changes who is there.  Raises PresenceRefused in a
        mutation that no client has called over its socket, and for more than 100 rooms at once; ValueError.
        """
        session = self._session(ctx)
        self._check(room=room, user=user)
        writer = PresenceWriter(ctx._run)
        row = await self._of(writer, session, room).unique()
        if row is not None:
            if row.user == user:
                return
            await writer.delete(row.id)
        elif await writer.query(PresenceRow).index(PresenceRow.by_session, session).count() >= PRESENCE_ROOMS_MAX:
            problem = f"a session can be in {PRESENCE_ROOMS_MAX:,} rooms at once, and this one is: leave one first"
            raise PresenceRefused(self.name, problem)
        since = ctx.now.timestamp() * 1000
        await writer.insert(PresenceRow(name=self.name, room=room, user=user, session=session, since=since))

    async def leave(self, ctx: MutationCtx, room: str | None = None) -> None:
        """The caller's session is not in ``room`` any more; without one, in none.

        Raises PresenceRefused in a mutation that no client has called over its socket, ValueError.
        """
        session = self._session(ctx)
        self._check(room=room if room is not None else "")
        writer = PresenceWriter(ctx._run)
        for row in await self._of(writer, session, room).collect():
            await writer.delete(row.id)

    async def present(self, ctx: QueryCtx, room: str, limit: int = PRESENCE_LISTED) -> list[Present]:
        """Everybody who is in ``room``, each user once, in the order of their texts; the first ``limit`` of them.

        Raises ValueError.
        """
        if type(limit) is not int or not 1 <= limit <= PRESENCE_LISTED_MAX:
            raise ValueError(f"present() gives 1 to {PRESENCE_LISTED_MAX:,} users, not {limit!r}")
        self._check(room=room)
        found: list[Present] = []
        async for row in SystemTablesReader(ctx._run).query(PresenceRow).index(PresenceRow.by_room, self.name, room):
            if found and found[-1].user == row.user:
                found[-1] = Present(
                    user=row.user, sessions=found[-1].sessions + 1, since=min(found[-1].since, row.since)
                )
            elif len(found) == limit:
                break
            else:
                found.append(Present(user=row.user, sessions=1, since=row.since))
        return found

    async def is_present(self, ctx: QueryCtx, room: str, user: str) -> bool:
        """Whether a session of that user is in ``room``.  Raises ValueError."""
        self._check(room=room, user=user)
        rows = SystemTablesReader(ctx._run).query(PresenceRow)
        return await rows.index(PresenceRow.by_room, self.name, room, user).exists()

    async def rooms(self, ctx: MutationCtx) -> list[str]:
        """Those that the caller's session is in, in the order of their texts.  Raises PresenceRefused."""
        return [row.room async for row in self._of(PresenceWriter(ctx._run), self._session(ctx), None)]

    def _of(self, writer: PresenceWriter, session: str, room: str | None) -> Query[PresenceRow]:
        rows = writer.query(PresenceRow)
        if room is None:
            return rows.index(PresenceRow.by_session, session, self.name)
        return rows.index(PresenceRow.by_session, session, self.name, room)

    def _session(self, ctx: MutationCtx) -> str:
        session = ctx.meta.session
        if session is None:
            problem = "no client's session is calling: call the mutation over a socket, or from `@on_connect`"
            raise PresenceRefused(self.name, problem)
        return session

    def _check(self, **texts: str) -> None:
        for what, text in texts.items():
            if not isinstance(text, str) or len(text) > TEXT_CHARS_MAX:
                raise ValueError(
                    f"presence {self.name!r}: a {what} is text of up to {TEXT_CHARS_MAX:,} characters, not {text!r:.80}"
                )
