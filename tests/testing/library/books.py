"""Lending books."""

from __future__ import annotations

import random
import time

from relive import (
    UNSET,
    ApplicationError,
    Id,
    Int64,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    internal_mutation,
    migration,
    mutation,
    query,
)

from .schema import Book, Borrowed, Returned

LENT_S = 14 * 86_400.0


@mutation
async def add(ctx: MutationCtx, title: str) -> Id[Book]:
    print("adding", title)
    return await ctx.db.insert(Book(title=title))


@query
async def shelf(ctx: QueryCtx) -> list[Book]:
    return [book for book in await ctx.db.query(Book).collect() if book.borrowed_by is UNSET]


@query
async def titles(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Book]:
    return await ctx.db.query(Book).index(Book.by_title).paginate(paginationOpts)


@query
async def overdue(ctx: QueryCtx) -> list[str]:
    return [
        book.title for book in await ctx.db.query(Book).collect() if book.due is not None and book.due < time.time()
    ]


@query
async def only(ctx: QueryCtx) -> str:
    (book,) = await ctx.db.query(Book).collect()
    return book.title


@mutation
async def borrow(ctx: MutationCtx, book: Id[Book], by: str) -> Book:
    found = await ctx.db.get(book)
    if found is None or found.borrowed_by is not UNSET:
        raise ApplicationError({"code": "gone", "book": book})
    await ctx.db.insert(Borrowed(book=book, by=by))
    return await ctx.db.patch(book, borrowed_by=by, due=time.time() + LENT_S)


@mutation
async def give_back(ctx: MutationCtx, book: Id[Book]) -> None:
    found = await ctx.db.get(book)
    assert found is not None, "there is no such book"
    await ctx.db.insert(Returned(book=book, late=found.due is not None and found.due < time.time()))
    await ctx.db.patch(book, borrowed_by=UNSET, due=None)


@internal_mutation
async def draw(ctx: MutationCtx, count: Int64) -> list[int]:
    await ctx.db.insert(Book(title="drawn"))
    return [random.randrange(1_000) for _ in range(count)]


@query
async def opening_hours(ctx: QueryCtx) -> str:
    return ctx.env.get("HOURS", "unknown")


@migration(Book, batch=2)
async def shout(ctx: MutationCtx, book: Book) -> None:
    await ctx.db.patch(book.id, title=book.title.upper())
