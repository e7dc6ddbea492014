"""Operations that merge at commit: they do not look at what they change, so they do not conflict."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.errors import Conflict
from relive.engine.data.schema import UNSET, Document, Id, Int64, Unset, field, index
from relive.engine.errors import DocumentInvalid, DocumentMissing
from relive.engine.transactions.context import MutationCtx
from relive.engine.transactions.operations import append, increment, maximum, minimum
from relive.protocol import cbor

from .bench import Bench, bench_of


class Page(Document):
    title: str = ""
    views: int = field(default=0)
    exact: Int64 = Int64(0)
    seen: float | Unset = UNSET
    tags: list[str] = field(default_factory=list)
    by_views = index(views)


@pytest.fixture
def bench() -> Bench:
    return bench_of(Page)


def new_page(bench: Bench, **fields: Any) -> Id[Page]:
    async def make(ctx: MutationCtx) -> Id[Page]:
        return await ctx.db.insert(Page(**fields))

    return bench.write(make)


def page(bench: Bench, id: Id[Page]) -> Page:
    document: Any = bench.database.runtime.tables.get("pages", id)
    stored: Page = document.document
    return stored


def merging(id: Id[Page], **operations: Any) -> Any:
    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.merge(id, **operations)

    return handler


def test_operations_change_a_field_without_reading_it(bench: Bench) -> None:
    id = new_page(bench, views=2, tags=["a"])
    ran = bench.run(
        merging(id, views=increment(3), seen=maximum(7.5), tags=append("b", "c"), exact=increment(Int64(2)))
    )
    bench.database.runtime.commit(bench.commit_of(ran))

    assert [each for each in ran.reads if each.index.table == "pages"] == []
    stored = page(bench, id)
    assert (stored.views, stored.seen, stored.tags, stored.exact) == (5, 7.5, ["a", "b", "c"], 2)
    bench.check()


def test_merges_from_one_snapshot_all_count(bench: Bench) -> None:
    id = new_page(bench)
    rans = [bench.run(merging(id, views=increment(by))) for by in (1, 10, 100)]
    for ran in rans:
        bench.database.runtime.commit(bench.commit_of(ran))

    assert page(bench, id).views == 111
    document = bench.entry().writes[0].document
    assert document is not None
    assert cbor.decode(document)["views"] == 111  # type: ignore[index,call-overload]
    bench.check()
    assert page(bench.reopen(), id).views == 111


def test_a_merge_meets_a_patch_of_another_field(bench: Bench) -> None:
    id = new_page(bench)
    ran = bench.run(merging(id, views=increment()))

    async def rename(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, title="new")

    bench.write(rename)
    bench.database.runtime.commit(bench.commit_of(ran))
    assert (page(bench, id).title, page(bench, id).views) == ("new", 1)


def test_a_document_that_is_deleted_meanwhile_is_a_conflict(bench: Bench) -> None:
    id = new_page(bench)
    ran = bench.run(merging(id, views=increment()))

    async def delete(ctx: MutationCtx) -> None:
        await ctx.db.delete(id)

    bench.write(delete)
    with pytest.raises(Conflict):
        bench.database.runtime.commit(bench.commit_of(ran))


def look_at(kind: str, id: Id[Page]) -> Any:
    async def handler(ctx: MutationCtx) -> None:
        if kind == "get before":
            await ctx.db.get(id)
        await ctx.db.merge(id, views=increment())
        if kind == "get after":
            await ctx.db.get(id)
        if kind == "scan after":
            await ctx.db.query(Page).collect()
        if kind == "patch after":
            await ctx.db.patch(id, title="mine")

    return handler


@pytest.mark.parametrize("kind", ["get before", "get after", "scan after", "patch after"])
def test_who_looks_at_the_document_conflicts_after_all(bench: Bench, kind: str) -> None:
    id = new_page(bench)
    ran = bench.run(look_at(kind, id))
    bench.write(merging(id, views=increment()))

    with pytest.raises(Conflict):
        bench.database.runtime.commit(bench.commit_of(ran))
    assert page(bench, id).views == 1


def test_an_operation_that_changes_nothing_is_a_look(bench: Bench) -> None:
    id = new_page(bench, seen=9.0)

    async def handler(ctx: MutationCtx) -> None:
        await ctx.db.merge(id, seen=maximum(5.0))
        await ctx.db.insert(Page(title="depends on it"))

    ran = bench.run(handler)
    assert [each.index.index for each in ran.reads if each.index.table == "pages"] == ["by_id"]

    async def lower(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, seen=1.0)

    bench.write(lower)
    with pytest.raises(Conflict):
        bench.database.runtime.commit(bench.commit_of(ran))


def test_a_merge_that_no_longer_fits_is_a_conflict(bench: Bench) -> None:
    id = new_page(bench)
    ran = bench.run(merging(id, exact=increment(Int64(2**62))))
    bench.write(merging(id, exact=increment(Int64(2**62))))

    with pytest.raises(Conflict):
        bench.database.runtime.commit(bench.commit_of(ran))


def test_merges_of_a_rolled_back_call_are_undone_but_that_they_could_be_done_is_a_look(bench: Bench) -> None:
    id = new_page(bench)

    async def handler(ctx: MutationCtx) -> None:
        run = ctx._run
        await ctx.db.merge(id, views=increment(1))
        savepoint = run.savepoint()
        await ctx.db.merge(id, views=increment(10))
        run.rollback(savepoint)
        run.release()

    ran = bench.run(handler)
    bench.write(merging(id, views=increment(100)))
    with pytest.raises(Conflict):
        bench.database.runtime.commit(bench.commit_of(ran))
    bench.write(handler)
    assert page(bench, id).views == 101


@pytest.mark.parametrize(
    ("operations", "problem"),
    [
        ({"title": increment(1)}, r"needs a number to add to, not str \(at \$\.title\)"),
        ({"tags": increment(1)}, r"needs a number to add to, not list \(at \$\.tags\)"),
        ({"views": append(1)}, r"needs an array to add to, not int \(at \$\.views\)"),
        ({"exact": increment(0.5)}, "whole numbers only"),
        ({"views": increment(Int64(1))}, "a number cannot be incremented by an Int64"),
        ({"tags": append(5)}, "Expected `str`"),
        ({"nothing": increment(1)}, "nothing"),
        ({"creation_time": increment(1)}, "belongs to the database"),
    ],
)
def test_an_operation_that_does_not_fit_names_the_field(bench: Bench, operations: Any, problem: str) -> None:
    id = new_page(bench)
    with pytest.raises(DocumentInvalid, match=problem):
        bench.run(merging(id, **operations))


def test_a_value_is_no_operation(bench: Bench) -> None:
    id = new_page(bench)
    with pytest.raises(TypeError, match=r"takes an operation, as increment\(1\)"):
        bench.run(merging(id, views=5))


def test_a_missing_document_is_named_and_its_absence_is_read(bench: Bench) -> None:
    id = new_page(bench)

    async def delete(ctx: MutationCtx) -> None:
        await ctx.db.delete(id)

    async def try_it(ctx: MutationCtx) -> None:
        with pytest.raises(DocumentMissing, match="merge"):
            await ctx.db.merge(id, views=increment())

    bench.write(delete)
    assert [each.index.index for each in bench.run(try_it).reads if each.index.table == "pages"] == ["by_id"]


def test_the_smaller_and_the_greater_are_those_of_the_order_of_values(bench: Bench) -> None:
    id = new_page(bench, seen=2.0)
    bench.write(merging(id, seen=minimum(1.0)))
    assert page(bench, id).seen == 1.0
    bench.write(merging(id, seen=minimum(3.0), title=maximum("z")))
    assert (page(bench, id).seen, page(bench, id).title) == (1.0, "z")


steps = st.one_of(
    st.tuples(st.just("views"), st.integers(-5, 5).map(increment)),
    st.tuples(st.just("seen"), st.integers(0, 9).map(lambda n: maximum(float(n)))),
    st.tuples(st.just("tags"), st.sampled_from("ab").map(append)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(steps, min_size=1, max_size=3), st.integers(0, 3)), min_size=1, max_size=12))
def test_merges_at_any_lag_give_what_doing_one_after_another_gives(workload: Any) -> None:
    bench = bench_of(Page)
    id = new_page(bench)
    waiting: list[tuple[int, Any]] = []
    views, seen, tags = 0, None, 0
    for number, (operations, lag) in enumerate(workload):

        async def handler(ctx: MutationCtx, operations: Any = operations) -> None:
            for name, operation in operations:
                await ctx.db.merge(id, **{name: operation})

        waiting.append((number + lag, bench.run(handler)))
        for due, ran in list(waiting):
            if due <= number:
                commit_again(bench, ran, waiting, due)
    for due, ran in list(waiting):
        commit_again(bench, ran, waiting, due)
    for operations, _ in workload:
        for name, operation in operations:
            views += operation.by if name == "views" else 0
            tags += name == "tags"
            seen = max(seen or 0.0, operation.value) if name == "seen" else seen
    stored = page(bench, id)
    assert stored.views == views
    assert len(stored.tags) == tags
    assert stored.seen == (seen if seen is not None else UNSET)
    bench.check()


def commit_again(bench: Bench, ran: Any, waiting: list[tuple[int, Any]], due: int) -> None:
    """Commit; what was a look (nothing changed) may conflict, and is then right to do nothing."""
    waiting.remove((due, ran))
    if ran.transaction.changes():
        try:
            bench.database.runtime.commit(bench.commit_of(ran))
        except Conflict:
            assert [each for each in ran.reads if each.index.table == "pages"], "a pure merge never conflicts"
            bench.write(ran.attempt.endpoint.function.handler)
