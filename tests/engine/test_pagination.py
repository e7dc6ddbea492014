"""Pages of a query: no gap, no overlap, nothing read twice, whatever is written in between."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from relive.engine import limits
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, Record, index
from relive.engine.data.schema import field as stored
from relive.engine.execution.calls import Call
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions
from relive.engine.transactions.usage import TransactionLimits
from relive.protocol.results import QueryFailure, QuerySuccess

from .bench import Bench, bench_of, failure_of, text_of, value_of


class Post(Document):
    board: str = stored()
    rank: int = stored(default=0)
    hidden: bool = False
    by_rank = index(board, rank)


@mutation
async def add(ctx: MutationCtx, rank: int, hidden: bool = False, board: str = "a") -> Id[Post]:
    return await ctx.db.insert(Post(board=board, rank=rank, hidden=hidden))


@mutation
async def move(ctx: MutationCtx, id: Id[Post], rank: int) -> None:
    await ctx.db.patch(id, rank=rank)


@mutation
async def remove(ctx: MutationCtx, id: Id[Post]) -> None:
    await ctx.db.delete(id)


@query
async def ranked(
    ctx: QueryCtx, paginationOpts: PaginationOptions, down: bool = False, visible: bool = False
) -> Page[Post]:
    posts = ctx.db.query(Post).index(Post.by_rank, "a").order("desc" if down else "asc")
    if visible:
        posts = posts.filter(lambda post: not post.hidden)
    return await posts.paginate(paginationOpts)


@query
async def newest(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Post]:
    return await ctx.db.query(Post).order("desc").paginate(paginationOpts)


class Both(Record):
    ranked: Page[Post]
    newest: Page[Post]


@query
async def both(ctx: QueryCtx, first: PaginationOptions, second: PaginationOptions) -> Both:
    posts = ctx.db.query(Post)
    return Both(
        ranked=await posts.index(Post.by_rank, "a").paginate(first), newest=await posts.order("desc").paginate(second)
    )


@query
async def above(ctx: QueryCtx, rank: int, paginationOpts: PaginationOptions) -> Page[Post]:
    return await ctx.db.query(Post).index(Post.by_rank, "a", gt=rank).paginate(paginationOpts)


FUNCTIONS: dict[str, Any] = {
    "add": add, "move": move, "remove": remove, "ranked": ranked, "newest": newest, "both": both, "above": above,
}  # fmt: skip


def posts(count: int = 0) -> Bench:
    bench = bench_of(Post, **FUNCTIONS)
    for rank in range(count):
        bench.mutate("app:add", rank=rank)
    return bench


def page(
    bench: Bench,
    items: int = 3,
    cursor: str | None = None,
    path: str = "ranked",
    journal: str | None = None,
    **more: Any,
) -> QuerySuccess | QueryFailure:
    options = {"numItems": items, "cursor": cursor, "id": 7}
    options |= {name: more.pop(name) for name in ("endCursor", "maximumRowsRead", "maximumBytesRead") if name in more}
    call = Call(f"app:{path}", [{"paginationOpts": options, **more}], journal=journal)
    return bench.executor.query(call).result


def ranks(result: Any) -> list[int]:
    return [post["rank"] for post in value_of(result)["page"]]


def test_pages_follow_one_another_to_the_end() -> None:
    bench = posts(7)
    first = page(bench)
    second = page(bench, cursor=value_of(first)["continueCursor"])
    third = page(bench, cursor=value_of(second)["continueCursor"])

    assert [ranks(each) for each in (first, second, third)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [value_of(each)["isDone"] for each in (first, second, third)] == [False, False, True]
    after = value_of(page(bench, cursor=value_of(third)["continueCursor"]))
    assert (after["page"], after["isDone"]) == ([], True)


def test_a_full_last_page_is_not_done_until_the_end_was_seen() -> None:
    bench = posts(3)
    full = value_of(page(bench))
    assert (len(full["page"]), full["isDone"]) == (3, False)
    assert value_of(page(bench, cursor=full["continueCursor"]))["isDone"]


def test_a_page_that_runs_again_keeps_its_range_and_grows_and_shrinks() -> None:
    bench = posts(10)
    first = page(bench)
    assert isinstance(first, QuerySuccess)
    rest = value_of(first)["continueCursor"]
    bench.mutate("app:add", rank=1)
    bench.mutate("app:add", rank=2)
    again = page(bench, journal=first.journal)

    assert ranks(again) == [0, 1, 1, 2]  # The new 2 is behind the old one, where the next page begins.
    assert value_of(again)["continueCursor"] == rest
    assert ranks(page(bench, items=2, cursor=rest)) == [2, 3]
    assert isinstance(again, QuerySuccess)
    assert again.journal == first.journal


def test_the_last_page_grows_at_the_end() -> None:
    bench = posts(2)
    last = page(bench)
    assert isinstance(last, QuerySuccess)
    bench.mutate("app:add", rank=5)
    again = page(bench, journal=last.journal)

    assert ranks(again) == [0, 1, 5]
    assert value_of(again)["isDone"]


def test_with_an_end_cursor_all_up_to_there_is_given_whatever_the_count() -> None:
    bench = posts(9)
    start = value_of(page(bench, 2))["continueCursor"]
    end = value_of(page(bench, 7))["continueCursor"]
    result = value_of(page(bench, 1, start, endCursor=end, maximumRowsRead=1))

    assert [post["rank"] for post in result["page"]] == [2, 3, 4, 5, 6]
    assert (result["continueCursor"], result["isDone"]) == (end, False)


def test_a_page_can_be_split_at_its_middle() -> None:
    bench = posts(9)
    whole = value_of(page(bench, 9))
    split = whole["splitCursor"]
    halves = [page(bench, 1, None, endCursor=split), page(bench, 1, split, endCursor=whole["continueCursor"])]

    assert ranks(halves[0]) + ranks(halves[1]) == list(range(9))
    assert [len(ranks(half)) for half in halves] == [5, 4]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_pages_of_two_or_fewer_have_no_middle(count: int) -> None:
    assert value_of(page(posts(count), 5))["splitCursor"] is None


def test_a_filter_can_leave_a_page_empty_that_is_not_the_last() -> None:
    bench = posts()
    for rank in range(6):
        bench.mutate("app:add", rank=rank, hidden=rank < 5)
    first = value_of(page(bench, 2, visible=True, maximumRowsRead=3))

    assert (first["page"], first["isDone"], first["pageStatus"]) == ([], False, "SplitRequired")
    assert ranks(page(bench, 2, first["continueCursor"], visible=True)) == [5]


def test_read_limits_end_a_page_and_say_so() -> None:
    bench = posts(10)
    by_rows, by_bytes = page(bench, 9, maximumRowsRead=4), page(bench, 9, maximumBytesRead=1)

    assert (len(ranks(by_rows)), value_of(by_rows)["pageStatus"]) == (4, "SplitRequired")
    assert (len(ranks(by_bytes)), value_of(by_bytes)["pageStatus"]) == (1, "SplitRequired")
    assert value_of(page(bench, 3, maximumRowsRead=4))["pageStatus"] is None
    end = value_of(page(bench, 9))["continueCursor"]
    assert value_of(page(bench, 1, endCursor=end, maximumRowsRead=8))["pageStatus"] == "SplitRecommended"


def test_a_page_ends_before_the_transaction_has_read_too_much() -> None:
    bench = posts(10)
    bench.executor.limits = TransactionLimits(documents_read=4)

    assert (ranks(page(bench, 9)), value_of(page(bench, 9))["pageStatus"]) == ([0, 1, 2, 3], "SplitRequired")


def test_a_last_page_that_grows_beyond_what_can_be_read_ends_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = posts(3)
    last = page(bench, 10)
    assert value_of(last)["isDone"]

    monkeypatch.setattr(limits, "PAGE_ROWS_MAX", 5)
    for rank in range(3, 9):
        bench.mutate("app:add", rank=rank)
    grown = page(bench, 10, journal=last.journal)
    rest = page(bench, 10, cursor=value_of(grown)["continueCursor"])

    assert (ranks(grown), ranks(rest)) == ([0, 1, 2, 3, 4], [5, 6, 7, 8])
    assert [value_of(each)["isDone"] for each in (grown, rest)] == [False, True]
    assert value_of(grown)["pageStatus"] == "SplitRecommended"


@pytest.mark.parametrize("visible", [False, True])
def test_a_page_that_outgrows_the_limits_and_has_one_behind_it_makes_clients_start_over(
    monkeypatch: pytest.MonkeyPatch, visible: bool
) -> None:
    bench = posts(6)
    first = page(bench, 3, visible=visible)
    for _ in range(3):
        bench.mutate("app:add", rank=0, hidden=visible)

    if visible:
        bench.executor.limits = TransactionLimits(documents_read=5)
    else:
        monkeypatch.setattr(limits, "PAGE_ROWS_MAX", 5)
    failed = page(bench, 3, journal=first.journal, visible=visible)

    assert text_of(failed).startswith(
        "Uncaught ConvexError: InvalidCursor: the page has grown beyond what can be read at once. "
    )
    assert msgspec.json.decode(failure_of(failed).data or b"") == INVALID
    assert ranks(page(bench, 3, visible=visible)) == ([0, 1] if visible else [0, 0, 0])


def test_several_pages_in_one_function_keep_their_own_ends() -> None:
    bench = posts(6)
    args = {"first": {"numItems": 2, "cursor": None}, "second": {"numItems": 3, "cursor": None}}
    first = bench.executor.query(Call("app:both", [args])).result
    assert isinstance(first, QuerySuccess)
    bench.mutate("app:add", rank=1)
    bench.mutate("app:add", rank=0)
    again = value_of(bench.executor.query(Call("app:both", [args], journal=first.journal)).result)

    assert [post["rank"] for post in again["ranked"]["page"]] == [0, 0, 1]
    assert [post["rank"] for post in again["newest"]["page"]] == [0, 1, 5, 4, 3]


INVALID = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}


def test_cursors_belong_to_their_query_and_cannot_be_changed() -> None:
    bench = posts(9)
    cursor = value_of(page(bench))["continueCursor"]
    wrong = [
        page(bench, cursor=cursor, path="newest"),
        page(bench, cursor=cursor, down=True),
        page(bench, cursor=cursor, path="above", rank=2),
        page(bench, cursor=cursor[:-4] + ("AAAA" if cursor[-4:] != "AAAA" else "BBBB")),
        page(bench, cursor=cursor + "="),
        page(bench, cursor="x"),
        page(bench, cursor=""),
        page(bench, cursor="é" * 9),
        page(bench, endCursor="A" * 40),
    ]
    for result in wrong:
        failure = failure_of(result)
        assert "InvalidCursor" in failure.message
        assert msgspec.json.decode(failure.data or b"") == INVALID


def test_cursors_show_nothing_of_the_documents() -> None:
    bench = posts()
    bench.mutate("app:add", rank=1, board="a")
    bench.mutate("app:add", rank=2, board="a")
    cursors = {value_of(page(bench, 1))["continueCursor"] for _ in range(3)}

    (cursor,) = cursors  # The same place is the same text, so that equal pages are equal.
    assert value_of(page(bench, 1))["page"][0]["_id"] not in cursor


@pytest.mark.parametrize("journal", ["", "nonsense", "[1]", '{"a":1}', '{"e": 3}', "{" * 300_000])
def test_a_journal_that_no_query_wrote_fails_the_query_and_says_why(journal: str) -> None:
    failure = page(posts(3), journal=journal)

    assert isinstance(failure, QueryFailure)
    assert "InvalidCursor" in failure.message
    assert failure.journal == journal


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"items": 0}, "num_items must be at least 1"), ({"maximumRowsRead": 0}, "maximum_rows_read must be at least 1")],
)
def test_a_page_of_nothing_is_refused(options: dict[str, Any], problem: str) -> None:
    assert problem in text_of(page(posts(1), **options))


def test_a_query_that_fails_for_a_while_keeps_its_pages() -> None:
    bench = posts(9)
    first = page(bench)
    assert isinstance(first, QuerySuccess)
    bench.executor.limits = TransactionLimits(ranges_read=0)
    failure = page(bench, journal=first.journal)

    assert isinstance(failure, QueryFailure)
    assert failure.journal == first.journal


@define
class Shown:
    """A page as a client has it."""

    cursor: str | None
    end: str | None = None
    journal: str | None = None
    ranks: list[tuple[int, str]] = field(factory=list)
    next: str = ""
    done: bool = False


@settings(max_examples=60, stateful_step_count=30, deadline=None)
class Scrolling(RuleBasedStateMachine):
    """A client that loads pages, splits them and reconnects, while posts come, move and go.

    The model: all posts in a list, sorted.  What the pages show together is always a beginning of it,
    without gap and without overlap.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bench = posts()
        self.down = False
        self.ids: list[str] = []
        self.shown = [Shown(None)]
        self.refresh()

    def refresh(self) -> None:
        """Every page as the server gives it now."""
        for each in self.shown:
            more: dict[str, Any] = {} if each.end is None else {"endCursor": each.end}
            result = page(self.bench, 3, each.cursor, journal=each.journal, down=self.down, **more)
            value = value_of(result)
            assert isinstance(result, QuerySuccess)
            each.journal = result.journal
            each.ranks = [(post["rank"], post["_id"]) for post in value["page"]]
            each.next, each.done = value["continueCursor"], value["isDone"]

    @rule(rank=st.integers(0, 6))
    def insert(self, rank: int) -> None:
        self.ids.append(value_of(self.bench.mutate("app:add", rank=rank)))
        self.refresh()

    @rule(position=st.integers(0, 99))
    def delete(self, position: int) -> None:
        if self.ids:
            self.bench.mutate("app:remove", id=self.ids.pop(position % len(self.ids)))
            self.refresh()

    @rule(position=st.integers(0, 99), rank=st.integers(0, 6))
    def change(self, position: int, rank: int) -> None:
        if self.ids:
            self.bench.mutate("app:move", id=self.ids[position % len(self.ids)], rank=rank)
            self.refresh()

    @rule()
    def load_more(self) -> None:
        last = self.shown[-1]
        if not last.done:
            self.shown.append(Shown(last.next))
            self.refresh()

    @rule(position=st.integers(0, 99))
    def split(self, position: int) -> None:
        number = position % len(self.shown)
        whole = self.shown[number]
        more: dict[str, Any] = {} if whole.end is None else {"endCursor": whole.end}
        value = value_of(page(self.bench, 3, whole.cursor, journal=whole.journal, down=self.down, **more))
        if value["splitCursor"] is not None:
            middle = value["splitCursor"]
            self.shown[number : number + 1] = [
                Shown(whole.cursor, middle), Shown(middle, value["continueCursor"])
            ]  # fmt: skip
            self.refresh()

    @rule()
    def restart(self) -> None:
        """Cursors and journals outlive the server."""
        self.bench = self.bench.reopen()
        self.refresh()

    @invariant()
    def the_pages_are_a_beginning_of_everything(self) -> None:
        stored = self.bench.database.runtime.tables.table("posts").versions.values()
        documents: list[Any] = [version.document for version in stored]
        model = sorted(documents, key=lambda post: (post.rank, post.creation_time))
        expected = [(post.rank, post.id) for post in model]
        together = [row for each in self.shown for row in each.ranks]
        assert together == expected[: len(together)]
        if self.shown[-1].done:
            assert len(together) == len(expected)

    @invariant()
    def every_page_ends_where_the_next_begins(self) -> None:
        for one, other in zip(self.shown, self.shown[1:], strict=False):
            assert one.next == other.cursor


TestScrolling = Scrolling.TestCase


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=20), st.integers(1, 4), st.booleans())
def test_a_page_reads_just_what_it_shows(given_ranks: list[int], items: int, down: bool) -> None:
    bench = posts()
    for rank in given_ranks:
        bench.mutate("app:add", rank=rank)
    call = Call("app:ranked", [{"paginationOpts": {"numItems": items, "cursor": None}, "down": down}])
    evaluated = bench.executor.query(call)
    shown = {post["_id"] for post in value_of(evaluated.result)["page"]}
    (read,) = evaluated.reads
    table = bench.database.runtime.tables.table("posts")

    covered = {version.id for key, version in table.index("by_rank").entries.items() if key in read}
    assert covered == shown
