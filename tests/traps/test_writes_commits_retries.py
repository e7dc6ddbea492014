"""What a commit is, what happens when it cannot be, and when the world hears of it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from relive.actors.errors import WritesRefused
from relive.engine.application.functions import internal_mutation, mutation, query
from relive.engine.data.schema import UNSET, Document, Id, Int64, field, index
from relive.engine.errors import ApplicationError, DocumentMissing
from relive.engine.execution.calls import Call, Request
from relive.engine.limits import COMMIT_ATTEMPTS_MAX
from relive.engine.transactions.commit_timestamp import COMMIT_TIMESTAMP
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.usage import TransactionLimits
from relive.log.entry import LSN
from relive.protocol import cbor
from relive.protocol.results import MutationSuccess
from relive.protocol.values import size

from ..engine.bench import SESSION, Bench, failure_of, open_bench, text_of, value_of
from .nodes import SecondNode, Witness, database, disturbs
from .wire import Server


class Account(Document):
    owner: str = field()
    money: int = 0
    note: str = ""
    by_owner = index(owner)


class Event(Document):
    at: Int64 = field()
    by_at = index(at)


@mutation
async def deposit(ctx: MutationCtx, owner: str, amount: int = 1) -> int:
    print("deposit of", amount)
    account = await ctx.db.query(Account).index(Account.by_owner, owner).unique()
    if account is None:
        await ctx.db.insert(Account(owner=owner, money=amount))
        return amount
    return (await ctx.db.patch(account.id, money=account.money + amount)).money


@mutation
async def deposit_and_fail(ctx: MutationCtx, owner: str) -> None:
    await deposit(ctx, owner)
    raise ApplicationError({"owner": owner})


@mutation
async def deposit_and_return_nonsense(ctx: MutationCtx, owner: str) -> int:
    await deposit(ctx, owner)
    return cast(Any, "a lot")  # type: ignore[no-any-return]


@mutation
async def open_account(ctx: MutationCtx, owner: str) -> Id[Account]:
    if await ctx.db.query(Account).index(Account.by_owner, owner).first() is not None:
        raise ApplicationError("exists")
    return await ctx.db.insert(Account(owner=owner))


@internal_mutation
async def deposit_and_be_caught(ctx: MutationCtx, owner: str) -> None:
    await deposit(ctx, owner)
    raise ApplicationError("caught by the caller")


@mutation
async def balance_now(ctx: MutationCtx, owner: str) -> int:
    return await balance(ctx, owner)


@query
async def balance(ctx: QueryCtx, owner: str) -> int:
    account = await ctx.db.query(Account).index(Account.by_owner, owner).unique()
    return account.money if account is not None else 0


FUNCTIONS: dict[str, Any] = {
    "deposit": deposit, "deposit_and_fail": deposit_and_fail, "balance": balance, "balance_now": balance_now,
    "deposit_and_return_nonsense": deposit_and_return_nonsense, "deposit_and_be_caught": deposit_and_be_caught,
    "open_account": open_account,
}  # fmt: skip


@pytest.fixture
def bank() -> Bench:
    bench = database(Account, Event, **FUNCTIONS)
    bench.mutate("app:deposit", owner="ada", amount=10)
    return bench


def money(bank: Bench, owner: str) -> Any:
    return value_of(bank.query("app:balance", owner=owner))


def head(bank: Bench) -> LSN:
    return bank.database.runtime.tail.head


async def account_of(ctx: QueryCtx, owner: str) -> Account:
    account = await ctx.db.query(Account).index(Account.by_owner, owner).unique()
    assert account is not None
    return account


def patching(owner: str, **changes: Any) -> Any:
    async def patch(ctx: MutationCtx) -> Any:
        return await ctx.db.patch((await account_of(ctx, owner)).id, **changes)

    return patch


# What counts as a write.


def test_a_patch_that_changes_nothing_is_no_write(bank: Bench) -> None:
    """Storing it again invalidates every reader, conflicts with every writer, and fills the log."""

    async def read(ctx: QueryCtx) -> Any:
        return await account_of(ctx, "ada")

    async def there_and_back(ctx: MutationCtx) -> None:
        account = await account_of(ctx, "ada")
        await ctx.db.patch(account.id, money=99)
        await ctx.db.replace(account.id, Account(owner="ada", money=10))

    before = head(bank)
    assert not disturbs(bank, patching("ada", money=10, note=""), read)
    assert not disturbs(bank, there_and_back, read)
    assert head(bank) == before + 2, "of the two readers that wrote something, and of nobody else"


def test_changing_what_is_not_there_is_an_error(bank: Bench) -> None:
    """Taking it for a success loses the write in silence; creating it brings a deleted document back."""

    async def remove(ctx: MutationCtx) -> Id[Account]:
        id = (await account_of(ctx, "ada")).id
        await ctx.db.delete(id)
        return id

    id = bank.write(remove)
    for operation in ("patch", "replace", "delete"):

        async def change(ctx: MutationCtx, operation: str = operation) -> None:
            arguments = (Account(owner="ada"),) if operation == "replace" else ()
            await getattr(ctx.db, operation)(id, *arguments)

        with pytest.raises(DocumentMissing, match=operation):
            bank.run(change)


def test_a_patch_reads_what_it_changes_and_an_insert_reads_nothing(bank: Bench) -> None:
    """A patch merges into what it saw: committed over a newer version it takes back what others did."""
    id = bank.read(id_of_ada)
    second = SecondNode.of(bank)
    bank.write(patching("ada", note="rich"))

    async def raise_by_one(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, money=11)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert(Account(owner="ben"))

    assert bank.run(insert).reads == ()
    second.mutate(insert)
    assert second.conflicts == 0
    second.mutate(raise_by_one)
    assert second.conflicts == 1
    account = bank.read(ada)
    assert (account.money, account.note) == (11, "rich")


async def ada(ctx: QueryCtx) -> Account:
    return await account_of(ctx, "ada")


async def id_of_ada(ctx: QueryCtx) -> Id[Account]:
    return (await account_of(ctx, "ada")).id


def test_a_mutation_that_only_reads_is_as_of_its_snapshot_and_conflicts_with_nobody(bank: Bench) -> None:
    """Validating it makes reports fail that everybody writes beside; giving it the newest time is a lie."""
    second = SecondNode.of(bank)
    seen = bank.entry()
    bank.mutate("app:deposit", owner="ada")
    outcome = second.executor.mutate(Call("app:balance_now", [{"owner": "ada"}]), Request("client", SESSION, 99))

    assert value_of(outcome) == 10
    assert second.conflicts == 0
    assert isinstance(outcome.outcome, MutationSuccess)
    assert (outcome.outcome.ts, outcome.lsn) == (seen.ts, seen.lsn)
    assert head(bank) == seen.lsn + 1


def test_what_a_document_takes_includes_its_system_fields(bank: Bench) -> None:
    """Measuring what the function passed lets documents through that cannot be stored or read again."""
    bank.mutate("app:deposit", owner="cleo")
    body = bank.entry().writes[0].document
    assert body is not None
    needed = size(cbor.decode(body))

    bank.executor.limits = TransactionLimits(bytes_written=needed)
    assert value_of(bank.mutate("app:deposit", owner="dora")) == 1
    bank.executor.limits = TransactionLimits(bytes_written=needed - 1)
    assert "bytes written" in text_of(bank.mutate("app:deposit", owner="emma"))


# Time.


def test_timestamps_increase_in_the_order_of_commits_even_if_the_clock_does_not(bank: Bench) -> None:
    """A timestamp that is just the clock goes back with it, and two commits of one tick share one."""
    for jump in (0, -3600, 1, 0, -1):
        bank.clock.now_ns += jump * 10**9
        bank.clock.tick_ns = 0
        bank.mutate("app:deposit", owner="ada")
    bank.mutate("app:deposit", owner="ada")
    times = [bank.entry(LSN(lsn)).ts for lsn in range(1, head(bank) + 1)]

    assert times == sorted(set(times))
    assert bank.reopen().database.runtime.tail.head_ts >= times[-1]


def test_nobody_is_shown_a_moment_whose_past_is_not_on_the_disk_yet(bank: Bench) -> None:
    """Waiting for one's own write only shows, or dates, what a crash can still take back."""
    server = Server(bank)
    writer, watcher, bystander, reader, unlucky = clients = [server.client() for _ in range(5)]
    server.settle()
    writer.mutate("app:deposit", owner="ada")
    writer.say()
    watched = watcher.watch("app:balance", owner="ada")
    bystander.watch("app:balance", owner="somebody else")
    reader.mutate("app:balance_now", owner="somebody else")
    unlucky.mutate("app:deposit_and_fail", owner="somebody else")
    for client in clients:
        client.say()
    server.work()

    assert [client.hear() for client in clients] == [[]] * 5
    server.settle()
    assert [client.done for client in clients] == [[0], [], [], [0], [0]]
    assert watcher.shown(watched) == 11


def test_a_time_that_was_shown_is_never_given_to_something_else_after_a_crash(bank: Bench) -> None:
    """A time that comes from the clock and not from the log comes again after it is set back."""
    server = Server(bank)
    client = server.client()
    client.watch("app:balance", owner="ada")
    client.mutate("app:deposit", owner="ada")
    server.settle()
    client.mutate("app:deposit", owner="ada", amount=100)
    client.say()
    seen = client.session.max_observed
    assert seen is not None
    bank.storage.crash()
    bank.clock.now_ns -= 3600 * 10**9
    again = open_bench(bank.executor.app, bank.storage, bank.clock, bank.entropy)

    assert money(again, "ada") == 11
    assert again.database.runtime.tail.head_ts >= seen
    again.mutate("app:deposit", owner="ada", request=50)
    assert again.entry().ts > seen


def test_commit_timestamps_follow_the_log_where_creation_times_do_not(bank: Bench) -> None:
    """Created first is not committed first: who pages on by creation time misses what came late."""
    second = SecondNode.of(bank)

    async def announce(ctx: MutationCtx) -> str:
        return await ctx.db.insert(Event(at=COMMIT_TIMESTAMP))

    second.replica.before_commit = lambda: bank.write(announce)
    late = value_of(second.mutate(announce))
    events = bank.read(all_events)

    assert [event.id for event in events][-1] == late
    assert [int(event.at) for event in events] == [bank.entry(LSN(head(bank) - 1)).ts, bank.entry().ts]
    assert events[0].creation_time > events[1].creation_time


async def all_events(ctx: QueryCtx) -> list[Event]:
    return await ctx.db.query(Event).index(Event.by_at).collect()


# Running again.


def test_a_run_that_is_repeated_decides_anew_whether_it_may(bank: Bench) -> None:
    """Repeating only the writes, or the reads that conflicted, lets somebody act on a right that he lost."""
    second = SecondNode.of(bank)

    async def lock(ctx: MutationCtx) -> None:
        await ctx.db.patch((await account_of(ctx, "ada")).id, note="locked")

    async def withdraw(ctx: MutationCtx) -> None:
        account = await account_of(ctx, "ada")
        if account.note == "locked":
            raise ApplicationError("locked")
        await ctx.db.patch(account.id, money=account.money - 10)

    bank.write(lock)
    assert failure_of(second.mutate(withdraw)).data == b'"locked"'
    assert money(bank, "ada") == 10


def test_a_run_that_is_repeated_has_a_new_clock_and_seed_and_new_ids(bank: Bench) -> None:
    """With the old ones, what depends on time and chance is decided as of a moment that never was."""
    second = SecondNode.of(bank)
    runs: list[Any] = []

    async def draw(ctx: MutationCtx) -> None:
        account = await account_of(ctx, "ada")
        id = await ctx.db.insert(Account(owner=account.note))
        runs.append((ctx.now, ctx.random.random(), id))

    bank.mutate("app:deposit", owner="ada")
    second.mutate(draw)
    first, again = runs
    assert first[0] < again[0]
    assert all(one != other for one, other in zip(first, again, strict=True))


def test_a_run_that_is_repeated_is_heard_once(bank: Bench) -> None:
    """Log lines of runs that never counted make one call look like several."""
    second = SecondNode.of(bank)
    bank.mutate("app:deposit", owner="ada")

    outcome = second.executor.mutate(Call("app:deposit", [{"owner": "ada", "amount": 5}]), Request("client", None, 0))
    assert second.conflicts == 1
    assert isinstance(outcome.outcome, MutationSuccess)
    assert outcome.outcome.log_lines == bank.entry().logs == ("[LOG] 'deposit of 5'",)
    assert [execution.retries for execution in second.executor.executions.kept] == [1]


def test_an_error_of_the_function_is_told_at_once_and_not_tried_again(bank: Bench) -> None:
    """Repeating what fails by itself delays the answer, and the second try may succeed by accident."""
    runs: list[int] = []

    async def overdraw(ctx: MutationCtx) -> None:
        runs.append((await account_of(ctx, "ada")).money)
        raise ApplicationError("too little")

    second = SecondNode.of(bank)
    bank.mutate("app:deposit", owner="ada")
    assert failure_of(second.mutate(overdraw)).data == b'"too little"'
    assert runs == [10]


def test_contention_is_no_error_however_long_it_lasts(bank: Bench) -> None:
    """With a budget of retries and nothing behind it, busy documents fail calls at random."""
    second = SecondNode.of(bank)
    second.replica.before_commit = lambda: bank.mutate("app:deposit", owner="ada")
    outcome = second.executor.mutate(Call("app:deposit", [{"owner": "ada", "amount": 100}]), Request("http", None, 0))

    assert second.conflicts == COMMIT_ATTEMPTS_MAX
    assert value_of(outcome) == 110 + COMMIT_ATTEMPTS_MAX


def test_what_the_disk_refuses_is_not_the_functions_fault(bank: Bench) -> None:
    """Told as an error of the function it is given up; it should be tried again once there is room."""
    bank.flush()
    bank.storage.space = 0
    outcome = bank.mutate("app:deposit", owner="ada", request=7)
    Server(bank)

    assert money(bank, "ada") == 10, "taken back"
    with pytest.raises(WritesRefused):
        bank.mutate("app:deposit", owner="ada", request=7)
    bank.storage.space, bank.clock.now_ns = None, bank.clock.now_ns + 2 * 10**9
    assert value_of(bank.mutate("app:deposit", owner="ada", request=7)) == value_of(outcome) == 11


# All or nothing.


def test_an_error_that_leaves_the_function_takes_all_of_its_writes_along(bank: Bench) -> None:
    """Once an inner error was caught, writes after it are easily taken for a transaction of their own."""
    before = head(bank)

    async def transfer(ctx: MutationCtx) -> None:
        await deposit(ctx, "ada", -5)
        with pytest.raises(ApplicationError):
            await ctx.run_mutation(deposit_and_be_caught, "ben")
        await deposit(ctx, "cleo", 5)
        raise ValueError("after all")

    assert "after all" in text_of(SecondNode.of(bank).mutate(transfer))
    assert [money(bank, owner) for owner in ("ada", "ben", "cleo")] == [10, 0, 0]
    assert head(bank) == before


def test_a_result_is_checked_before_the_commit_and_not_after_it(bank: Bench) -> None:
    """Checked afterwards, the client is told of a failure that happened."""
    before = head(bank)

    assert "ReturnsValidationError" in text_of(bank.mutate("app:deposit_and_return_nonsense", owner="ada"))
    assert (money(bank, "ada"), head(bank)) == (10, before)


# Once.


def test_two_who_send_the_same_request_at_once_do_it_once(bank: Bench) -> None:
    """Looked up before the transaction and noted after it, the request is new to both."""
    second = SecondNode.of(bank)
    first = bank.mutate("app:deposit", owner="ada", request=5)
    resent = second.executor.mutate(Call("app:deposit", [{"owner": "ada"}]), Request("client", SESSION, 5))

    assert (resent.lsn, resent.outcome) == (first.lsn, first.outcome)
    assert money(bank, "ada") == 11


def test_a_request_that_was_done_is_answered_as_it_was_even_if_it_could_not_be_done_any_more(bank: Bench) -> None:
    """Run again to see what happens, it fails, and the client believes that its first try did."""
    first = bank.mutate("app:open_account", owner="ben", request=5)
    again = bank.mutate("app:open_account", owner="ben", request=5)

    assert (again.lsn, again.outcome) == (first.lsn, first.outcome)
    assert failure_of(bank.mutate("app:open_account", owner="ben", request=6)).data == b'"exists"'


def test_a_request_is_noted_in_the_entry_that_it_causes(bank: Bench) -> None:
    """In two steps, a crash between them either repeats the request or loses it."""
    bank.flush()
    bank.mutate("app:deposit", owner="ada", request=5)
    bank.storage.crash()
    again = open_bench(bank.executor.app, bank.storage, bank.clock, bank.entropy)
    assert money(again, "ada") == 10

    assert value_of(again.mutate("app:deposit", owner="ada", request=5)) == 11
    once_more = again.reopen()
    assert value_of(once_more.mutate("app:deposit", owner="ada", request=5)) == 11
    assert money(once_more, "ada") == 11


def test_a_request_that_failed_is_run_again_when_it_is_sent_again(bank: Bench) -> None:
    """Recording failures, too, makes a passing failure final."""
    assert failure_of(bank.mutate("app:deposit_and_fail", owner="ada", request=5)).data == b'{"owner":"ada"}'

    assert value_of(bank.mutate("app:deposit", owner="ada", request=5)) == 11
    assert value_of(bank.mutate("app:deposit", owner="ada", request=5)) == 11


@pytest.mark.parametrize("failing", ["arguments", "path", "result"])
def test_a_call_that_cannot_be_does_not_use_up_its_request(bank: Bench, failing: str) -> None:
    """A client that mends its arguments and sends them again would be given the old failure."""
    if failing == "arguments":
        assert "ArgumentValidationError" in text_of(bank.mutate("app:deposit", owner=5, request=5))
    elif failing == "path":
        assert "Could not find" in text_of(bank.mutate("app:deposits", owner="ada", request=5))
    else:
        bank.mutate("app:deposit_and_return_nonsense", owner="ada", request=5)

    assert value_of(bank.mutate("app:deposit", owner="ada", request=5)) == 11


# Ids.


def test_ids_follow_from_the_seed_alone(bank: Bench) -> None:
    """Drawn from the machine, a replay gives other ids, and everything that refers to them differs."""

    async def open_two(ctx: MutationCtx) -> Any:
        return [await ctx.db.insert(Account(owner="x")), await ctx.db.insert(Witness())]

    ran = bank.run(open_two)
    twin = ran.attempt.twin()
    endpoint = ran.attempt.endpoint
    assert endpoint is not None
    assert twin.drive(endpoint, dict) == ran.result
    assert len({*ran.result, *bank.run(open_two).result}) == 4


def test_a_field_that_is_removed_is_a_change_like_any_other(bank: Bench) -> None:
    """Comparing only the fields that are mentioned takes a removal for nothing."""

    async def write(ctx: MutationCtx) -> str:
        return await ctx.db.insert("loose", {"a": 1, "b": 2})

    id = bank.write(write)

    async def remove(ctx: MutationCtx) -> None:
        await ctx.db.patch(cast(Any, id), b=UNSET)

    async def read(ctx: QueryCtx) -> Any:
        return await ctx.db.get(cast(Any, id))

    assert disturbs(bank, remove, read)
    assert not disturbs(bank, remove, read)
