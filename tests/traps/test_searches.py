"""What a search has read: words and vectors, the old ones as well as the new, and whatever an order was made of."""

from __future__ import annotations

from typing import Any

import pytest
from relive.engine.data.schema import Document, Id, field, text_index, vector_index
from relive.engine.data.text_indexes import ANY
from relive.engine.transactions.context import MutationCtx, QueryCtx

from ..engine.bench import Bench
from .nodes import database, disturbs


class Film(Document):
    year: int = field()
    title: str = field()
    embedding: list[float] | None = field(default=None)
    seen: bool = False
    by_title = text_index(title, filters=(year,))
    by_embedding = vector_index(embedding, dimensions=2, filters=(year,))


@pytest.fixture
def films() -> Bench:
    bench = database(Film)

    async def build(ctx: MutationCtx) -> None:
        await ctx.db.insert(Film(year=1979, title="Alien", embedding=[1.0, 0.0]))
        await ctx.db.insert(Film(year=1979, title="Stalker", embedding=[0.0, 1.0]))

    bench.write(build)
    return bench


def adding(year: int, title: str, embedding: list[float] | None = None) -> Any:
    async def add(ctx: MutationCtx) -> Id[Film]:
        return await ctx.db.insert(Film(year=year, title=title, embedding=embedding))

    return add


def patching(title: str, /, **changes: Any) -> Any:
    async def patch(ctx: MutationCtx) -> None:
        films = await ctx.db.query(Film).collect()
        await ctx.db.patch(next(film.id for film in films if film.title == title), **changes)

    return patch


def finding(words: str, year: int | None = None, count: int = 10) -> Any:
    async def find(ctx: QueryCtx) -> list[str]:
        found = ctx.db.query(Film).search(Film.by_title, words, ANY if year is None else year)
        return [film.title for film in await found.take(count)]

    find.__name__ = f"find_{words}_{year}_{count}"  # Live queries are the same if they are called the same.
    return find


def nearest(year: int | None = None) -> Any:
    async def near(ctx: QueryCtx) -> list[str]:
        wanted = {"year": year} if year is not None else None
        return [id for id, _ in await ctx.vector_search(Film.by_embedding, [1.0, 0.0], limit=1, filter=wanted)]

    near.__name__ = f"near_{year}"
    return near


def test_a_search_is_disturbed_by_words_that_come_and_by_words_that_go_and_by_no_others(films: Bench) -> None:
    """Testing only the new text misses whoever ceases to be found; recording the table wakes every search."""
    assert disturbs(films, adding(1986, "Aliens"), finding("alien"))
    assert disturbs(films, patching("Aliens", title="The Fly"), finding("alien"))
    assert not disturbs(films, adding(1982, "The Thing"), finding("alien"))
    assert not disturbs(films, patching("Stalker", title="Сталкер"), finding("alien"))


def test_a_search_that_found_nothing_is_disturbed_by_the_first_document_that_it_would_find(films: Bench) -> None:
    """Recording only the documents that were found records nothing here."""
    assert not disturbs(films, adding(1968, "2001"), finding("solaris"))
    assert disturbs(films, adding(1972, "Solaris"), finding("solaris"))


def test_the_last_word_of_a_search_is_disturbed_by_words_that_begin_so_and_the_others_are_not(films: Bench) -> None:
    """Recording whole words misses what is still being typed."""
    assert disturbs(films, adding(1986, "Aliens"), finding("ali"))
    assert not disturbs(films, adding(1997, "Alien: Resurrection"), finding("ali stalker"))


def test_a_search_with_a_filter_is_disturbed_where_both_the_words_and_the_filter_fit(films: Bench) -> None:
    """Recording words and filters apart wakes it for either."""
    assert not disturbs(films, adding(1986, "Alien"), finding("alien", 1979))
    assert not disturbs(films, adding(1979, "Mad Max"), finding("alien", 1979))
    assert disturbs(films, patching("Stalker", title="Alien II"), finding("alien", 1979))
    assert disturbs(films, patching("Alien II", year=1980), finding("alien", 1979))


def test_what_moves_the_order_of_a_search_disturbs_it(films: Bench) -> None:
    """Relevance by counts of the whole table lets an order change of which nobody who has read it hears."""
    films.write(adding(1979, "Alien Alien Alien"))
    first = finding("alien", count=1)
    assert disturbs(films, patching("Alien", title="Alien from very far away"), first)
    # Counted among the found alone, others make no difference to the order.
    before = films.read(first)
    assert not disturbs(films, adding(1980, "a text without it that is as long as some others are together"), first)
    assert films.read(first) == before


def test_a_document_that_a_search_found_and_did_not_give_may_change_where_no_word_is(films: Bench) -> None:
    """Recording all that was looked at wakes searches for likes and counters of documents that nobody saw."""
    films.write(adding(1997, "Alien Resurrection of an alien"))
    films.write(adding(1992, "Alien three"))
    first = finding("alien", count=1)
    (given,) = films.read(first)
    assert disturbs(films, patching(given, seen=True), first)
    others = [title for title in films.read(finding("alien")) if title != given]
    assert others
    assert not any(disturbs(films, patching(title, seen=True), first) for title in others)


def test_a_search_of_vectors_is_disturbed_by_vectors_that_come_move_and_go_where_its_filter_fits(films: Bench) -> None:
    """Recording the nearest, which were given, misses the one that becomes nearer."""
    assert disturbs(films, adding(1979, "Mad Max", [1.0, 0.1]), nearest(1979))
    assert disturbs(films, patching("Mad Max", embedding=[1.0, 0.2]), nearest(1979))
    assert disturbs(films, patching("Mad Max", year=1980), nearest(1979))
    assert not disturbs(films, patching("Mad Max", embedding=[1.0, 0.3]), nearest(1979))
    assert disturbs(films, patching("Mad Max", embedding=None), nearest())
    assert not disturbs(films, patching("Mad Max", year=1979), nearest(1979))


def test_a_search_of_vectors_is_not_disturbed_by_what_else_its_documents_hold(films: Bench) -> None:
    """Recording documents for ids and scores wakes it for each of their fields."""
    assert not disturbs(films, patching("Alien", seen=True), nearest())
    assert not disturbs(films, patching("Alien", title="Alien: the eighth passenger"), nearest(1979))
