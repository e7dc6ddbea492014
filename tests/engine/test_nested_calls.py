"""Functions that call functions: one transaction, one snapshot, one read set."""

from __future__ import annotations

import contextlib
from typing import Any, cast

import pytest
from relive.engine.application.functions import internal_mutation, internal_query, mutation, query
from relive.engine.data.schema import Document, Id, Record, field, index
from relive.engine.errors import ApplicationError, LimitReached
from relive.engine.limits import CALL_DEPTH_MAX
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.usage import TransactionLimits

from .bench import Bench, bench_of, text_of, value_of


class Account(Document):
    owner: str = field()
    balance: int = 0
    by_owner = index(owner)


class Note(Document, table="notes"):
    text: str


class Deposit(Record):
    owner: str
    amount: int


@internal_query
async def balance(ctx: QueryCtx, owner: str) -> int:
    account = await ctx.db.query(Account).index(Account.by_owner, owner).unique()
    return account.balance if account is not None else 0


@internal_mutation
async def deposit(ctx: MutationCtx, owner: str, amount: int = 1, fails: bool = False) -> Id[Account]:
    account = await ctx.db.query(Account).index(Account.by_owner, owner).unique()
    if account is None:
        id = await ctx.db.insert(Account(owner=owner, balance=amount))
    else:
        id = (await ctx.db.patch(account.id, balance=account.balance + amount)).id
    if fails:
        raise ApplicationError({"after": amount})
    return id


@mutation
async def transfer(ctx: MutationCtx, giver: str, taker: str, amount: int, taker_fails: bool = False) -> list[int]:
    await ctx.run_mutation(deposit, giver, amount=-amount)
    try:
        await ctx.run_mutation(deposit, taker, amount, fails=taker_fails)
    except ApplicationError:
        await ctx.run_mutation(deposit, giver, amount=amount)
    return [await ctx.run_query(balance, giver), await ctx.run_query("app:balance", {"owner": taker})]


@mutation
async def careless(ctx: MutationCtx) -> None:
    await ctx.run_mutation(deposit, "a", 5)
    await ctx.run_mutation(deposit, "b", 5, fails=True)


@mutation
async def forgetful(ctx: MutationCtx) -> None:
    call = ctx.run_mutation
    forgotten = [call(deposit, "a")]
    forgotten.clear()


@mutation
async def forgetful_to_the_end(ctx: MutationCtx) -> None:
    forgotten = ctx.run_mutation(deposit, "a")
    assert forgotten is not None


@mutation
async def probe(ctx: MutationCtx, owner: str) -> list[str]:
    """Writes, calls something that writes, reads and fails, and tells what is left."""
    kept = await ctx.db.insert(Account(owner="kept"))
    await ctx.db.patch(kept, balance=1)
    with contextlib.suppress(ZeroDivisionError):
        await ctx.run_mutation(meddle, kept, owner)
    return sorted(f"{a.owner}={a.balance}" for a in await ctx.db.query(Account).collect())


@internal_mutation
async def meddle(ctx: MutationCtx, kept: Id[Account], owner: str) -> None:
    await ctx.db.delete(kept)
    await ctx.db.insert(Account(owner="new"))
    await ctx.db.insert("fresh", {"table": True})
    await ctx.run_mutation(deposit, owner, 7)
    print("meddled")
    1 / 0  # noqa: B018


@mutation
async def dig(ctx: MutationCtx, depth: int) -> int:
    return depth if depth == 0 else await ctx.run_mutation(dig, depth - 1)


@mutation
async def by_name(ctx: MutationCtx, target: str, kind: str, args: dict[str, Any]) -> Any:
    return await (ctx.run_query(target, args) if kind == "query" else ctx.run_mutation(target, args))


@internal_mutation
async def note_twice(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text))
    await ctx.db.insert(Note(text=text))


@mutation
async def hold_to(ctx: MutationCtx, written: int, again: bool = False) -> list[str]:
    problems = []
    for _ in range(2 if again else 1):
        try:
            await ctx.with_limits(TransactionLimits(documents_written=written)).run_mutation(note_twice, "x")
        except LimitReached as error:
            problems.append(str(error))
    await ctx.db.insert(Note(text="after"))
    return problems


@query
async def wrong(ctx: QueryCtx) -> int:
    return await ctx.run_query(not_a_number)


@internal_query
async def not_a_number(ctx: QueryCtx) -> int:
    number: int = cast(Any, "seven")
    return number


@mutation
async def stale_total(ctx: MutationCtx) -> list[int]:
    await ctx.db.insert(Account(owner="own", balance=100))
    return [await ctx.on_stale_snapshot().run_query(total), await ctx.run_query(total)]


@internal_query
async def total(ctx: QueryCtx) -> int:
    return sum(account.balance for account in await ctx.db.query(Account).collect())


@mutation
async def names(ctx: MutationCtx) -> list[str]:
    return [ctx.meta.function.name, *(await ctx.run_mutation(inner_names)), ctx.meta.function.name]


@internal_mutation
async def inner_names(ctx: MutationCtx) -> list[str]:
    return [ctx.meta.function.name, ctx.meta.function.visibility, ctx.meta.function.kind]


FUNCTIONS: dict[str, Any] = {
    "forgetful": forgetful, "forgetful_to_the_end": forgetful_to_the_end,
    "balance": balance, "deposit": deposit, "transfer": transfer, "careless": careless, "probe": probe,
    "meddle": meddle, "dig": dig, "by_name": by_name, "note_twice": note_twice, "hold_to": hold_to, "wrong": wrong,
    "not_a_number": not_a_number, "stale_total": stale_total, "total": total, "names": names,
    "inner_names": inner_names,
}  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    return bench_of(Account, Note, **FUNCTIONS)


def test_a_nested_call_is_part_of_its_callers_transaction(bench: Bench) -> None:
    outcome = bench.mutate("app:transfer", giver="a", taker="b", amount=3)

    assert value_of(outcome) == [-3, 3]
    assert outcome.lsn == bench.database.runtime.tail.head
    assert len(bench.entry().writes) == 2


def test_a_nested_failure_that_is_caught_undoes_what_it_wrote(bench: Bench) -> None:
    assert value_of(bench.mutate("app:transfer", giver="a", taker="b", amount=3, taker_fails=True)) == [0, 0]
    assert value_of(bench.query("app:total", admin=True)) == 0
    assert [write.table for write in bench.entry().writes].count("accounts") == 1


def test_a_nested_failure_that_is_not_caught_undoes_everything(bench: Bench) -> None:
    head = bench.database.runtime.tail.head

    assert "ConvexError" in text_of(bench.mutate("app:careless"))
    assert bench.database.runtime.tail.head == head


def test_what_a_failed_nested_call_changed_of_its_caller_is_as_it_was(bench: Bench) -> None:
    assert value_of(bench.mutate("app:probe", owner="kept")) == ["kept=1"]
    entry = bench.entry()
    assert entry.logs == ("[LOG] 'meddled'",)
    assert "fresh" not in {write.table for write in entry.writes}
    assert bench.database.catalog.number_of("fresh") is None
    bench.check()


def test_what_a_failed_nested_call_has_read_stays_read(bench: Bench) -> None:
    bench.mutate("app:probe", owner="somebody")
    read = {(each.index.index, each.start) for each in bench.entry().reads}
    bench.mutate("app:deposit", owner="somebody", admin=True)
    (looked_up,) = {(each.index.index, each.start) for each in bench.entry().reads if each.index.index == "by_owner"}

    assert looked_up in read


def test_calls_may_be_nested_so_deep_and_no_deeper(bench: Bench) -> None:
    assert value_of(bench.mutate("app:dig", depth=CALL_DEPTH_MAX - 1)) == 0
    problem = text_of(bench.mutate("app:dig", depth=CALL_DEPTH_MAX))
    assert f"too many functions that call one another: {CALL_DEPTH_MAX + 1}" in problem
    assert "plain functions that take ctx" in problem


def test_a_caller_can_set_lower_limits_and_go_on_when_they_are_reached(bench: Bench) -> None:
    (problem,) = value_of(bench.mutate("app:hold_to", written=1))

    assert "too many documents written: 2 in one transaction, 1 allowed" in problem
    notes = bench.database.runtime.tables.table("notes").versions.values()
    assert [version.document.text for version in notes] == ["after"]  # type: ignore[attr-defined]


def test_lower_limits_count_from_the_call_on(bench: Bench) -> None:
    assert value_of(bench.mutate("app:hold_to", written=2, again=True)) == []


def test_a_caller_cannot_raise_limits(bench: Bench) -> None:
    bench.executor.limits = TransactionLimits(documents_written=3)
    (problem,) = value_of(bench.mutate("app:hold_to", written=1_000, again=True))

    assert "too many documents written: 4 in one transaction, 3 allowed" in problem


def test_results_and_arguments_of_nested_calls_are_checked(bench: Bench) -> None:
    assert "ReturnsValidationError: app:not_a_number" in text_of(bench.query("app:wrong"))
    args: dict[str, Any] = {"target": "app:deposit", "kind": "mutation", "args": {"owner": 5}}
    assert "ArgumentValidationError: app:deposit" in text_of(bench.mutate("app:by_name", **args))


@pytest.mark.parametrize(
    ("path", "kind", "problem"),
    [
        ("app:nothing", "query", "Could not find"),
        ("not a path!", "query", "Could not find"),
        ("app:deposit", "query", "Trying to execute app.js:deposit as Query, but it is defined as Mutation"),
        ("app:balance", "mutation", "Trying to execute app.js:balance as Mutation, but it is defined as Query"),
    ],
)
def test_functions_that_cannot_be_called_are_named(bench: Bench, path: str, kind: str, problem: str) -> None:
    assert problem in text_of(bench.mutate("app:by_name", target=path, kind=kind, args={}))


def test_a_query_cannot_reach_a_mutation(bench: Bench) -> None:
    ran = bench.executor.prepare("query", lambda: bench.run(nothing).transaction)
    ran.begin()

    assert not hasattr(ran.ctx, "run_mutation")


async def nothing(ctx: MutationCtx) -> None:
    pass


def test_a_stale_snapshot_sees_no_own_writes_and_is_not_read(bench: Bench) -> None:
    bench.mutate("app:transfer", giver="a", taker="b", amount=3)
    bench.executor.codecs = dict(bench.executor.codecs)
    assert value_of(bench.mutate("app:stale_total")) == [0, 100]

    bench.executor.app.endpoints["app:stale_total"].function.handler = only_stale
    bench.mutate("app:stale_total")
    assert [each for each in bench.entry().reads if each.index.table == "accounts"] == []


async def only_stale(ctx: MutationCtx) -> list[int]:
    await ctx.db.insert(Note(text="so that there is an entry"))
    return [await ctx.on_stale_snapshot().run_query(total)]


def test_a_function_knows_which_one_it_is(bench: Bench) -> None:
    expected = ["app:names", "app:inner_names", "internal", "mutation", "app:names"]
    assert value_of(bench.mutate("app:names")) == expected


def test_positional_and_named_arguments_are_the_same(bench: Bench) -> None:
    bench.mutate("app:by_name", target="app:deposit", kind="mutation", args={"owner": "a", "amount": 2})
    bench.mutate("app:transfer", giver="b", taker="a", amount=2)

    assert value_of(bench.query("app:balance", admin=True, owner="a")) == 4


@pytest.mark.parametrize("path", ["forgetful", "forgetful_to_the_end"])
def test_a_call_that_was_not_awaited_is_named_and_so_is_who_forgot_it(bench: Bench, path: str) -> None:
    text = text_of(bench.mutate(f"app:{path}"))

    assert "forgetting to await MutationCalls.run_mutation() is not allowed" in text
    assert f"at mutation `app:{path}`" in text
