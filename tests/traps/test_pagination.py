"""Pages that fit together, whatever is written while somebody reads them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from relive.engine import limits
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.execution.calls import Call
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions
from relive.protocol.results import QueryFailure, QuerySuccess

from ..engine.bench import Bench, failure_of, value_of
from .nodes import database


class Post(Document):
    board: str = field()
    rank: int = field()
    hidden: bool = False
    by_rank = index(board, rank)


@mutation
async def add(ctx: MutationCtx, rank: int, hidden: bool = False, board: str = "a") -> Id[Post]:
    return await ctx.db.insert(Post(board=board, rank=rank, hidden=hidden))


@mutation
async def remove(ctx: MutationCtx, rank: int) -> None:
    for post in await ctx.db.query(Post).index(Post.by_rank, "a", rank).collect():
        await ctx.db.delete(post.id)


@query
async def ranked(ctx: QueryCtx, paginationOpts: PaginationOptions, board: str = "a") -> Page[Post]:
    return await ctx.db.query(Post).index(Post.by_rank, board).paginate(paginationOpts)


@query
async def visible(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Post]:
    posts = ctx.db.query(Post).index(Post.by_rank, "a").filter(lambda post: not post.hidden)
    return await posts.paginate(paginationOpts)


@query
async def newest(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Post]:
    return await ctx.db.query(Post).order("desc").paginate(paginationOpts)


@pytest.fixture
def board() -> Bench:
    """Posts of the ranks 10, 20 ... 90."""
    bench = database(Post, add=add, remove=remove, ranked=ranked, visible=visible, newest=newest)
    for rank in range(10, 100, 10):
        bench.mutate("app:add", rank=rank)
    return bench


class Shown:
    """A page as a client holds it: it asks for it again with the journal that it was given."""

    def __init__(self, bench: Bench, cursor: str | None = None, items: int = 3, path: str = "ranked", **more: Any):
        self.bench, self.path, self.journal = bench, path, None
        names = ("endCursor", "maximumRowsRead", "maximumBytesRead")
        options = {name: more.pop(name) for name in names if name in more}
        self.args = {"paginationOpts": {"numItems": items, "cursor": cursor, **options}, **more}
        self.again()

    journal: str | None

    def again(self) -> Shown:
        result = self.bench.executor.query(Call(f"app:{self.path}", [self.args], journal=self.journal)).result
        self.result: QuerySuccess | QueryFailure = result
        self.journal = result.journal
        return self

    @property
    def ranks(self) -> list[int]:
        return [int(post["rank"]) for post in value_of(self.result)["page"]]

    @property
    def end(self) -> str:
        end: str = value_of(self.result)["continueCursor"]
        return end

    @property
    def is_done(self) -> bool:
        done: bool = value_of(self.result)["isDone"]
        return done

    def next(self, **options: Any) -> Shown:
        return Shown(self.bench, self.end, path=self.path, **options)


# Pages stay where they are.


def test_a_page_keeps_its_end_while_documents_come_and_go_in_it(board: Bench) -> None:
    """Three posts are three other posts after an insert: the last of them shows on the next page as well."""
    first = Shown(board)
    second = first.next()
    board.mutate("app:add", rank=15)
    board.mutate("app:add", rank=16)
    assert first.again().ranks + second.again().ranks == [10, 15, 16, 20, 30, 40, 50, 60]
    for rank in (10, 15, 16):
        board.mutate("app:remove", rank=rank)

    assert first.again().ranks + second.again().ranks == [20, 30, 40, 50, 60], "and nothing is pulled in from behind"


def test_a_page_run_again_with_its_journal_gives_the_same_page_and_journal(board: Bench) -> None:
    """A journal that is made anew each time drifts, and a kept result is never found under it."""
    page = Shown(board)
    result, journal = page.result, page.journal
    assert journal is not None

    assert (page.again().result, page.journal) == (result, journal)


def test_a_page_that_is_emptied_stays_a_page(board: Bench) -> None:
    """Without its end the empty page would read on into the next one."""
    first = Shown(board)
    for rank in (10, 20, 30):
        board.mutate("app:remove", rank=rank)

    assert (first.again().ranks, first.is_done) == ([], False)
    assert first.next().ranks == [40, 50, 60]


# Where a page ends.


def test_a_cursor_is_a_place_and_not_a_count(board: Bench) -> None:
    """After a deletion in front, an offset skips a document; after an insert it repeats one."""
    end = Shown(board).end
    board.mutate("app:remove", rank=10)
    board.mutate("app:remove", rank=30)
    assert Shown(board, end).ranks == [40, 50, 60]
    for rank in (1, 2, 3):
        board.mutate("app:add", rank=rank)

    assert Shown(board, end).ranks == [40, 50, 60]


def test_a_cursor_is_good_for_its_own_query_only_and_clients_are_told_to_start_over(board: Bench) -> None:
    """Read as a place of another index it gives nonsense; any other error stops the page for good."""
    end = Shown(board).end
    board.mutate("app:add", rank=1, board="b")
    wrong = [
        Shown(board, end, path="newest"),
        Shown(board, end, board="b"),
        Shown(board, end, path="visible"),
        Shown(board, end[:-2] + ("AA" if end[-2:] != "AA" else "BB")),
        Shown(board, "rubbish"),
        Shown(board, None, endCursor=Shown(board, path="newest").end),
    ]

    for page in wrong:
        failure = failure_of(page.result)
        assert "InvalidCursor" in failure.message
        expected = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}
        assert msgspec.json.decode(failure.data or b"") == expected


def test_a_cursor_is_good_after_a_restart(board: Bench) -> None:
    """Cursors that a process keeps, or seals with a key of its own, make every client start over."""
    end = Shown(board).end

    assert Shown(board.reopen(), end).ranks == [40, 50, 60]


# Pages that grow.


def test_a_page_that_has_grown_can_be_split_in_its_middle(board: Bench) -> None:
    """A page that only ever grows ends up with the whole table in it."""
    page = Shown(board, items=2)
    for rank in range(11, 20):
        board.mutate("app:add", rank=rank)
    value = value_of(page.again().result)
    halves = [
        Shown(board, None, 1, endCursor=value["splitCursor"]),
        Shown(board, value["splitCursor"], 1, endCursor=value["continueCursor"]),
    ]

    assert halves[0].ranks + halves[1].ranks == page.ranks == list(range(10, 21))
    assert {len(half.ranks) for half in halves} == {5, 6}


def test_a_page_says_when_it_should_be_split_and_when_it_has_to_be(
    board: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is not told loads pages until they reach a limit, and then none at all."""

    def status(page: Shown) -> Any:
        return value_of(page.result)["pageStatus"]

    end = Shown(board, items=9).end
    assert status(Shown(board, items=3, maximumRowsRead=9)) is None
    assert status(Shown(board, items=1, endCursor=end, maximumRowsRead=10)) == "SplitRecommended"
    cut = Shown(board, items=9, maximumRowsRead=4)
    assert (cut.ranks, status(cut)) == ([10, 20, 30, 40], "SplitRequired")
    monkeypatch.setattr(limits, "PAGE_ROWS_MAX", 5)
    assert status(Shown(board, items=9)) == "SplitRequired"


# The end.


def test_a_full_page_is_not_the_last_until_somebody_has_looked_behind_it(board: Bench) -> None:
    """Done because it is full, or not done because it is not, are both wrong."""
    full = Shown(board, items=9)
    assert (len(full.ranks), full.is_done) == (9, False)
    behind = full.next()
    assert (behind.ranks, behind.is_done) == ([], True)
    board.mutate("app:add", rank=95)

    assert (full.again().ranks[-1], full.is_done) == (90, False)
    assert (behind.again().ranks, behind.is_done) == ([95], True), "the last page grows at the end"


def test_the_end_of_a_range_is_no_end_of_the_table(board: Bench) -> None:
    """What comes behind the range in the index is of another board, and a page reads none of it."""
    board.mutate("app:add", rank=1, board="b")
    evaluated = board.executor.query(Call("app:ranked", [{"paginationOpts": {"numItems": 99, "cursor": None}}]))
    last = Shown(board, items=99)

    assert (last.ranks[-1], last.is_done) == (90, True)
    (read,) = evaluated.reads
    assert read.stop is not None
    assert Shown(board, items=99, board="b").ranks == [1]
    assert Shown(board, last.end).ranks == []


def test_a_page_can_be_empty_and_not_the_last(board: Bench) -> None:
    """A client that stops at an empty page never sees what a filter lets through further on."""
    for rank in range(1, 10):
        board.mutate("app:add", rank=rank, hidden=True)
    page = Shown(board, items=2, path="visible", maximumRowsRead=5)
    assert (page.ranks, page.is_done) == ([], False)

    found: list[int] = []
    while not page.is_done:
        page = page.next(items=2, maximumRowsRead=5)
        found += page.ranks
    assert found == list(range(10, 100, 10))
