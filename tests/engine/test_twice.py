"""Running every function twice, as `relive dev` does: what differs is found at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from relive.engine.application.app import load_app
from relive.engine.database import Database
from relive.engine.env import real_env
from relive.engine.execution.calls import Call, Request
from relive.log.memory import MemoryStorage
from relive.protocol.results import FunctionFailure, MutationSuccess, QueryFailure, QuerySuccess

SOURCE = """
from __future__ import annotations

import random
from itertools import count

from relive import Document, MutationCtx, QueryCtx, mutation, query

numbers = count()


class Note(Document):
    text: str
    draw: float = 0.0


@mutation
async def add(ctx: MutationCtx, text: str) -> str:
    print("adding", text)
    return await ctx.db.insert(Note(text=text, draw=random.random()))


@mutation
async def numbered(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text=str(next(numbers))))


@mutation
async def fails(ctx: MutationCtx) -> None:
    raise ValueError("as always")


@query
async def counted(ctx: QueryCtx) -> int:
    return next(numbers)


@query
async def texts(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(Note).collect()]
"""
REQUEST = Request("client", None, 0)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    folder = tmp_path / "twiceapp"
    folder.mkdir()
    (folder / "notes.py").write_text(SOURCE)
    database = Database.open(MemoryStorage(), load_app(folder), real_env(), b"secret")
    database.executor.twice = True
    return database


def test_a_function_that_comes_out_the_same_commits_once_and_logs_once(database: Database) -> None:
    before = database.runtime.tail.head
    done = database.executor.mutate(Call("notes:add", [{"text": "a"}]), REQUEST).outcome

    assert isinstance(done, MutationSuccess)
    assert done.log_lines == ("[LOG] 'adding a'",)
    assert database.runtime.tail.head == before + 1
    answer = database.executor.query(Call("notes:texts", [{}])).result
    assert isinstance(answer, QuerySuccess)
    assert answer.value == b'["a"]'


def test_a_mutation_that_writes_something_else_the_second_time_is_refused(database: Database) -> None:
    before = database.runtime.tail.head
    done = database.executor.mutate(Call("notes:numbered", [{}]), REQUEST).outcome

    assert isinstance(done, FunctionFailure)
    assert "`notes:numbered` is not deterministic" in done.message
    assert database.runtime.tail.head == before


def test_a_query_that_returns_something_else_the_second_time_is_refused(database: Database) -> None:
    answer = database.executor.query(Call("notes:counted", [{}])).result

    assert isinstance(answer, QueryFailure)
    assert "`notes:counted` is not deterministic" in answer.message


def test_an_error_that_comes_out_the_same_is_the_functions_own(database: Database) -> None:
    done = database.executor.mutate(Call("notes:fails", [{}]), REQUEST).outcome

    assert isinstance(done, FunctionFailure)
    assert "ValueError: as always" in done.message
