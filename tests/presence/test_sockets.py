"""Sessions over sockets: what a client does comes after it came, and a restart ends its session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from relive.engine.application.app import App, load_app
from relive.log.memory import MemoryStorage

from ..server.harness import Running, eventually, serve

SOURCE = """
from relive import Document, MutationCtx, Presence, QueryCtx, field, mutation, on_connect, on_disconnect, query

rooms = Presence("rooms")

class Line(Document):
    text: str = field()

@on_connect
async def came(ctx: MutationCtx, session: str) -> None:
    await ctx.db.insert(Line(text="came"))

@on_disconnect
async def left(ctx: MutationCtx, session: str) -> None:
    await ctx.db.insert(Line(text="left"))

@mutation
async def say(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Line(text=text))

@mutation
async def enter(ctx: MutationCtx, room: str) -> str | None:
    await rooms.enter(ctx, room, user="ada")
    return ctx.meta.session

@query
async def inside(ctx: QueryCtx, room: str) -> list[str]:
    return [f"{each.user} {each.sessions}" for each in await rooms.present(ctx, room)]

@query
async def lines(ctx: QueryCtx) -> list[str]:
    return [line.text async for line in ctx.db.query(Line)]
"""
OTHER = "00000000-0000-4000-8000-000000000002"
Test = Callable[[Running], Awaitable[None]]


@pytest.fixture
def app(tmp_path: Path) -> App:
    folder = tmp_path / "house"
    folder.mkdir()
    (folder / "lines.py").write_text(SOURCE)
    return load_app(folder)


def run(app: App, storage: MemoryStorage, test: Test) -> None:
    async def main() -> None:
        with trio.fail_after(30):
            async with serve(app, storage) as running:
                await test(running)

    trio.run(main)


def lines_of(running: Running) -> list[str]:
    versions = running.database.runtime.tables.table("lines").versions.values()
    return [version.document.text for version in versions]  # type: ignore[attr-defined]


def test_what_a_client_does_comes_after_it_came_and_a_restart_ends_its_session(app: App) -> None:
    storage = MemoryStorage()

    async def first(running: Running) -> None:
        async with running.client() as client:
            await client.connect()
            await client.mutate(0, "lines:say", text="hello")
            await client.next()
        async with running.client() as client:  # The same client again.
            await client.connect()
            await client.watch(0, "lines:lines")
            await client.until(lambda: client.value(0) == ["came", "hello"])

    async def second(running: Running) -> None:
        assert lines_of(running) == ["came", "hello", "left"]
        async with running.client() as client:
            await client.connect(OTHER)
            await client.watch(0, "lines:lines")
            await client.until(lambda: client.value(0) == ["came", "hello", "left", "came"])

    run(app, storage, first)
    run(app, storage, second)


def test_a_client_that_only_says_who_it_is_has_come_too(app: App) -> None:
    async def test(running: Running) -> None:
        async with running.client() as client:
            await client.connect()
            await eventually(lambda: lines_of(running) == ["came"])

    run(app, MemoryStorage(), test)


def test_a_socket_that_never_says_who_it_is_has_no_session(app: App) -> None:
    async def test(running: Running) -> None:
        async with running.client() as client:
            await client.watch(0, "lines:lines")
            await client.until(lambda: client.value(0) == [])
        assert lines_of(running) == []

    run(app, MemoryStorage(), test)


@pytest.mark.parametrize("grace_s", [0.0])
def test_a_client_that_stays_away_has_left(app: App, grace_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.engine.server.sessions.SESSION_GRACE_S", grace_s)

    async def test(running: Running) -> None:
        async with running.client() as client:
            await client.connect()
            await client.mutate(0, "lines:say", text="hello")
            await client.next()
        await eventually(lambda: lines_of(running) == ["came", "hello", "left"])

    run(app, MemoryStorage(), test)


@pytest.mark.parametrize("grace_s", [0.0])
def test_whoever_enters_over_a_socket_is_there_until_the_socket_is_gone(
    app: App, grace_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relive.engine.server.sessions.SESSION_GRACE_S", grace_s)

    async def test(running: Running) -> None:
        async with running.client() as watching:
            await watching.connect(OTHER)
            await watching.watch(0, "lines:inside", room="hall")
            async with running.client() as client:
                await client.connect()
                await client.answered(0, "lines:enter", room="hall")
                await watching.until(lambda: watching.value(0) == ["ada 1"])
            await watching.until(lambda: watching.value(0) == [])

    run(app, MemoryStorage(), test)


def test_a_server_that_was_stopped_finds_nobody_in_a_room(app: App) -> None:
    storage = MemoryStorage()

    async def first(running: Running) -> None:
        async with running.client() as client:
            await client.connect()
            await client.answered(0, "lines:enter", room="hall")

    async def second(running: Running) -> None:
        async with running.client() as client:
            await client.connect(OTHER)
            await client.watch(0, "lines:inside", room="hall")
            await client.until(lambda: client.value(0) == [])
        assert not running.database.runtime.tables.table("_presence").versions

    run(app, storage, first)
    run(app, storage, second)
