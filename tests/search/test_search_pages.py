"""Pages of a search, and the other ways to read one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, text_index
from relive.engine.data.text_indexes import ANY
from relive.engine.errors import LimitReached, NotUnique
from relive.engine.execution.calls import Call
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions
from relive.protocol.results import QuerySuccess

from ..engine.bench import Bench, bench_of, open_bench, text_of, value_of
from ..engine.bench import app_of as app_of_classes
from .reference import matches, ranked


class Note(Document):
    body: str = field()
    owner: str = field()
    hidden: bool = False
    by_body = text_index(body, filters=(owner,))


@mutation
async def add(ctx: MutationCtx, body: str, owner: str = "x", hidden: bool = False) -> Id[Note]:
    return await ctx.db.insert(Note(body=body, owner=owner, hidden=hidden))


@mutation
async def drop(ctx: MutationCtx, id: Id[Note]) -> None:
    await ctx.db.delete(id)


@query
async def find(
    ctx: QueryCtx,
    paginationOpts: PaginationOptions,
    words: str = "a",
    owner: str | None = None,
    visible: bool = False,
) -> Page[Note]:
    found = ctx.db.query(Note).search(Note.by_body, words, ANY if owner is None else owner)
    if visible:
        found = found.filter(lambda note: not note.hidden)
    return await found.paginate(paginationOpts)


FUNCTIONS: dict[str, Any] = {"app:add": add, "app:drop": drop, "app:find": find}


def bench_with(*bodies: str) -> Bench:
    bench = open_bench(app_of_classes(Note, functions=FUNCTIONS))
    for body in bodies:
        value_of(bench.mutate("app:add", body=body))
    return bench


def page(bench: Bench, items: int, cursor: str | None = None, journal: str | None = None, **more: Any) -> Any:
    options = {"numItems": items, "cursor": cursor}
    options |= {name: more.pop(name) for name in ("endCursor", "maximumRowsRead") if name in more}
    return bench.executor.query(Call("app:find", [{"paginationOpts": options, **more}], journal=journal)).result


def ids(result: Any) -> list[str]:
    return [note["_id"] for note in value_of(result)["page"]]


def all_of(bench: Bench, words: str = "a") -> list[str]:
    """What there is to find, by the reference."""
    versions = bench.database.runtime.tables.table("notes").versions.values()
    return ranked(matches([version.document for version in versions], words, None))


def test_pages_follow_one_another_in_the_order_of_relevance() -> None:
    bench = bench_with("a", "a b", "b", "a b c", "c", "a a", "ab")
    first = page(bench, 2)
    second = page(bench, 2, value_of(first)["continueCursor"])
    third = page(bench, 2, value_of(second)["continueCursor"])
    assert [len(ids(each)) for each in (first, second, third)] == [2, 2, 1]
    assert ids(first) + ids(second) + ids(third) == all_of(bench)
    assert [value_of(each)["isDone"] for each in (first, second, third)] == [False, False, True]
    after = value_of(page(bench, 2, value_of(third)["continueCursor"]))
    assert (after["page"], after["isDone"]) == ([], True)


def test_more_than_a_search_gives_at_once_can_be_gone_through_by_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.engine.transactions.search.SEARCH_RESULTS_MAX", 3)
    monkeypatch.setattr("relive.engine.transactions.search.RANKED_FIRST", 2)
    monkeypatch.setattr("relive.engine.transactions.search.MORE_RANKED", 2)
    bench = bench_with(*["a " + "b " * number for number in range(9)])
    seen, cursor, done = list[str](), None, False
    while not done:
        given = value_of(page(bench, 4, cursor))
        seen += [note["_id"] for note in given["page"]]
        cursor, done = given["continueCursor"], given["isDone"]
    assert seen == all_of(bench)
    assert len(seen) == 9

    async def collect(ctx: QueryCtx) -> list[Note]:
        return await ctx.db.query(Note).search(Note.by_body, "a").collect()

    with pytest.raises(LimitReached, match=r"take\(\) fewer, or paginate\(\)"):
        bench.read(collect)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "a b", "a a", "b", "ab c"]), max_size=8),
    st.lists(st.sampled_from(["a", "a b c d", "ab", "b"]) | st.integers(0, 9), max_size=5),
    st.integers(1, 4),
    st.booleans(),
)
def test_pages_that_are_watched_side_by_side_fit_together_whatever_is_written(
    bodies: list[str], writes: list[str | int], items: int, visible: bool
) -> None:
    bench = bench_with(*bodies)
    asked: list[tuple[str | None, str | None]] = []
    cursor, done = None, False
    while not done:
        given: Any = page(bench, items, cursor, visible=visible)
        asked.append((cursor, given.journal))
        cursor, done = value_of(given)["continueCursor"], value_of(given)["isDone"]
    for write in writes:
        there = all_of(bench)
        if isinstance(write, str):
            bench.mutate("app:add", body=write, hidden=len(there) % 2 == 0)
        elif there:
            bench.mutate("app:drop", id=there[write % len(there)])
        table = bench.database.runtime.tables.table("notes")
        shown = [id for id in all_of(bench) if not (visible and table.versions[id].document.hidden)]  # type: ignore[attr-defined]
        again = [page(bench, items, start, journal, visible=visible) for start, journal in asked]
        assert [id for each in again for id in ids(each)] == shown
        assert [value_of(each)["isDone"] for each in again] == [False] * (len(asked) - 1) + [True]
        for each, (start, journal) in zip(again, asked, strict=True):
            assert isinstance(each, QuerySuccess)
            assert each.journal == journal, start


def test_a_page_can_be_split_at_its_middle_and_a_filter_can_leave_it_empty() -> None:
    bench = bench_with(*["a"] * 5)
    value_of(bench.mutate("app:add", body="a", hidden=True))
    whole = value_of(page(bench, 9))
    halves = [
        page(bench, 1, endCursor=whole["splitCursor"]),
        page(bench, 1, whole["splitCursor"], endCursor=whole["continueCursor"]),
    ]
    assert ids(halves[0]) + ids(halves[1]) == all_of(bench)
    assert all(map(ids, halves))
    # The newest comes first, and is hidden.
    first = value_of(page(bench, 2, visible=True, maximumRowsRead=1))
    assert (first["page"], first["isDone"], first["pageStatus"]) == ([], False, "SplitRequired")
    assert ids(page(bench, 2, first["continueCursor"], visible=True)) == all_of(bench)[1:3]


def test_a_cursor_belongs_to_the_words_the_filters_and_the_tests_of_its_search() -> None:
    bench = bench_with("a", "a b", "a a")
    cursor = value_of(page(bench, 1))["continueCursor"]
    for other in ({"words": "b"}, {"words": "a b"}, {"words": "a."}, {"owner": "x"}, {"visible": True}):
        result = page(bench, 1, cursor, **other)
        if other == {"words": "a."}:
            assert len(ids(result)) == 1, "what is not looked for makes no difference"
        else:
            assert "InvalidCursor" in text_of(result), other
    for broken in ("", "abc", cursor[:-4], cursor.swapcase()):
        assert "InvalidCursor" in text_of(page(bench, 1, broken))
    assert "num_items must be at least 1" in text_of(page(bench, 0))


def test_a_search_for_nothing_is_one_empty_page() -> None:
    bench = bench_with("a")
    given = value_of(page(bench, 3, words="..."))
    assert (given["page"], given["isDone"], given["splitCursor"]) == ([], True, None)


def test_the_only_one_and_whether_there_is_any() -> None:
    bench = bench_of(Note)

    async def fill(ctx: MutationCtx) -> list[Id[Note]]:
        return [
            await ctx.db.insert(Note(body=body, owner="x", hidden=body == "b")) for body in ("a", "b", "b c", "日本")
        ]

    made = bench.write(fill)

    def only(words: str, visible: bool = False) -> tuple[str | None, bool]:
        async def read(ctx: QueryCtx) -> tuple[str | None, bool]:
            found = ctx.db.query(Note).search(Note.by_body, words)
            if visible:
                found = found.filter(lambda note: not note.hidden)
            one = await found.unique()
            return one.id if one is not None else None, await found.exists()

        return bench.read(read)

    assert only("a") == (made[0], True)
    assert only("本") == (made[3], True)
    assert only("x") == (None, False)
    assert only("b", visible=True) == (made[2], True)
    with pytest.raises(NotUnique) as caught:
        only("b")
    assert {caught.value.first, caught.value.second} == {made[1], made[2]}


def test_whether_there_is_any_depends_on_no_document() -> None:
    bench = bench_with("a")

    async def exists(ctx: MutationCtx) -> bool:
        return await ctx.db.query(Note).search(Note.by_body, "a").exists()

    ran = bench.run(exists)
    assert ran.result is True
    assert all(read.keys_only for read in ran.reads if read.index.table == "notes")
