"""A list read page by page: a range of an index, in either order, with or without a filter."""

from __future__ import annotations

import builtins
from typing import Literal

from relive import Id, MutationCtx, Page, PaginationOptions, Query, QueryCtx, Record, mutation, query

from .schema import Post


class Where(Record):
    """Which posts."""

    board: str
    least: int | None = None
    visible: bool = False


def chosen(ctx: QueryCtx, where: Where, order: Literal["asc", "desc"]) -> Query[Post]:
    posts = ctx.db.query(Post)
    if where.least is None:
        posts = posts.index(Post.by_rank, where.board)
    else:
        posts = posts.index(Post.by_rank, where.board, gte=where.least)
    posts = posts.order(order)
    return posts.filter(lambda post: not post.hidden) if where.visible else posts


@query
async def list(
    ctx: QueryCtx, paginationOpts: PaginationOptions, where: Where, order: Literal["asc", "desc"] = "asc"
) -> Page[Post]:
    return await chosen(ctx, where, order).paginate(paginationOpts)


@query
async def whole(ctx: QueryCtx, where: Where, order: Literal["asc", "desc"] = "asc") -> builtins.list[Post]:
    return await chosen(ctx, where, order).collect()


@mutation
async def add(ctx: MutationCtx, board: str, ranks: builtins.list[int], hidden: bool = False) -> builtins.list[Post]:
    """Returns them as they are stored."""
    ids = [await ctx.db.insert(Post(board=board, rank=rank, hidden=hidden)) for rank in ranks]
    return [post for id in ids if (post := await ctx.db.get(id)) is not None]


@mutation
async def change(ctx: MutationCtx, id: Id[Post], rank: int, hidden: bool = False) -> bool:
    """Move it, unless it is gone.  Whether it was there."""
    if await ctx.db.get(id) is None:
        return False
    await ctx.db.patch(id, rank=rank, hidden=hidden)
    return True


@mutation
async def remove(ctx: MutationCtx, ids: builtins.list[Id[Post]]) -> None:
    for id in ids:
        await ctx.db.delete(id)
