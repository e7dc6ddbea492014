"""Accounts: what is taken from one comes to another, so the sum stays."""

from __future__ import annotations

from relive.engine.application.functions import mutation, query
from relive.engine.errors import ApplicationError
from relive.engine.transactions.context import MutationCtx, QueryCtx

from .schema import Account


async def find(ctx: QueryCtx, name: str) -> Account | None:
    return await ctx.db.query(Account).index(Account.by_name, name).unique()


@mutation
async def open(ctx: MutationCtx, name: str, amount: int) -> bool:
    """Whether there was no such account yet."""
    if await find(ctx, name) is not None:
        return False
    await ctx.db.insert(Account(name=name, amount=amount))
    return True


@mutation
async def transfer(ctx: MutationCtx, source: str, target: str, amount: int) -> list[int]:
    """What both have afterwards."""
    giver, taker = await find(ctx, source), await find(ctx, target)
    if giver is None or taker is None:
        raise ApplicationError("no such account")
    if giver.amount < amount:
        raise ApplicationError("not enough")
    await ctx.db.patch(giver.id, amount=giver.amount - amount)
    again = await find(ctx, target)
    assert again is not None
    await ctx.db.patch(again.id, amount=again.amount + amount)
    return [giver.amount - amount, again.amount + amount]


@query
async def balance(ctx: QueryCtx, name: str) -> int | None:
    account = await find(ctx, name)
    return None if account is None else account.amount


@query
async def total(ctx: QueryCtx) -> int:
    return sum([account.amount for account in await ctx.db.query(Account).collect()])


@query
async def richest(ctx: QueryCtx, names: list[str]) -> str | None:
    """Which reads it makes depends on what it reads."""
    best: Account | None = None
    for name in names:
        account = await find(ctx, name)
        if account is None:
            break
        if best is None or account.amount > best.amount:
            best = account
    return None if best is None else best.name
