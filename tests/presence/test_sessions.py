"""Sessions of clients: for each beginning exactly one end, through reconnects, crashes and failing functions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.errors import WritesRefused
from relive.engine.application.functions import MutationFunction, internal_mutation, on_connect, on_disconnect
from relive.engine.authentication.identity import Identity
from relive.engine.data.schema import Document
from relive.engine.data.schema import field as stored
from relive.engine.errors import AppInvalid
from relive.engine.execution.executor import Executor
from relive.engine.execution.pause import pause, resume
from relive.engine.server.sessions import Sessions
from relive.engine.transactions.context import MutationCtx
from relive.log.entry import Kind

from ..engine.bench import Bench, app_of, bench_of

CLIENTS = [UUID(int=number) for number in range(1, 4)]
GRACE_NS = 10 * 10**9


class Visit(Document):
    session: str = stored()
    what: str
    who: str | None


async def note(ctx: MutationCtx, session: str, what: str) -> None:
    identity = await ctx.auth.get_user_identity()
    await ctx.db.insert(Visit(session=session, what=what, who=identity.subject if identity is not None else None))


@on_connect
async def came(ctx: MutationCtx, session: str) -> None:
    await note(ctx, session, "came")


@on_disconnect
async def left(ctx: MutationCtx, session: str) -> None:
    await note(ctx, session, "left")


@on_connect
async def fails(ctx: MutationCtx, session: str) -> None:
    await note(ctx, session, "came")
    raise ValueError("no entry")


@define(eq=False)
class House:
    """A server's sessions without its sockets."""

    bench: Bench = field(factory=lambda: bench_of(Visit, came=came, left=left))
    sessions: Sessions = field(init=False)
    sockets: dict[UUID, list[str]] = field(factory=lambda: {client: [] for client in CLIENTS})

    def __attrs_post_init__(self) -> None:
        self.sessions = Sessions(self.bench.database)
        self.sessions.end_former()

    def opens(self, client: UUID, identity: Identity | None = None) -> None:
        self.sockets[client].append(self.sessions.opened(client.bytes, identity))

    def closes(self, client: UUID) -> None:
        if self.sockets[client]:
            self.sessions.closed(self.sockets[client].pop())
        self.sessions.settle()

    def waits(self, ns: int) -> None:
        self.bench.clock.now_ns += ns
        self.sessions.settle()

    def crashes(self) -> None:
        self.bench = self.bench.reopen()
        self.sockets = {client: [] for client in CLIENTS}
        self.__attrs_post_init__()

    def visits(self) -> list[tuple[str, str, str | None]]:
        versions = self.bench.database.runtime.tables.table("visits").versions.values()
        found: list[Any] = [version.document for version in versions]
        return [(visit.session, visit.what, visit.who) for visit in found]

    def told(self, client: UUID) -> list[str]:
        return [what for session, what, _ in self.visits() if session == str(client)]


moves = st.tuples(
    st.sampled_from(["opens", "opens", "closes", "closes", "waits", "waits long", "crashes", "rewinds"]),
    st.sampled_from(CLIENTS),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(moves, max_size=25))
def test_each_beginning_has_exactly_one_end_and_those_who_are_there_have_begun(moves: list[tuple[str, UUID]]) -> None:
    house = House()
    for move, client in moves:
        match move:
            case "opens":
                house.opens(client)
            case "closes":
                house.closes(client)
            case "waits":
                house.waits(GRACE_NS // 3)
            case "waits long":
                house.waits(GRACE_NS + 1)
            case "crashes":
                house.crashes()
            case _:
                house.sessions.rewind()
                house.sessions.settle()
        for each in CLIENTS:
            told = house.told(each)
            assert told == [("came", "left")[number % 2] for number in range(len(told))]
            if house.sockets[each]:
                assert told[-1] == "came"
    house.crashes()
    assert all(len(house.told(client)) % 2 == 0 for client in CLIENTS)
    assert not house.bench.database.runtime.tables.table("_sessions").versions


def test_whoever_comes_back_in_time_has_not_been_away() -> None:
    house, client = House(), CLIENTS[0]
    for _ in range(5):
        house.opens(client)
        house.closes(client)
        house.waits(GRACE_NS - 10**9)
    assert house.told(client) == ["came"]
    house.waits(2 * 10**9)
    assert house.told(client) == ["came", "left"]


def test_the_session_of_a_client_with_two_sockets_ends_with_the_last() -> None:
    house, client = House(), CLIENTS[0]
    house.opens(client)
    house.opens(client)
    house.closes(client)
    house.waits(2 * GRACE_NS)
    assert house.told(client) == ["came"]
    house.closes(client)
    house.waits(2 * GRACE_NS)
    assert house.told(client) == ["came", "left"]


def test_the_log_says_who_came_and_why_it_ended() -> None:
    house, client = House(), CLIENTS[0]
    house.opens(client, Identity({"tokenIdentifier": "x|ada", "subject": "ada", "issuer": "x"}))
    came = house.bench.entry()
    house.closes(client)
    house.waits(2 * GRACE_NS)
    left = house.bench.entry()
    house.opens(client)
    house.crashes()
    crashed = house.bench.entry()

    assert [who for _, _, who in house.visits()] == ["ada", "ada", None, None]
    assert (came.function, came.cause.kind, came.cause.id) == ("app:came", "system", f"session {client} came")
    assert (left.function, left.cause.id) == ("app:left", f"session {client} left")
    assert (crashed.function, crashed.cause.id) == ("app:left", f"session {client} the server stopped")
    assert [write.table for write in came.writes][-1] == "_sessions"


def test_a_function_that_fails_is_told_once_and_the_session_begins() -> None:
    house, client = House(bench_of(Visit, came=fails, left=left)), CLIENTS[0]
    house.opens(client)
    begun = house.bench.entry()
    house.waits(1)
    assert house.bench.entry() == begun
    assert (begun.kind, begun.function, begun.cause.id) == (Kind.SYSTEM, "session:connect", f"session {client} came")
    assert house.told(client) == []
    house.closes(client)
    house.waits(2 * GRACE_NS)
    assert house.told(client) == ["left"]


def test_an_app_that_does_not_ask_is_not_told_and_writes_nothing() -> None:
    house, client = House(bench_of(Visit)), CLIENTS[0]
    before = house.bench.database.runtime.tail.head
    house.opens(client)
    house.closes(client)
    house.waits(2 * GRACE_NS)
    assert house.bench.database.runtime.tail.head == before
    assert not house.sessions.known


def test_what_a_full_disk_refused_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    house, client = House(), CLIENTS[0]

    def refuse(*given: Any) -> None:
        raise WritesRefused("the disk is full")

    monkeypatch.setattr(Executor, "mutate", refuse)
    house.opens(client)
    assert house.told(client) == []
    monkeypatch.undo()
    house.waits(1)
    assert house.told(client) == ["came"]


def test_while_a_deployment_is_paused_nobody_is_told() -> None:
    house, client = House(), CLIENTS[0]
    house.bench.executor.write("pause", "cli", pause)
    house.opens(client)
    assert house.told(client) == []
    house.bench.executor.write("resume", "cli", resume)
    house.waits(1)
    assert house.told(client) == ["came"]


def test_functions_that_are_told_take_a_session_and_there_is_one_for_each_moment() -> None:
    async def amiss(ctx: MutationCtx) -> None:
        pass

    wrong: MutationFunction[[], None] = internal_mutation(amiss)
    wrong.moment = "connect"
    with pytest.raises(AppInvalid, match="`session: str`"):
        app_of(functions={"app:wrong": wrong})
    with pytest.raises(AppInvalid, match="`app:came` is there already"):
        app_of(Visit, functions={"app:came": came, "app:fails": fails})
