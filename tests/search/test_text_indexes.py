"""Text indexes as they are declared, deployed and described, and searches that are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.checkpoints import fold
from relive.actors.errors import Conflict
from relive.actors.version import Unread
from relive.engine.application.app import load_bundle
from relive.engine.application.bundle import bundle_of
from relive.engine.application.codecs import definer
from relive.engine.application.spec import tables_spec
from relive.engine.codegen.tables import data_model_types
from relive.engine.data.schema import Int64
from relive.engine.deployment.app_changes import AppChanges
from relive.engine.errors import AppInvalid, IndexStaged, IndexUnknown
from relive.engine.execution.calls import Call
from relive.engine.history.comparison import compare_states
from relive.engine.history.reexecution import verify_again
from relive.engine.limits import TEXT_KEYS_MAX
from relive.engine.transactions.search import SearchQuery

from relive import (
    ANY,
    UNSET,
    Document,
    Id,
    LimitReached,
    MutationCtx,
    QueryCtx,
    Record,
    Unset,
    field,
    increment,
    index,
    mutation,
    nested,
    query,
    text_index,
)
from relive.testing import TestApp

from ..engine.bench import SECRET, app_of, bench_of, open_bench, value_of
from ..engine.test_checkpoints import in_small_segments, never


class About(Record):
    title: str | Unset = UNSET


class Page(Document):
    about: About | None = field(default=None, name="aboutIt")
    body: str | None = field(default=None)
    rank: Int64 | None = field(default=None)
    owner: str = field(default="x")
    by_body = text_index(body, filters=(owner, rank))
    by_title = text_index(nested("about.title"))
    by_staged = text_index(body, staged=True)


class Other(Document):
    body: str = field()
    by_body = text_index(body)


@mutation
async def add(ctx: MutationCtx, body: str) -> Id[Other]:
    return await ctx.db.insert(Other(body=body))


@query
async def find(ctx: QueryCtx, words: str) -> list[str]:
    return [found.body for found in await ctx.db.query(Other).search(Other.by_body, words).take(20)]


FUNCTIONS: dict[str, Any] = {"app:add": add, "app:find": find}


def test_fields_of_records_missing_fields_and_int64_filters_are_found() -> None:
    bench = bench_of(Page)

    async def fill(ctx: MutationCtx) -> None:
        await ctx.db.insert(Page(about=About(title="Guide"), body="one two", rank=Int64(7)))
        await ctx.db.insert(Page(about=About(), body=None))
        await ctx.db.insert(Page(body="two three"))

    async def searched(ctx: QueryCtx) -> list[list[str | None]]:
        pages = ctx.db.query(Page)
        asked: list[SearchQuery[Page]] = [
            pages.search(Page.by_title, "gui"),
            pages.search(Page.by_body, "two", ANY, Int64(7)),
            pages.search(Page.by_body, "two", "x", None),
            pages.search(Page.by_body, "two", "y"),
            pages.search(Page.by_body, "two").filter(lambda page: page.rank is None),
        ]
        return [[page.body for page in await one.collect()] for one in asked]

    bench.write(fill)
    bench.check()
    assert bench.read(searched) == [["one two"], ["one two"], ["two three"], [], ["two three"]]


def test_what_was_found_may_be_written_while_it_is_gone_through() -> None:
    bench = bench_of(Other)

    async def fill(ctx: MutationCtx) -> None:
        for body in ("a", "a b", "a b c"):
            await ctx.db.insert(Other(body=body))

    async def handler(ctx: MutationCtx) -> list[str]:
        seen = []
        async for found in ctx.db.query(Other).search(Other.by_body, "a"):
            seen.append(found.body)
            for other in await ctx.db.query(Other).collect():
                if other.body == "a b c":
                    await ctx.db.delete(other.id)
                else:
                    await ctx.db.patch(other.id, body=other.body + "!")
        return seen

    bench.write(fill)
    assert bench.write(handler) == ["a", "a b!"]


def test_a_search_that_is_no_search_is_refused() -> None:
    bench = bench_of(Page, Other)

    async def ask(ctx: QueryCtx) -> None:
        pages: Any = ctx.db.query(Page)
        with pytest.raises(IndexUnknown, match=r"has no index 'Other\.by_body'; it has by_body, by_title, by_staged"):
            pages.search(Other.by_body, "x")
        with pytest.raises(IndexUnknown):
            pages.search(Page.by_creation_time, "x")
        with pytest.raises(IndexUnknown):
            pages.search("by_body", "x")
        with pytest.raises(IndexUnknown):
            pages.index(Page.by_body)
        with pytest.raises(IndexStaged):
            pages.search(Page.by_staged, "x")
        with pytest.raises(TypeError, match="has 2 filter fields, 3 values were given"):
            pages.search(Page.by_body, "x", 1, 2, 3)
        with pytest.raises(TypeError, match="looks for words in a text, not int"):
            pages.search(Page.by_body, 5)
        with pytest.raises(TypeError, match="call it on query"):
            pages.order("desc").search(Page.by_body, "x")
        with pytest.raises(ValueError, match="a count of 0 or more"):
            await pages.search(Page.by_body, "x").take(-1)
        with pytest.raises(LimitReached, match="too many words to search for: 17 in one"):
            pages.search(Page.by_body, "w " * 17)
        with pytest.raises(LimitReached, match="too many pairs of characters to search for: 98"):
            pages.search(Page.by_body, "".join(chr(0x4E00 + place) for place in range(99)))
        with pytest.raises(LimitReached, match=r"too many characters to search for: 5,000"):
            pages.search(Page.by_body, "w" * 5_000)
        assert repr(pages.search(Page.by_body, "secret")) == "<search in pages.by_body, not read yet>"

    bench.read(ask)


def test_more_results_than_may_be_are_an_error_unless_fewer_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.engine.transactions.search.SEARCH_RESULTS_MAX", 5)
    bench = bench_of(Other)

    async def fill(ctx: MutationCtx) -> None:
        for number in range(6):
            await ctx.db.insert(Other(body=f"same {number}"))

    async def ask(ctx: QueryCtx) -> tuple[int, int]:
        found = ctx.db.query(Other).search(Other.by_body, "same")
        with pytest.raises(LimitReached, match="too many results of a search: 6 in one transaction, 5 allowed"):
            await found.collect()
        return len(await found.take(5)), await found.count()

    bench.write(fill)
    assert bench.read(ask) == (5, 6)
    monkeypatch.setattr("relive.engine.transactions.search.SEARCH_KEYS_MAX", 5)

    async def too_many(ctx: QueryCtx) -> None:
        with pytest.raises(LimitReached, match="places in a text index looked at"):
            await ctx.db.query(Other).search(Other.by_body, "same x").first()

    bench.read(too_many)


def test_of_very_many_words_that_begin_so_the_first_are_found_and_no_others_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relive.engine.transactions.search.SEARCH_BEGUN_KEYS_MAX", 3)
    monkeypatch.setattr("relive.engine.transactions.search.SEARCH_KEYS_MAX", 4)
    bench = open_bench(app_of(Other, functions=FUNCTIONS))
    live: Any = bench.database.live
    live.follow()
    key = live.watch(Call("app:find", [{"words": "t"}]), "watcher")

    def found() -> set[str]:
        return set(value_of(live.result(key)))

    assert found() == set()
    for body, woken, finds in (
        ("tc", True, {"tc"}),
        ("td", True, {"tc", "td"}),
        ("te", True, {"tc", "td", "te"}),
        ("tf", False, {"tc", "td", "te"}),
        ("tb", True, {"tb", "tc", "td"}),
        ("te", False, {"tb", "tc", "td"}),
        ("t", True, {"t", "tb", "tc"}),
    ):
        value_of(bench.mutate("app:add", body=body))
        assert live.follow() == (("watcher",) if woken else ()), body
        assert found() == finds
    # Together with a word that is whole, as far as there is room.
    for words, finds in (("tc t", {"t", "tb", "tc"}), ("te t", {"t", "tb", "te"}), ("t t", {"t", "tb", "tc"})):
        assert set(value_of(bench.query("app:find", words=words))) == finds, words


def test_a_start_from_a_checkpoint_finds_the_words_of_documents_and_keeps_none_of_them_in_memory() -> None:
    bench = open_bench(app_of(Other, functions=FUNCTIONS))
    for number in range(60):
        value_of(bench.mutate("app:add", body=f"same {number}"))
    bench.flush()
    bench.database.log.close()
    storage = in_small_segments(bench.storage)
    assert fold(storage, never, definer_of=lambda recovery: definer(bench.executor.codecs)) is not None
    again = open_bench(bench.executor.app, storage)
    versions = again.database.runtime.tables.table("others").versions.values()
    unread = sum(isinstance(version, Unread) for version in versions)
    assert unread > 20
    assert value_of(again.query("app:find", words="7")) == ["same 7"]
    assert sum(isinstance(version, Unread) for version in versions) == unread - 1
    again.check()


def test_of_a_text_of_very_many_words_the_first_are_found() -> None:
    class Long(Document):
        body: str = field()
        a: int = field(default=0)
        b: int = field(default=0)
        by_body = text_index(body, filters=(a, b))

    bench = bench_of(Long)
    held = TEXT_KEYS_MAX // 4

    async def fill(ctx: MutationCtx) -> None:
        await ctx.db.insert(Long(body=" ".join(f"{number:x}z" for number in range(held + 1))))

    async def searched(ctx: QueryCtx) -> list[int]:
        words = (f"{held - 1:x}z", f"{held:x}z")
        return [await ctx.db.query(Long).search(Long.by_body, word, ANY, 0).count() for word in words]

    bench.write(fill)
    assert bench.read(searched) == [1, 0]
    assert len(bench.database.runtime.tables.table("longs").index("by_body").entries) == TEXT_KEYS_MAX


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=3), st.text(max_size=60))
def test_no_text_is_too_strange_to_be_stored_or_searched_for(bodies: list[str], words: str) -> None:
    bench = open_bench(app_of(Other, functions=FUNCTIONS))
    for body in bodies:
        value_of(bench.mutate("app:add", body=body))
    answer = bench.query("app:find", words=words)
    assert len(words.split()) > 8 or "Error" not in str(answer) or "too many" in str(answer)
    bench.check()
    bench.reopen().check()


def test_merges_that_move_a_document_into_what_was_searched_conflict() -> None:
    class Counted(Document):
        body: str = field()
        stars: int = field(default=0)
        by_body = text_index(body, filters=(stars,))

    bench = bench_of(Counted)

    async def fill(ctx: MutationCtx) -> Id[Counted]:
        return await ctx.db.insert(Counted(body="hello"))

    id = bench.write(fill)

    def star(searched: int | None) -> Any:
        async def handler(ctx: MutationCtx) -> None:
            if searched is not None:
                await ctx.db.query(Counted).search(Counted.by_body, "hello", searched).collect()
            await ctx.db.merge(id, stars=increment(1))

        return handler

    first, second = bench.run(star(2)), bench.run(star(7))
    bench.write(star(None))
    with pytest.raises(Conflict):
        bench.database.runtime.commit(bench.commit_of(first))
    bench.database.runtime.commit(bench.commit_of(second))
    bench.check()


def test_text_indexes_are_described() -> None:
    app = app_of(Page, Other)
    specs: Any = tables_spec(app)
    described = {spec["name"]: spec["searchIndexes"] for spec in specs}
    assert described["others"] == [{"name": "by_body", "searchField": "body", "filterFields": [], "staged": False}]
    assert described["pages"][0]["filterFields"] == ["owner", "rank"]
    assert described["pages"][1]["searchField"] == "aboutIt.title"
    types = data_model_types(app.tables.values())
    assert '"by_body": { searchField: "body"; filterFields: "owner" | "rank" };' in types
    assert '"by_title": { searchField: "aboutIt.title"; filterFields: never };' in types
    changes = AppChanges.between(app_of(Other), app)
    assert changes.indexes.added["pages.by_body"] == "words of body with (owner, rank)"
    assert changes.indexes.added["pages.by_staged"] == "words of body staged"


def test_a_deploy_adds_a_text_index_over_stored_documents_and_takes_it_away() -> None:
    def app(source: str) -> dict[str, str]:
        return {"notes": f"from relive import *\nclass Note(Document):\n{source}"}

    add_one = """
@mutation
async def add(ctx: MutationCtx, body: str) -> None:
    await ctx.db.insert(Note(body=body))
"""
    find_one = """
@query
async def find(ctx: QueryCtx, words: str) -> list[str]:
    return [note.body async for note in ctx.db.query(Note).search(Note.by_body, words)]
"""
    plain = "    body: str = field()\n"
    with TestApp(app(plain + add_one)) as test:
        for number in range(30):
            test.mutation("notes:add", body=f"note number {number % 10}")
        test.deploy(app(plain + "    by_body = text_index(body)\n" + add_one + find_one))
        assert len(test.query("notes:find", words="number 3")) == 30
        assert test.query("notes:find", words="3 xyz")[:3] == ["note number 3"] * 3
        test.deploy(app(plain + add_one))
        test.mutation("notes:add", body="more")


SEARCHING = """
from relive import Document, MutationCtx, field, mutation, text_index

class Note(Document):
    body: str = field()
    by_body = text_index(body)

@mutation
async def add(ctx: MutationCtx, body: str) -> list[str]:
    like = [note.body for note in await ctx.db.query(Note).search(Note.by_body, body).take(2)]
    await ctx.db.insert(Note(body=f"{body} {len(like)}"))
    return like
"""


def test_entries_that_searched_come_out_the_same_when_they_are_run_again() -> None:
    app = load_bundle("notes", bundle_of("notes", {"notes": SEARCHING.encode()}))
    bench = open_bench(app)
    try:
        for number in range(9):
            value_of(bench.mutate("notes:add", body=f"word{number % 3} same"))
        bench.flush()
        reader, last = bench.database.log.reader, bench.database.runtime.tail.head
        verification = verify_again(reader, SECRET, last=last)
        assert (verification.checked, verification.different, verification.first) == (9, 0, None)
        assert [state.problem for state in compare_states(reader, SECRET, last) if state.problem] == []
    finally:
        assert app.modules is not None
        app.modules.uninstall()


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("body: int = field()\n    by_body = text_index(body)", "`body` never holds text"),
        ("body: str = field()\n    by_body = text_index(nested('other'))", "has no field `other`"),
        ("body: str = field()\n    by_body = text_index(body, filters=(body,))", "takes each field once"),
        ("body: str = field()\n    by_body = text_index(body, filters=body)", "is a tuple of up to 16 fields"),
        ("body: str = field()\n    by_body = text_index('body')", "takes fields declared with field"),
        ("body: str = field()\n    by_id = text_index(body)", "every table has an index of that name already"),
        ("body: str = field()\n    _x = text_index(body)", "is named with up to 64 letters"),
        ("body: str = field()\n    by_x = text_index(nested('id'))", "fields of your own"),
    ],
)
def test_declarations_that_cannot_be_are_refused(declared: str, problem: str) -> None:
    def declare() -> None:
        namespace: dict[str, Any] = {}
        exec(f"from relive import *\nclass Note(Document):\n    {declared}", namespace)
        bench_of(namespace["Note"])

    with pytest.raises((TypeError, AppInvalid), match=problem):
        declare()


def test_an_index_and_a_text_index_cannot_share_a_name() -> None:
    class Base(Document):
        body: str = field()
        by_it = index(body)

    class Clash(Base, table="clashes"):
        other: str = field()
        by_it = text_index(other)  # type: ignore[assignment]

    with pytest.raises(AppInvalid, match="two indexes of table `clashes` are called `by_it`"):
        bench_of(Clash)
