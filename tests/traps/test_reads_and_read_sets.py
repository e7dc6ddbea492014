"""What a transaction has read, and which writes touch it."""

from __future__ import annotations

from typing import Any

import pytest
from relive.engine.application.functions import internal_mutation, internal_query, query
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.errors import ApplicationError, LimitReached
from relive.engine.execution.calls import Call
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.usage import TransactionLimits

from ..engine.bench import Bench, text_of, value_of
from .nodes import SecondNode, Witness, add_function, database, disturbs


class Seat(Document):
    row: str = field()
    number: int = field()
    taken: bool = False
    by_row = index(row, number)
    by_number = index(number)


@internal_query
async def seats_in(ctx: QueryCtx, row: str) -> list[int]:
    return [seat.number for seat in await ctx.db.query(Seat).index(Seat.by_row, row).collect()]


@internal_mutation
async def count_and_fail(ctx: MutationCtx, row: str) -> None:
    await ctx.db.insert(Seat(row=row, number=99))
    raise ApplicationError({"seats": len(await ctx.db.query(Seat).index(Seat.by_row, row).collect())})


@pytest.fixture
def hall() -> Bench:
    """Seats 1 to 5 in row A, and seat 1 in row C."""
    bench = database(Seat, seats_in=seats_in, count_and_fail=count_and_fail)

    async def build(ctx: MutationCtx) -> None:
        for number in range(1, 6):
            await ctx.db.insert(Seat(row="A", number=number))
        await ctx.db.insert(Seat(row="C", number=1))

    bench.write(build)
    return bench


def adding(row: str, number: int) -> Any:
    async def add(ctx: MutationCtx) -> Id[Seat]:
        return await ctx.db.insert(Seat(row=row, number=number))

    return add


def patching(row: str, number: int, /, **changes: Any) -> Any:
    async def patch(ctx: MutationCtx) -> None:
        seat = await ctx.db.query(Seat).index(Seat.by_row, row, number).unique()
        assert seat is not None
        await ctx.db.patch(seat.id, **changes)

    return patch


def removing(row: str, number: int) -> Any:
    async def remove(ctx: MutationCtx) -> None:
        seat = await ctx.db.query(Seat).index(Seat.by_row, row, number).unique()
        assert seat is not None
        await ctx.db.delete(seat.id)

    return remove


async def row_a(ctx: QueryCtx) -> Any:
    return await ctx.db.query(Seat).index(Seat.by_row, "A").collect()


# Ranges, not rows.


def test_an_empty_range_that_was_read_conflicts_with_an_insert_into_it(hall: Bench) -> None:
    """Recording the documents that were found records nothing here, and lets the phantom in."""

    async def row_b(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Seat).index(Seat.by_row, "B").collect()

    assert disturbs(hall, adding("B", 1), row_b)


def test_a_document_that_appears_between_those_that_were_read_disturbs_the_reader(hall: Bench) -> None:
    """Recording the documents that were found would not see a new one among them."""

    assert disturbs(hall, adding("A", 6), row_a)
    assert not disturbs(hall, adding("B", 6), row_a)


def test_two_who_each_book_the_last_free_place_do_not_both_get_it(hall: Bench) -> None:
    """Without the empty range in the read set, both find the place free and both write."""

    async def book(ctx: MutationCtx) -> Any:
        if await ctx.db.query(Seat).index(Seat.by_row, "B").first() is None:
            return await ctx.db.insert(Seat(row="B", number=1))

    second = SecondNode.of(hall)
    assert hall.write(book) is not None
    assert value_of(second.mutate(book)) is None


# An early stop reads no further than it looked.


@pytest.mark.parametrize("how", ["first", "take", "loop"])
def test_an_early_stop_reads_up_to_the_last_document_it_took_and_no_further(hall: Bench, how: str) -> None:
    """Recording the whole range makes conflicts of writes that nobody looked at."""

    async def read(ctx: QueryCtx) -> Any:
        seats = ctx.db.query(Seat).index(Seat.by_row, "A", gte=2)
        if how == "first":
            return await seats.first()
        if how == "take":
            return await seats.take(1)
        async for seat in seats:
            return seat

    assert disturbs(hall, patching("A", 2, taken=True), read)
    assert not disturbs(hall, patching("A", 3, taken=True), read)
    assert not disturbs(hall, adding("A", 1), read)
    assert not disturbs(hall, adding("A", 2), read), "another 2 comes behind the one that was taken"


def test_a_read_that_asked_for_more_than_there_is_has_read_to_the_end_of_the_range(hall: Bench) -> None:
    """Recording up to the last document found misses what comes after it, which was looked for in vain."""

    async def ten(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Seat).index(Seat.by_row, "A").take(10)

    assert disturbs(hall, adding("A", 6), ten)


def test_documents_that_were_passed_on_the_way_to_the_first_match_were_read(hall: Bench) -> None:
    """Recording matches only misses that one who did not match now does."""

    async def first_taken(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Seat).index(Seat.by_row, "A").filter(lambda seat: seat.taken).first()

    hall.write(patching("A", 4, taken=True))
    assert not disturbs(hall, patching("A", 5, taken=True), first_taken)
    assert disturbs(hall, patching("A", 2, taken=True), first_taken)


def test_backwards_an_early_stop_leaves_the_beginning_of_the_range_unread(hall: Bench) -> None:
    """Recording from the start of the range to the last key is the wrong half."""

    async def last(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Seat).index(Seat.by_row, "A").order("desc").first()

    assert disturbs(hall, adding("A", 9), last)
    assert not disturbs(hall, adding("A", 0), last)
    assert not disturbs(hall, patching("A", 4, taken=True), last)


# Old and new place, the index that was read.


def test_a_document_that_leaves_a_range_disturbs_as_one_that_enters_it_does(hall: Bench) -> None:
    """Testing only the new version sees who comes, and never who goes."""

    assert disturbs(hall, patching("C", 1, row="A", number=7), row_a)
    assert disturbs(hall, patching("A", 7, row="C"), row_a)
    assert disturbs(hall, removing("A", 5), row_a)
    assert not disturbs(hall, patching("C", 7, row="D"), row_a)


def test_one_write_touches_readers_of_one_index_and_not_of_another(hall: Bench) -> None:
    """Recording tables instead of ranges of indexes makes everybody who reads the table conflict."""

    async def high_numbers(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Seat).index(Seat.by_number, gt=5).collect()

    assert not disturbs(hall, patching("A", 2, number=3), high_numbers)
    assert disturbs(hall, patching("C", 1, number=8), high_numbers)
    assert not disturbs(hall, patching("C", 8, number=9), row_a)


def test_looking_a_document_up_by_its_id_reads_that_document_alone(hall: Bench) -> None:
    """Recording more than the one key makes neighbours conflict; recording none misses the change."""
    ids = hall.write(ids_of_row_a)

    async def get(ctx: QueryCtx) -> Any:
        return await ctx.db.get(ids[0])

    assert disturbs(hall, patching("A", 1, taken=True), get)
    assert not disturbs(hall, patching("A", 2, taken=True), get)


async def ids_of_row_a(ctx: QueryCtx) -> list[Id[Seat]]:
    return [seat.id for seat in await row_a(ctx)]


def test_that_there_is_no_document_of_an_id_is_read_too(hall: Bench) -> None:
    """A lookup that found nothing has no document to record, and would not see it come into being."""
    second = SecondNode.of(hall)
    id = hall.write(adding("B", 1))

    async def look(ctx: MutationCtx) -> Any:
        await ctx.db.insert(Witness())
        return await ctx.db.get(id) is not None

    assert value_of(second.mutate(look)) is True
    assert second.conflicts == 1


def test_a_filter_does_not_narrow_what_is_read(hall: Bench) -> None:
    """What the filter left out was looked at, and might pass it the next time; it counts against limits too."""

    async def taken(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Seat).index(Seat.by_row, "A").filter(lambda seat: seat.taken).collect()

    assert disturbs(hall, patching("A", 3, taken=True), taken)
    hall.executor.limits = TransactionLimits(documents_read=4)
    assert "documents read" in text_of(hall.query("app:taken"))


def test_the_newest_document_of_a_table_is_disturbed_by_every_insert_and_by_no_edit_of_an_older_one(
    hall: Bench,
) -> None:
    """A whole table is read by creation time: not as a set of documents, and not as everything."""

    async def newest(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Seat).order("desc").take(1)

    assert disturbs(hall, adding("Z", 1), newest)
    assert not disturbs(hall, patching("A", 1, taken=True), newest)
    assert not disturbs(hall, removing("A", 1), newest)


# Tables that are not there yet.


def test_reading_a_table_that_does_not_exist_yet_is_disturbed_by_its_creation(hall: Bench) -> None:
    """There is nothing to record a range of, and the first document goes unnoticed."""

    async def read(ctx: QueryCtx) -> Any:
        return await ctx.db.query("programmes").collect()

    async def write(ctx: MutationCtx) -> None:
        await ctx.db.insert("programmes", {"title": "Hamlet"})

    assert disturbs(hall, write, read)


def test_an_id_of_a_table_that_does_not_exist_yet_is_of_one_once_it_does(hall: Bench) -> None:
    """Which tables there are is data: an answer that was right before the table came has to be given again."""
    second = SecondNode.of(hall)

    async def print_programme(ctx: MutationCtx) -> str:
        return await ctx.db.insert("programmes", {"title": "Hamlet"})

    id = hall.write(print_programme)

    async def look(ctx: MutationCtx) -> Any:
        await ctx.db.insert(Witness())
        return ctx.db.normalize_id("programmes", id)

    assert value_of(second.mutate(look)) == id
    assert second.conflicts == 1


def test_two_tables_that_come_into_being_at_once_get_two_numbers(hall: Bench) -> None:
    """Handing out the next number without reading which are taken gives one number to two tables."""
    second = SecondNode.of(hall)

    async def sell(ctx: MutationCtx) -> str:
        return await ctx.db.insert("tickets", {})

    async def print_programme(ctx: MutationCtx) -> str:
        return await ctx.db.insert("programmes", {})

    hall.write(sell)
    id = value_of(second.mutate(print_programme))

    async def table_of(ctx: QueryCtx) -> Any:
        return [ctx.db.normalize_id(table, id) is not None for table in ("tickets", "programmes")]

    assert hall.read(table_of) == [False, True]


# A transaction's own writes.


def test_own_writes_stand_in_their_places_among_what_was_there(hall: Bench) -> None:
    """Appending own writes to what the tables give gets the order, deletions and moves wrong."""

    async def rebuild(ctx: MutationCtx) -> Any:
        await adding("A", 0)(ctx)
        await removing("A", 2)(ctx)
        await patching("A", 1, number=8)(ctx)
        await patching("C", 1, row="A", number=3)(ctx)
        seats = ctx.db.query(Seat).index(Seat.by_row, "A")
        numbers = [seat.number for seat in await seats.collect()]
        assert [seat.number for seat in await seats.order("desc").collect()] == numbers[::-1]
        assert [seat.number for seat in await seats.take(3)] == numbers[:3], "counted after merging"
        assert await seats.count() == len(numbers)
        return numbers

    assert hall.write(rebuild) == [0, 3, 3, 4, 5, 8]


def test_what_is_written_while_a_range_is_read_is_met_once_if_it_lies_ahead_and_not_if_it_lies_behind(
    hall: Bench,
) -> None:
    """A page of results fetched ahead is out of date as soon as the loop writes."""

    async def double(ctx: MutationCtx) -> Any:
        met = []
        async for seat in ctx.db.query(Seat).index(Seat.by_row, "A", lt=50):
            met.append(seat.number)
            if seat.number == 2:
                await removing("A", 3)(ctx)
                await adding("A", 0)(ctx)
                await patching("A", 4, number=7)(ctx)
        return met

    assert hall.write(double) == [1, 2, 5, 7]


def test_a_document_that_a_transaction_deletes_and_others_change_is_a_conflict(hall: Bench) -> None:
    """Own writes cover what is stored; what was stored under them was read all the same."""
    second = SecondNode.of(hall)
    hall.write(patching("A", 1, taken=True))

    async def remove_if_free(ctx: MutationCtx) -> Any:
        seat = await ctx.db.query(Seat).index(Seat.by_row, "A", 1).unique()
        if seat is None or seat.taken:
            return "taken"
        await ctx.db.delete(seat.id)
        return "removed"

    assert value_of(second.mutate(remove_if_free)) == "taken"


# Functions that call functions.


def test_what_a_nested_call_reads_its_caller_reads(hall: Bench) -> None:
    """A nested call with a snapshot or a read set of its own lets its caller act on what changed."""

    async def read(ctx: QueryCtx) -> Any:
        return await ctx.run_query(seats_in, "A")

    assert disturbs(hall, adding("A", 6), read)


def test_a_nested_call_sees_the_snapshot_and_the_writes_of_its_caller(hall: Bench) -> None:
    """A nested call that is a transaction of its own sees another moment, and none of its caller's writes."""
    second = SecondNode.of(hall)
    hall.write(adding("B", 5))

    async def read(ctx: MutationCtx) -> Any:
        return [await seats_in(ctx, "B"), await ctx.run_query(seats_in, "B")]

    async def write_and_read(ctx: MutationCtx) -> Any:
        await adding("D", 1)(ctx)
        return await ctx.run_query(seats_in, "D")

    assert value_of(second.mutate(read)) == [[], []]
    assert value_of(second.mutate(write_and_read)) == [1]


def test_a_nested_call_that_fails_and_is_caught_leaves_its_reads_and_takes_its_writes_along(hall: Bench) -> None:
    """Rolling back reads together with writes forgets what the caller's way depended on."""

    async def try_it(ctx: MutationCtx) -> Any:
        try:
            await ctx.run_mutation(count_and_fail, "B")
        except ApplicationError as error:
            await ctx.db.insert(Witness())
            return [error.data, await seats_in(ctx, "C")]

    second = SecondNode.of(hall)
    hall.write(adding("B", 1))

    assert value_of(second.mutate(try_it)) == [{"seats": 2}, [1]]
    assert second.conflicts == 1
    assert value_of(hall.query("app:seats_in", admin=True, row="B")) == [1]


def test_a_stale_snapshot_is_not_part_of_what_was_read_and_shows_no_own_writes(hall: Bench) -> None:
    """The one sanctioned exception: recording these reads makes it useless, own writes make it inconsistent."""
    second = SecondNode.of(hall)
    hall.write(adding("A", 6))

    async def estimate(ctx: MutationCtx) -> Any:
        await adding("A", 7)(ctx)
        return await ctx.on_stale_snapshot().run_query(seats_in, "A")

    assert value_of(second.mutate(estimate)) == [1, 2, 3, 4, 5]
    assert second.conflicts == 0


# Limits.


def test_a_lookup_by_id_counts_as_a_range_read(hall: Bench) -> None:
    """Counting scans only leaves lookups without a limit."""
    ids = hall.write(ids_of_row_a)
    hall.executor.limits = TransactionLimits(ranges_read=4)

    async def look_up(ctx: QueryCtx) -> Any:
        return len([await ctx.db.get(id) for id in ids])

    add_function(hall, query(look_up))
    assert "index ranges read" in text_of(hall.query("app:look_up"))


def test_a_limit_is_reached_at_the_same_read_every_time(hall: Bench) -> None:
    """Caches, other clients and time must not decide whether a function fails: its replay has none of them."""

    async def read_until_it_fails(ctx: QueryCtx) -> Any:
        rows = 0
        try:
            while True:
                rows += len(await row_a(ctx))
        except LimitReached as error:
            return [rows, str(error)]

    hall.executor.limits = TransactionLimits(documents_read=12)
    live, call = hall.database.live, Call(add_function(hall, query(read_until_it_fails)), [{}])
    cached = [live.once(call)[0], live.once(call)[0]]
    hall.write(adding("Z", 1))
    second = SecondNode.of(hall)
    second.executor.limits = hall.executor.limits
    answers = [*cached, hall.executor.query(call).result, second.executor.query(call).result]

    (answer,) = {str(value_of(each)) for each in answers}
    assert value_of(answers[0])[0] == 10, answer
