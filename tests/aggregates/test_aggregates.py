"""Aggregates: counts, sums, least and greatest, ranks and positions equal what going through all documents gives."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.checkpoints import fold
from relive.actors.sums import NOTHING, Sums
from relive.actors.version import Unread
from relive.engine.application.codecs import definer
from relive.engine.application.functions import mutation, query
from relive.engine.data.aggregates import aggregate
from relive.engine.data.schema import UNSET, Document, Id, Int64, Record, Unset, field, nested
from relive.engine.errors import AppInvalid, IndexStaged
from relive.engine.execution.calls import Call
from relive.engine.execution.live_queries import LiveQueries
from relive.engine.transactions.aggregation import Aggregated
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.operations import increment
from relive.engine.transactions.overlay import Overlay
from relive.engine.transactions.usage import TransactionLimits
from relive.log.entry import LSN
from relive.protocol.order import sort_key

from ..engine.bench import Bench, bench_of, open_bench, text_of, value_of
from ..engine.test_checkpoints import in_small_segments, never
from ..engine.test_conflicts import mutate, second_executor


class Sale(Document):
    shop: str = field()
    day: int = field(default=0)
    price: float | int | Unset | None = field(default=UNSET)
    units: int = field(default=0)
    big: Int64 = field(default=Int64(0))
    note: str = ""
    by_day = aggregate(by=(shop, day), sum=price)
    total = aggregate(sum=units)
    bigs = aggregate(by=(shop,), sum=big)
    board = aggregate(by=(shop, units))


class Money(Record):
    amount: int
    currency: str = "EUR"


class Bill(Document):
    owner: str = field()
    money: Money = field()
    tip: Money | None = field(default=None)
    by_owner = aggregate(by=(owner, money.currency), sum=money.amount)
    tips = aggregate(by=(owner,), sum=nested("tip.amount"))


PRICES = (
    UNSET,
    None,
    0.1,
    0.2,
    0.3,
    -0.1,
    1e16,
    -1e16,
    1e308,
    -1e308,
    5e-324,
    0.0,
    -0.0,
    3.0,
    math.inf,
    -math.inf,
    math.nan,
)
shops, days = st.sampled_from("ab"), st.integers(0, 3)
prices = st.sampled_from(PRICES) | st.floats()
sales = st.builds(
    lambda shop, day, price, units, big: {"shop": shop, "day": day, "price": price, "units": units, "big": Int64(big)},
    shops, days, prices, st.integers(-3, 3), st.integers(-(2**40), 2**40),
)  # fmt: skip
writes = st.tuples(st.sampled_from(["insert", "insert", "replace", "delete", "reprice"]), st.integers(0, 99), sales)
R = TypeVar("R")
Write = tuple[str, int, dict[str, Any]]
ranges = st.tuples(
    st.lists(shops, max_size=1), st.fixed_dictionaries({}, optional={"gte": days, "lt": days}), st.integers(-1, 4)
)
Range = tuple[list[str], dict[str, int], int]


async def write(ctx: MutationCtx, ids: list[Any], change: Write) -> None:
    verb, position, values = change
    if verb == "insert" or not ids:
        ids.append(await ctx.db.insert(Sale(**values)))
        return
    id = ids[position % len(ids)]
    if verb == "replace":
        await ctx.db.replace(id, Sale(**values))
    elif verb == "reprice":
        database: Any = ctx.db
        await database.patch(id, price=values["price"], units=values["units"])
    else:
        await ctx.db.delete(id)
        ids.remove(id)


def exact_sum(numbers: list[Any]) -> float:
    """What the floats add up to, added as fractions and rounded once."""
    special = [number for number in numbers if not math.isfinite(number)]
    if special:
        return math.nan if len({repr(number) for number in special}) > 1 else float(special[0])
    total = sum(map(Fraction, numbers), Fraction())
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def by_hand(documents: list[Sale], read: Range) -> list[Any]:
    """Everything that is asked of a range, from all documents of the table."""
    equal, bounds, day = read
    if not equal:
        bounds = {}
    in_order = sorted(documents, key=lambda sale: (sale.shop, sale.day, sale.creation_time, sale.id))
    found = [
        sale
        for sale in in_order
        if [sale.shop] == equal or not equal
        if bounds.get("gte", -9) <= sale.day < bounds.get("lt", 9)
    ]
    numbers = [sale.price for sale in found if isinstance(sale.price, (int, float))]
    ordered = sorted((number for number in numbers if not math.isnan(number)), key=sort_key)
    ranked = [sale for sale in found if (sale.day < day if equal else sale.shop < "b")]
    return [
        len(found), repr(exact_sum(numbers) + 0.0), repr(ordered[0] if ordered else None),
        repr(ordered[-1] if ordered else None), len(ranked), [sale.id for sale in found],
        [sale.id for sale in found[::-1]],
        sum(sale.units for sale in documents), len(documents),
    ]  # fmt: skip


async def asked(ctx: QueryCtx, read: Range) -> list[Any]:
    equal, bounds, day = read
    database: Any = ctx.db
    made = database.aggregate(Sale.by_day, *equal, **(bounds if equal else {}))
    whole = ctx.db.aggregate(Sale.total)
    count = await made.count()
    first = [await made.at(position) for position in range(count + 1)]
    last = [await made.at(-1 - position) for position in range(count + 1)]
    assert first.pop() is None
    assert last.pop() is None
    return [
        count, repr(await made.sum() + 0.0), repr(await made.min()), repr(await made.max()),
        await made.rank(day if equal else "b"), [sale.id for sale in first], [sale.id for sale in last],
        await whole.sum(), await whole.count(),
    ]  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(writes, max_size=6), max_size=5), st.lists(writes, max_size=6), ranges)
def test_whatever_was_written_an_aggregate_is_what_going_through_all_documents_gives(
    history: list[list[Write]], own: list[Write], read: Range
) -> None:
    bench = bench_of(Sale)
    ids: list[Any] = []
    before: list[tuple[Any, list[Any]]] = []

    async def now(ctx: QueryCtx) -> list[Any]:
        return by_hand(await ctx.db.query(Sale).collect(), read)

    async def handler(ctx: MutationCtx) -> list[list[Any]]:
        mine = list(ids)
        for change in own:
            await write(ctx, mine, change)
        return [await asked(ctx, read), await now(ctx)]

    for step in history:

        async def commit(ctx: MutationCtx, step: list[Write] = step) -> None:
            for change in step:
                await write(ctx, ids, change)

        bench.write(commit)
        before.append((bench.database.runtime.tables.position, bench.read(now)))
    tables, tail = bench.database.runtime.tables, bench.database.runtime.tail
    found, wanted = bench.run(handler).result
    assert found == wanted
    for lsn, then in before:
        past = Overlay.of_the_past(tables, tail, lsn)
        assert ask(bench, lambda ctx: asked(ctx, read), (past, lsn)) == then
    again = bench.reopen()
    again.check()
    assert ask(again, lambda ctx: asked(ctx, read)) == bench.read(now)


def ask(bench: Bench, question: Callable[[QueryCtx], Awaitable[R]], past: tuple[Overlay, LSN] | None = None) -> R:
    """What one question to the database gives, now or in the past."""

    async def handler(ctx: QueryCtx) -> R:
        return await question(ctx)

    return bench.read(handler, past)


async def all_sales(ctx: QueryCtx) -> list[Sale]:
    return await ctx.db.query(Sale).collect()


keys = st.binary(min_size=1, max_size=2)
numbers = st.none() | st.floats() | st.integers(-(2**53), 2**53) | st.sampled_from([0, 0.0, -0.0, 1, 1.0])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(keys, st.none() | st.tuples(numbers)), max_size=40), keys, keys)
def test_the_same_numbers_add_up_to_the_same_whatever_their_history(
    steps: list[tuple[bytes, tuple[Any] | None]], start: bytes, stop: bytes
) -> None:
    grown, left = Sums(lambda document: document), {}  # type: ignore[arg-type,return-value]
    for key, put in steps:
        if put is not None:
            change = grown.replace if key in left else grown.add
            change(key, put[0])
            left[key] = put[0]
        elif key in left:
            del left[key]
            grown.remove(key)
    at_once = Sums(grown.number_of)
    at_once.fill(sorted(left.items()))
    one_by_one = NOTHING
    for key, number in sorted(left.items(), reverse=True):
        if start <= key < stop:
            one_by_one = one_by_one.plus(grown.of(number))

    grown.check(sorted(left.items()))
    at_once.check(sorted(left.items()))
    assert repr(grown.within(start, stop)) == repr(at_once.within(start, stop)) == repr(one_by_one)
    assert repr(grown.within(b"", None).rounded()) == repr(at_once.within(b"", None).rounded())


def test_adding_up_ten_times_as_many_does_not_take_ten_times_as_long() -> None:
    class Counted(bytes):
        """A key that counts how often it is compared."""

        looks = 0

        def __lt__(self, other: bytes) -> bool:
            Counted.looks += 1
            return bytes(self) < bytes(other)

        def __ge__(self, other: bytes) -> bool:
            Counted.looks += 1
            return bytes(self) >= bytes(other)

    def comparisons(size: int) -> int:
        sums = Sums(lambda document: document)  # type: ignore[arg-type,return-value]
        sums.fill((Counted(number.to_bytes(4, "big")), number) for number in range(size))
        Counted.looks = 0
        found = sums.within((10).to_bytes(4, "big"), (size - 10).to_bytes(4, "big"))
        assert found.exactly() == sum(range(10, size - 10))
        return Counted.looks

    assert comparisons(20_000) < 3 * comparisons(200)


@mutation
async def sell(ctx: MutationCtx, shop: str, day: int, price: float, units: int = 0) -> Id[Sale]:
    return await ctx.db.insert(Sale(shop=shop, day=day, price=price, units=units))


@mutation
async def correct(ctx: MutationCtx, id: Id[Sale], price: float) -> None:
    await ctx.db.patch(id, price=price)


@mutation
async def annotate(ctx: MutationCtx, id: Id[Sale]) -> None:
    await ctx.db.patch(id, note="checked")


@mutation
async def raise_units(ctx: MutationCtx, id: Id[Sale]) -> None:
    await ctx.db.merge(id, units=increment())


@mutation
async def drop(ctx: MutationCtx, id: Id[Sale]) -> None:
    await ctx.db.delete(id)


@mutation
async def close_day(ctx: MutationCtx, shop: str, day: int) -> float:
    """Write down what the day brought, in a shop of its own."""
    total = await ctx.db.aggregate(Sale.by_day, shop, day).sum() or 0.0
    await ctx.db.insert(Sale(shop="books", price=total))
    return total


@mutation
async def close_count(ctx: MutationCtx, shop: str) -> int:
    count = await ctx.db.aggregate(Sale.by_day, shop).count()
    await ctx.db.insert(Sale(shop="books", units=count))
    return count


@query
async def revenue(ctx: QueryCtx, shop: str, day: int) -> float:
    return await ctx.db.aggregate(Sale.by_day, shop, gte=day).sum() or 0.0


@query
async def number(ctx: QueryCtx, shop: str, day: int) -> int:
    return await ctx.db.aggregate(Sale.by_day, shop, gte=day).count()


@query
async def place(ctx: QueryCtx, shop: str, day: int) -> int:
    return await ctx.db.aggregate(Sale.by_day, shop).rank(day)


@query
async def last(ctx: QueryCtx, shop: str) -> str | None:
    found = await ctx.db.aggregate(Sale.by_day, shop).at(-1)
    return found.note if found is not None else None


FUNCTIONS: dict[str, Any] = {
    "sell": sell, "correct": correct, "annotate": annotate, "raise_units": raise_units, "drop": drop,
    "close_day": close_day, "close_count": close_count, "revenue": revenue, "number": number, "place": place,
    "last": last,
}  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    return bench_of(Sale, **FUNCTIONS)


def sold(bench: Bench, shop: str, day: int, price: float = 1.5) -> Any:
    return value_of(bench.mutate("app:sell", shop=shop, day=day, price=price))


def watch(bench: Bench, path: str, **args: object) -> LiveQueries[str]:
    live: LiveQueries[str] = bench.database.live
    live.follow()
    live.result(live.watch(Call(f"app:{path}", [args]), "w"))
    return live


def test_a_live_sum_runs_again_when_its_range_is_touched_and_only_then(bench: Bench) -> None:
    inside, outside, elsewhere = sold(bench, "a", 5), sold(bench, "a", 1), sold(bench, "b", 5)
    live = watch(bench, "revenue", shop="a", day=3)

    bench.mutate("app:correct", id=outside, price=9.0)
    bench.mutate("app:correct", id=elsewhere, price=9.0)
    bench.mutate("app:drop", id=outside)
    sold(bench, "a", 2)
    assert live.follow() == ()
    bench.mutate("app:correct", id=inside, price=2.0)
    assert live.follow() == ("w",)
    assert value_of(bench.query("app:revenue", shop="a", day=3)) == 2.0


@pytest.mark.parametrize("write", ["sell", "drop"])
def test_a_live_sum_runs_again_when_a_document_comes_or_goes(bench: Bench, write: str) -> None:
    inside = sold(bench, "a", 5)
    live = watch(bench, "revenue", shop="a", day=3)

    if write == "drop":
        bench.mutate("app:drop", id=inside)
    else:
        sold(bench, "a", 3)
    assert live.follow() == ("w",)


@pytest.mark.parametrize("path", ["number", "place"])
def test_counts_and_ranks_mind_which_documents_there_are_and_not_what_is_in_them(bench: Bench, path: str) -> None:
    first = sold(bench, "a", 2)
    sold(bench, "a", 7)
    live = watch(bench, path, shop="a", day=1 if path == "number" else 4)

    bench.mutate("app:correct", id=first, price=9.0)
    assert live.follow() == ()
    bench.mutate("app:drop", id=first)
    assert live.follow() == ("w",)


def test_the_document_at_a_position_is_read_and_of_the_others_that_they_are_there(bench: Bench) -> None:
    first, newest = sold(bench, "a", 1), sold(bench, "a", 7)
    live = watch(bench, "last", shop="a")

    bench.mutate("app:drop", id=first)
    assert live.follow() == ()
    bench.mutate("app:annotate", id=newest)
    assert live.follow() == ("w",)
    assert value_of(bench.query("app:last", shop="a")) == "checked"
    live.result(live.key_of(Call("app:last", [{"shop": "a"}])))
    last = sold(bench, "a", 9)
    assert live.follow() == ("w",)
    bench.mutate("app:drop", id=last)
    bench.mutate("app:drop", id=newest)
    bench.database.live.follow()
    assert value_of(bench.query("app:last", shop="a")) is None


@pytest.mark.parametrize(
    ("path", "args", "write", "conflicts"),
    [
        ("close_day", {"shop": "a", "day": 1}, ("sell", {"shop": "a", "day": 1, "price": 2.0}), 1),
        ("close_day", {"shop": "a", "day": 1}, ("sell", {"shop": "a", "day": 2, "price": 2.0}), 0),
        ("close_day", {"shop": "a", "day": 1}, ("correct", {"price": 2.0}), 1),
        ("close_day", {"shop": "a", "day": 1}, ("raise_units", {}), 1),
        ("close_count", {"shop": "a"}, ("correct", {"price": 2.0}), 0),
        ("close_count", {"shop": "a"}, ("drop", {}), 1),
        ("close_count", {"shop": "a"}, ("sell", {"shop": "b", "day": 1, "price": 2.0}), 0),
    ],
)
def test_what_an_aggregate_read_conflicts_with_later_writes_that_change_it(
    bench: Bench, path: str, args: dict[str, Any], write: tuple[str, dict[str, Any]], conflicts: int
) -> None:
    id = sold(bench, "a", 1, 1.0)
    second, _ = second_executor(bench)
    verb, values = write
    bench.mutate(f"app:{verb}", **(values if verb == "sell" else {"id": id, **values}))

    outcome = mutate(second, path, **args)
    assert second.conflicts == conflicts
    assert value_of(outcome) == value_of(mutate(bench.executor, path, **args))


def test_an_aggregate_reads_no_documents(bench: Bench) -> None:
    for day in range(20):
        sold(bench, "a", day)
    bench.executor.limits = TransactionLimits(documents_read=0, ranges_read=1)

    assert value_of(bench.query("app:revenue", shop="a", day=0)) == 30.0
    assert value_of(bench.query("app:number", shop="a", day=5)) == 15
    bench.executor.limits = TransactionLimits(documents_read=0)
    assert "too many documents read" in text_of(bench.query("app:last", shop="a"))


def test_an_entry_that_is_taken_back_takes_its_numbers_back(bench: Bench) -> None:
    id = sold(bench, "a", 1, 2.5)
    tables, tail = bench.database.runtime.tables, bench.database.runtime.tail
    bench.mutate("app:correct", id=id, price=4.0)
    sold(bench, "a", 1, 8.0)
    assert value_of(bench.query("app:revenue", shop="a", day=0)) == 12.0

    for committed in list(tail.newest_first())[:2]:
        tables.undo(committed)
        tables.check()
    assert ask(bench, lambda ctx: ctx.db.aggregate(Sale.by_day, "a").sum()) == 2.5


def test_a_start_from_a_checkpoint_adds_up_the_same(bench: Bench) -> None:
    for number in range(60):
        id = sold(bench, "ab"[number % 2], number % 7, number / 10)
        if number % 3 == 0:
            bench.mutate("app:drop", id=id)
    bench.flush()
    bench.database.log.close()
    storage = in_small_segments(bench.storage)
    assert fold(storage, never, definer_of=lambda recovery: definer(bench.executor.codecs)) is not None

    again = open_bench(bench.executor.app, storage)
    versions = again.database.runtime.tables.table("sales").versions.values()
    assert any(isinstance(version, Unread) for version in versions), "they were read to be added up, and not kept"
    sold(again, "a", 3, 0.1)
    again.check()
    found = value_of(again.query("app:revenue", shop="a", day=2))
    assert found == math.fsum(
        sale.price
        for sale in again.read(all_sales)
        if sale.shop == "a" and sale.day >= 2 and isinstance(sale.price, (int, float))
    )


def test_integers_are_added_exactly_and_an_int64_stays_one(bench: Bench) -> None:
    async def some(ctx: MutationCtx) -> None:
        for big in (2**62, 2**61, 1):
            await ctx.db.insert(Sale(shop="a", big=Int64(big), units=2**52))

    bench.write(some)
    total = ask(bench, lambda ctx: ctx.db.aggregate(Sale.bigs, "a").sum())
    assert total == 2**62 + 2**61 + 1
    assert type(total) is Int64
    assert ask(bench, lambda ctx: ctx.db.aggregate(Sale.total).sum()) == 3 * 2**52
    assert ask(bench, lambda ctx: ctx.db.aggregate(Sale.bigs, "a").max()) == 2**62


def test_an_aggregate_is_an_index_too(bench: Bench) -> None:
    sold(bench, "a", 3)
    sold(bench, "a", 1)

    days = ask(bench, lambda ctx: ctx.db.query(Sale).index(Sale.by_day, "a", gte=0).collect())
    assert [sale.day for sale in days] == [1, 3]


def test_fields_of_nested_records_are_added_up() -> None:
    bench = bench_of(Bill)

    async def some(ctx: MutationCtx) -> None:
        await ctx.db.insert(Bill(owner="a", money=Money(amount=3), tip=Money(amount=1)))
        await ctx.db.insert(Bill(owner="a", money=Money(amount=4)))
        await ctx.db.insert(Bill(owner="a", money=Money(amount=5, currency="USD")))

    bench.write(some)
    assert ask(bench, lambda ctx: ctx.db.aggregate(Bill.by_owner, "a", "EUR").sum()) == 7
    assert ask(bench, lambda ctx: ctx.db.aggregate(Bill.tips, "a").sum()) == 1


def test_what_cannot_be_asked_is_refused(bench: Bench) -> None:
    async def no_sum(ctx: QueryCtx) -> None:
        database: Any = ctx.db
        await database.aggregate(Sale.board, "a").sum()

    with pytest.raises(TypeError, match=r"Sale\.board adds nothing up: declare it with sum="):
        bench.read(no_sum)
    with pytest.raises(TypeError, match="an index declared with aggregate"):
        ask(bench, lambda ctx: ctx.db.aggregate(Sale.by_creation_time).count())  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"1 fields of Sale\.by_day are left, 2 values were given"):
        ask(bench, lambda ctx: ctx.db.aggregate(Sale.by_day, "a").rank(1, 2))
    with pytest.raises(TypeError, match="a whole number"):
        ask(bench, lambda ctx: ctx.db.aggregate(Sale.by_day, "a").at("1"))  # type: ignore[arg-type]


def test_what_cannot_be_declared_is_refused() -> None:
    with pytest.raises(TypeError, match="takes fields declared with field"):

        class Wrong(Document):
            price: int = field()
            total = aggregate(by=("price",), sum=price)

    class Text(Document):
        name: str = field()
        names = aggregate(sum=name)  # type: ignore[call-overload]

    class Staged(Document):
        price: int = field()
        total = aggregate(sum=price, staged=True)

    with pytest.raises(AppInvalid, match=r"Text\.names.*`name` holds no numbers"):
        bench_of(Text)
    with pytest.raises(IndexStaged):
        ask(bench_of(Staged), lambda ctx: ctx.db.aggregate(Staged.total).sum())


def test_an_empty_range_adds_up_to_nothing(bench: Bench) -> None:
    def made(ctx: QueryCtx) -> Aggregated[Any]:
        return ctx.db.aggregate(Sale.by_day, "nowhere", gte=3, lt=1)

    assert ask(bench, lambda ctx: made(ctx).count()) == 0
    assert ask(bench, lambda ctx: made(ctx).sum()) == 0.0
    assert ask(bench, lambda ctx: made(ctx).min()) is None
    assert ask(bench, lambda ctx: made(ctx).at(0)) is None
    assert ask(bench, lambda ctx: made(ctx).rank(2)) == 0
