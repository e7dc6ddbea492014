"""Who is in a room now: against a model, through reconnects, crashes and clients that go without a word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.errors import WritesRefused
from relive.engine.application.functions import mutation, query
from relive.engine.errors import FunctionFailed
from relive.engine.execution.calls import Call, Request
from relive.engine.execution.executor import Executor
from relive.engine.history.reexecution import verify_again
from relive.engine.limits import PRESENCE_ROOMS_MAX
from relive.engine.server.sessions import Sessions
from relive.engine.testing import SECRET
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.presence import Presence, Present
from relive.log.entry import Kind
from relive.protocol import json
from relive.protocol.results import MutationSuccess, QuerySuccess

from relive.testing import TestApp

from ..engine.bench import Bench, bench_of

CLIENTS = [UUID(int=number) for number in range(1, 4)]
ROOMS = ["kitchen", "hall"]
USERS = ["ada", "bob"]
GRACE_NS = 10 * 10**9

here = Presence("here")


@mutation
async def enter(ctx: MutationCtx, room: str, user: str) -> None:
    await here.enter(ctx, room, user=user)


@mutation
async def leave(ctx: MutationCtx, room: str | None) -> list[str]:
    await here.leave(ctx, room)
    return await here.rooms(ctx)


@query
async def present(ctx: QueryCtx, room: str) -> list[Present]:
    return await here.present(ctx, room)


@define(eq=False)
class House:
    """A server's sessions without its sockets, beside what must be true of its rooms."""

    bench: Bench = field(factory=lambda: bench_of(enter=enter, leave=leave, present=present))
    sessions: Sessions = field(init=False)
    sockets: dict[UUID, list[str]] = field(factory=lambda: {client: [] for client in CLIENTS})
    inside: dict[tuple[str, UUID], str] = field(factory=dict[tuple[str, UUID], str])
    """The model: who is where, as which user."""
    away_ns: dict[UUID, int] = field(factory=dict[UUID, int])
    calls: int = 0

    def __attrs_post_init__(self) -> None:
        self.sessions = Sessions(self.bench.database)
        self.sessions.end_former()

    def opens(self, client: UUID) -> None:
        self.settle()
        self.sockets[client].append(self.sessions.opened(client.bytes, None))
        self.away_ns.pop(client, None)

    def closes(self, client: UUID) -> None:
        if self.sockets[client]:
            self.sessions.closed(self.sockets[client].pop())
            if not self.sockets[client]:
                self.away_ns[client] = 0
        self.settle()

    def waits(self, ns: int) -> None:
        self.bench.clock.now_ns += ns
        self.away_ns = {client: away + ns for client, away in self.away_ns.items()}
        self.settle()

    def settle(self) -> None:
        self.sessions.settle()
        for client in [client for client, away in self.away_ns.items() if away >= GRACE_NS]:
            del self.away_ns[client]
            self.forget(client)

    def forget(self, client: UUID) -> None:
        self.inside = {place: user for place, user in self.inside.items() if place[1] != client}

    def crashes(self) -> None:
        self.bench = self.bench.reopen()
        self.sockets, self.inside, self.away_ns = {client: [] for client in CLIENTS}, {}, {}
        self.__attrs_post_init__()

    def call(self, client: UUID, path: str, **args: object) -> None:
        self.calls += 1
        request = Request("client", client.bytes, self.calls)
        assert isinstance(self.bench.executor.mutate(Call(path, [args]), request).outcome, MutationSuccess)

    def enters(self, client: UUID, room: str, user: str) -> None:
        if self.sockets[client]:
            self.call(client, "app:enter", room=room, user=user)
            self.inside[room, client] = user

    def leaves(self, client: UUID, room: str | None) -> None:
        if self.sockets[client]:
            self.call(client, "app:leave", room=room)
            self.inside = {
                place: user for place, user in self.inside.items() if place[1] != client or room not in (None, place[0])
            }

    def shown(self, room: str) -> list[tuple[str, int]]:
        result = self.bench.query("app:present", room=room)
        assert isinstance(result, QuerySuccess)
        shown: Any = json.decode(result.value)
        return [(each["user"], each["sessions"]) for each in shown]

    def expected(self, room: str) -> list[tuple[str, int]]:
        users = [user for (place, _), user in self.inside.items() if place == room]
        return [(user, users.count(user)) for user in sorted(set(users))]

    def rows(self) -> int:
        return len(self.bench.database.runtime.tables.table("_presence").versions)


moves = st.tuples(
    st.sampled_from(
        ["opens", "opens", *["enters"] * 3, "leaves", "closes", "waits", "waits long", "crashes", "rewinds"]
    ),
    st.sampled_from(CLIENTS), st.sampled_from(ROOMS), st.sampled_from(USERS), st.booleans(),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(moves, max_size=30))
def test_those_who_are_present_are_exactly_those_whose_sessions_go_on(
    moves: list[tuple[str, UUID, str, str, bool]],
) -> None:
    house = House()
    for move, client, room, user, everywhere in moves:
        match move:
            case "opens":
                house.opens(client)
            case "enters":
                house.enters(client, room, user)
            case "leaves":
                house.leaves(client, None if everywhere else room)
            case "closes":
                house.closes(client)
            case "waits":
                house.waits(GRACE_NS * 3 // 10)
            case "waits long":
                house.waits(GRACE_NS + 10**9)
            case "crashes":
                house.crashes()
            case _:
                house.sessions.rewind()
                house.settle()
        assert [house.shown(each) for each in ROOMS] == [house.expected(each) for each in ROOMS]
        assert house.rows() == len(house.inside)
    for client in CLIENTS:
        while house.sockets[client]:
            house.closes(client)
    house.waits(GRACE_NS + 10**9)
    assert house.rows() == 0


def test_what_runs_for_a_session_says_so_in_the_log_and_does_the_same_again() -> None:
    house, client = House(), CLIENTS[0]
    house.opens(client)
    house.enters(client, "hall", "ada")
    entered = house.bench.entry()
    house.closes(client)
    house.waits(2 * GRACE_NS)
    left = house.bench.entry()

    assert entered.session == client.bytes
    assert [write.table for write in entered.writes][-1] == "_presence"
    assert (left.kind, left.function, left.cause.id) == (Kind.SYSTEM, "session:leave_rooms", f"session {client} left")
    assert [write.document for write in left.writes] == [None]


def test_mutations_of_sessions_run_again_do_the_same(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "house.py").write_text(APP["house"])
    with TestApp(tmp_path / "house") as app:
        ada = app.connect()
        app.mutation("house:enter", room="hall", user="ada")
        app.mutation("house:leave", room="hall")
        app.mutation("house:enter", room="attic", user="ada")
        app.disconnect(ada)
        database = app._database
        verification = verify_again(database.log.reader, SECRET, last=database.runtime.tail.head)
        assert (verification.checked, verification.first) == (5, None)


def test_what_a_full_disk_kept_in_a_room_leaves_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    house, client = House(), CLIENTS[0]
    house.opens(client)
    house.enters(client, "hall", "ada")

    def refuse(*given: Any) -> None:
        raise WritesRefused("the disk is full")

    monkeypatch.setattr(Executor, "write", refuse)
    house.closes(client)
    house.bench.clock.now_ns += 2 * GRACE_NS
    house.sessions.settle()
    assert house.rows() == 1
    monkeypatch.undo()
    house.sessions.settle()
    assert house.rows() == 0


APP = {
    "house": """
from relive import Document, MutationCtx, Presence, Present, QueryCtx, action, ActionCtx, mutation, on_connect
from relive import on_disconnect, query

here, online = Presence("here"), Presence("online")

@on_connect
async def came(ctx: MutationCtx, session: str) -> None:
    assert ctx.meta.session == session
    identity = await ctx.auth.get_user_identity()
    await online.enter(ctx, "", user=identity.subject if identity is not None else "?")

@on_disconnect
async def left(ctx: MutationCtx, session: str) -> None:
    assert ctx.meta.session is None
    print(len(await online.present(ctx, "")))

@mutation
async def enter(ctx: MutationCtx, room: str, user: str) -> str | None:
    await here.enter(ctx, room, user=user)
    return ctx.meta.session

@mutation
async def rooms(ctx: MutationCtx) -> list[str]:
    return await here.rooms(ctx)

@mutation
async def leave(ctx: MutationCtx, room: str | None) -> None:
    await here.leave(ctx, room)

@query
async def present(ctx: QueryCtx, room: str, limit: int = 100) -> list[Present]:
    return await here.present(ctx, room, limit)

@query
async def is_present(ctx: QueryCtx, room: str, user: str) -> bool:
    return await here.is_present(ctx, room, user)

@query
async def everybody(ctx: QueryCtx) -> list[Present]:
    return await online.present(ctx, "")

@action
async def enter_in_an_action(ctx: ActionCtx) -> None:
    await ctx.run_mutation(enter, room="hall", user="ada")
"""
}


@pytest.fixture
def app() -> Iterator[TestApp]:
    with TestApp(APP) as app:
        yield app


def test_tabs_of_one_user_count_once_and_the_last_one_takes_them_along(app: TestApp) -> None:
    first, second = app.connect(), app.connect()
    watch = app.watch("house:present", room="hall")
    assert app.mutation("house:enter", room="hall", user="ada") == second
    app.connect(first)
    app.mutation("house:enter", room="hall", user="ada")
    app.mutation("house:enter", room="hall", user="ada")
    app.disconnect(second)
    app.disconnect(first)
    app.disconnect(first)

    assert [[(each["user"], each["sessions"]) for each in shown] for shown in watch.results] == [
        [], [("ada", 1)], [("ada", 2)], [("ada", 1)], [],
    ]  # fmt: skip
    assert app.documents("_presence") == []


def test_whoever_comes_is_online_by_itself_and_is_gone_before_on_disconnect_is_told(app: TestApp) -> None:
    app.sign_in(subject="ada")
    ada = app.connect()
    app.sign_out()
    app.connect()
    assert [each["user"] for each in app.query("house:everybody")] == ["?", "ada"]
    app.disconnect(ada)
    assert [each["user"] for each in app.query("house:everybody")] == ["?"]
    app.restart()
    assert app.query("house:everybody") == []


def test_presences_and_rooms_are_kept_apart_and_users_come_in_their_order(app: TestApp) -> None:
    for user in ("cy", "bo", "al", "bo"):
        app.connect()
        app.mutation("house:enter", room="hall", user=user)
    app.mutation("house:enter", room="attic", user="bo")

    assert [each["user"] for each in app.query("house:present", room="hall")] == ["al", "bo", "cy"]
    assert [(each["user"], each["sessions"]) for each in app.query("house:present", room="hall", limit=2)] == [
        ("al", 1),
        ("bo", 2),
    ]
    assert app.mutation("house:rooms") == ["attic", "hall"]
    assert app.query("house:is_present", room="attic", user="bo")
    assert not app.query("house:is_present", room="attic", user="al")
    app.mutation("house:leave", room="attic")
    assert app.mutation("house:rooms") == ["hall"]
    app.mutation("house:leave", room=None)
    assert [each["sessions"] for each in app.query("house:present", room="hall")] == [1, 1, 1]


def test_a_session_that_enters_as_somebody_else_is_there_as_that_one(app: TestApp) -> None:
    app.connect()
    app.mutation("house:enter", room="hall", user="ada")
    app.mutation("house:enter", room="hall", user="bob")
    assert [each["user"] for each in app.query("house:present", room="hall")] == ["bob"]


def test_what_runs_for_no_session_enters_nothing(app: TestApp) -> None:
    app.connect()
    with pytest.raises(FunctionFailed, match=r"PresenceRefused: presence 'here': no client's session is calling"):
        app.action("house:enter_in_an_action")
    assert len(app.documents("_presence")) == 1  # The one in `online`.


@pytest.mark.parametrize(("room", "user"), [("x" * 1_025, "ada"), ("hall", "x" * 1_025)])
def test_texts_that_are_too_long_are_refused(app: TestApp, room: str, user: str) -> None:
    app.connect()
    with pytest.raises(FunctionFailed, match="is text of up to 1,024 characters"):
        app.mutation("house:enter", room=room, user=user)


def test_a_session_is_in_so_many_rooms_and_no_more(app: TestApp) -> None:
    app.connect()
    for number in range(PRESENCE_ROOMS_MAX - 1):  # It is `online`, too.
        app.mutation("house:enter", room=f"room {number}", user="ada")
    with pytest.raises(FunctionFailed, match="100 rooms at once"):
        app.mutation("house:enter", room="one more", user="ada")
    app.mutation("house:enter", room="room 7", user="bob")
    app.mutation("house:leave", room="room 8")
    app.mutation("house:enter", room="one more", user="ada")


@pytest.mark.parametrize("limit", [0, -1, 8_193])
def test_a_list_has_a_length(app: TestApp, limit: int) -> None:
    with pytest.raises(FunctionFailed, match="gives 1 to 8,192 users"):
        app.query("house:present", room="hall", limit=limit)


@pytest.mark.parametrize("name", ["", "x" * 65, None])
def test_a_presence_has_a_name(name: Any) -> None:
    with pytest.raises(ValueError, match="named with 1 to 64 characters"):
        Presence(name)
