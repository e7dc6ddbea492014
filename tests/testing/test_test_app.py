"""`relive.testing`: an app under test is the app that is served, driven call by call."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from relive.engine.errors import AppInvalid, DatabaseError, MigrationRefused, SchemaMismatch
from relive.engine.transactions.context import MutationCtx

from relive import ApplicationError, Int64
from relive.testing import START, FunctionFailed, TestApp, app_fixture

from . import library
from .library import books
from .library.schema import Book, Borrowed, Event, Returned

FOLDER = Path(__file__).parent / "library"
NOTES = """
from relive import Document, MutationCtx, QueryCtx, mutation, query

class Note(Document):
    text: {type}

@mutation
async def add(ctx: MutationCtx, text: {type}) -> str:
    return await ctx.db.insert(Note(text=text))

@query
async def texts(ctx: QueryCtx) -> list[str]:
    return [{version!r} + str(note.text) for note in await ctx.db.query(Note).collect()]
"""
COUNTING = """
from itertools import count
from relive import QueryCtx, query

numbers = count()

@query
async def counted(ctx: QueryCtx) -> int:
    return next(numbers)
"""

relive_app = app_fixture(FOLDER, env={"HOURS": "9 to 5"})


def test_functions_are_called_by_name_as_clients_call_them(relive_app: TestApp) -> None:
    id = relive_app.mutation("books:add", title="Emma")

    (row,) = relive_app.query("books:shelf")
    assert (row["_id"], row["title"], row["due"]) == (id, "Emma", None)
    assert relive_app.documents("books") == [row]
    assert relive_app.logs == ["[LOG] 'adding Emma'"]


def test_functions_are_called_as_python_has_them_and_give_instances(relive_app: TestApp) -> None:
    id = relive_app.mutation(books.add, "Emma")
    book = relive_app.mutation(books.borrow, id, by="ada")

    assert isinstance(book, Book)
    assert (book.id, book.title, book.borrowed_by) == (id, "Emma", "ada")
    assert relive_app.documents(Book) == [book]
    assert relive_app.mutation(books.draw, count=Int64(3)) != []


def test_documents_of_several_classes_are_told_apart(relive_app: TestApp) -> None:
    id = relive_app.mutation(books.add, "Emma")
    relive_app.mutation(books.borrow, id, "ada")
    relive_app.mutation(books.give_back, id)

    assert [type(event) for event in relive_app.documents(Event)] == [Borrowed, Returned]
    assert [event.late for event in relive_app.documents(Returned)] == [False]
    assert relive_app.documents(Borrowed)[0].by == "ada"


def test_errors_come_out_and_nothing_was_written(relive_app: TestApp) -> None:
    id = relive_app.mutation(books.add, "Emma")
    relive_app.mutation(books.borrow, id, "ada")
    before = relive_app.documents(Book)

    with pytest.raises(ApplicationError) as gone:
        relive_app.mutation(books.borrow, id, "eve")
    assert gone.value.data == {"code": "gone", "book": id}
    relive_app.mutation("books:add", title="Persuasion")
    with pytest.raises(FunctionFailed, match=r"(?s)ValueError: too many values.*books\.py\", line \d+, in only"):
        relive_app.query(books.only)
    with pytest.raises(FunctionFailed, match=r"ArgumentValidationError: books:add: .*title"):
        relive_app.mutation("books:add", title=5)
    with pytest.raises(FunctionFailed, match="Could not find public function for 'books:nothing'"):
        relive_app.query("books:nothing")
    assert relive_app.documents(Book)[:1] == before


def test_a_function_that_does_not_come_out_the_same_twice_is_reported() -> None:
    with TestApp({"counting": COUNTING}) as app, pytest.raises(FunctionFailed, match="Irreproducible"):
        app.query("counting:counted")
    with TestApp({"counting": COUNTING}, twice=False) as app:
        assert [app.query("counting:counted"), app.query("counting:counted")] == [0, 1]


def test_arguments_that_python_would_refuse_are_refused(relive_app: TestApp) -> None:
    with pytest.raises(TypeError, match="books:add takes 1 arguments, and 2 were given"):
        relive_app.mutation(books.add, "a", "b")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="books:add got more than one value for `title`"):
        relive_app.mutation(books.add, "a", title="b")  # type: ignore[misc]


def test_a_watch_sees_every_result_once(relive_app: TestApp) -> None:
    watch = relive_app.watch(books.shelf)
    emma = relive_app.mutation(books.add, "Emma")
    relive_app.mutation(books.borrow, emma, "ada")
    relive_app.mutation("books:draw", count=Int64(1))

    assert [[book.title for book in result] for result in watch.results] == [[], ["Emma"], [], ["drawn"]]
    assert watch.latest[0].title == "drawn"


def test_a_watch_sees_failures_and_recovers(relive_app: TestApp) -> None:
    watch = relive_app.watch(books.only)
    with pytest.raises(FunctionFailed, match="not enough values"):
        _ = watch.latest
    relive_app.mutation(books.add, "Emma")

    assert watch.latest == "Emma"
    assert [type(outcome) for outcome in watch.outcomes] == [FunctionFailed, str]
    with pytest.raises(FunctionFailed):
        _ = watch.results


def test_a_watched_page_keeps_its_end_when_rows_come_in(relive_app: TestApp) -> None:
    for title in ("b", "d"):
        relive_app.mutation(books.add, title)
    watch = relive_app.watch("books:titles", paginationOpts={"numItems": 2, "cursor": None})
    relive_app.mutation(books.add, "a")
    relive_app.restart()
    relive_app.mutation(books.add, "c")

    shown = [[row["title"] for row in result["page"]] for result in watch.results]
    assert shown[0] == ["b", "d"]
    assert shown[-1] == ["a", "b", "c", "d"]


def test_time_stands_still_until_the_test_moves_it(relive_app: TestApp) -> None:
    assert relive_app.now == START
    emma = relive_app.mutation(books.add, "Emma")
    relive_app.mutation(books.borrow, emma, "ada")
    watch = relive_app.watch(books.overdue)
    relive_app.advance(books.LENT_S - 1)
    assert relive_app.query(books.overdue) == []

    relive_app.advance(timedelta(seconds=2))
    assert relive_app.query(books.overdue) == ["Emma"]
    assert relive_app.now == START + timedelta(days=14, seconds=1)
    relive_app.now = START
    assert relive_app.query(books.overdue) == []
    assert watch.results == [[]]
    with pytest.raises(ValueError, match="no time zone"):
        relive_app.now = datetime(2024, 1, 1)
    assert abs(relive_app.documents(Book)[0].creation_time - START.timestamp() * 1000) < 1


def test_one_seed_gives_one_history() -> None:
    def history(seed: int) -> tuple[str, list[int]]:
        with TestApp(FOLDER, seed=seed, start=datetime(2030, 1, 1, tzinfo=UTC)) as app:
            return app.mutation(books.add, "Emma"), app.mutation(books.draw, Int64(5))

    assert history(1) == history(1)
    assert history(1)[0] != history(2)[0]
    assert history(1)[1] != history(2)[1]


def test_environment_variables_are_set_and_wake_who_reads_them(relive_app: TestApp) -> None:
    watch = relive_app.watch(books.opening_hours)
    assert relive_app.env == {"HOURS": "9 to 5"}
    relive_app.set_env(HOURS=None, LEVEL="debug")

    assert watch.results == ["9 to 5", "unknown"]
    assert relive_app.env == {"LEVEL": "debug"}


def test_what_was_answered_survives_a_restart(relive_app: TestApp) -> None:
    watch = relive_app.watch(books.shelf)
    emma = relive_app.mutation(books.add, "Emma")
    rows = relive_app.documents("books")
    relive_app.restart()

    assert relive_app.documents("books") == rows
    relive_app.mutation(books.borrow, emma, "ada")
    assert [len(result) for result in watch.results] == [0, 1, 0]
    assert relive_app.env == {"HOURS": "9 to 5"}


def test_a_handler_of_the_test_runs_in_a_transaction(relive_app: TestApp) -> None:
    watch = relive_app.watch(books.shelf)

    async def prepare(ctx: MutationCtx) -> str:
        await ctx.db.insert("books", {"title": "Emma"})
        return await ctx.db.insert("books", {"title": "Persuasion", "due": None})

    async def fail(ctx: MutationCtx) -> None:
        await ctx.db.insert("books", {"title": "never"})
        raise LookupError("as it is")

    assert relive_app.run(prepare) == relive_app.documents(Book)[1].id
    with pytest.raises(LookupError, match="as it is"):
        relive_app.run(fail)
    with pytest.raises(DatabaseError):
        relive_app.run(lambda ctx: ctx.db.insert("books", {"title": 5}))
    assert [[book.title for book in result] for result in watch.results] == [[], ["Emma", "Persuasion"]]


def test_a_migration_runs_to_its_end(relive_app: TestApp) -> None:
    for title in ("a", "b", "c"):
        relive_app.mutation(books.add, title)
    row = relive_app.migrate(books.shout)

    assert (row.state, row.processed, row.changed) == ("done", 3, 3)
    assert [book.title for book in relive_app.documents(Book)] == ["A", "B", "C"]
    assert relive_app.migrate("books:shout", restart=True).changed == 0
    with pytest.raises(MigrationRefused, match="is done"):
        relive_app.migrate("books:shout")


def test_a_deploy_switches_the_code_under_a_watch() -> None:
    with TestApp({"notes": NOTES.format(type="str", version="1 ")}) as app:
        watch = app.watch("notes:texts")
        app.mutation("notes:add", text="x")
        app.deploy({"notes": NOTES.format(type="str", version="2 ")})
        app.restart()
        with pytest.raises(SchemaMismatch):
            app.deploy({"notes": NOTES.format(type="int", version="3 ")})
        app.mutation("notes:add", text="y")

        assert watch.results == [[], ["1 x"], ["2 x"], ["2 x", "2 y"]]


def test_an_app_that_cannot_be_served_is_refused_as_by_the_server() -> None:
    with pytest.raises(AppInvalid, match="notes"), TestApp({"notes": "def broken(:"}):
        pass
    with pytest.raises(AppInvalid, match="there is no such folder"), TestApp("nowhere at all"):
        pass
    with pytest.raises(ValueError, match="not the package of an app"), TestApp(books):
        pass


def test_modules_that_the_test_imported_are_back_afterwards() -> None:
    names = [name for name in sys.modules if "library" in name]
    before, finders = {name: sys.modules[name] for name in names}, list(sys.meta_path)
    with TestApp(library) as app:
        assert app.mutation(books.add, "Emma")

    assert {name: sys.modules[name] for name in names} == before
    assert [name for name in sys.modules if "library" in name] == names
    assert sys.meta_path == finders
    with pytest.raises(RuntimeError, match="not running"):
        app.query(books.shelf)


async def test_calls_work_where_trio_runs(relive_app: TestApp) -> None:
    await trio.lowlevel.checkpoint()
    relive_app.mutation(books.add, "Emma")

    assert relive_app.query(books.only) == "Emma"
