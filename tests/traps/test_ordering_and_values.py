"""What values are, in which order they come, and what is equal to what."""

from __future__ import annotations

import math
from typing import Any

import pytest
from relive.engine.application.functions import mutation, query
from relive.engine.data.schema import UNSET, Document, Id, Int64, Unset, field, index, nested
from relive.engine.errors import DocumentInvalid, NotUnique
from relive.engine.execution.calls import Call
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.protocol import json
from relive.protocol.errors import InvalidValue
from relive.protocol.values import normalize

from ..engine.bench import Bench, text_of, value_of
from .nodes import Writes, database

NAN = math.nan


class Box(Document, table="boxes"):
    """Something that holds anything."""

    holds: Any | Unset = field(default=UNSET)
    label: str = field(default="")
    by_holds = index(holds)
    by_label = index(label, holds)


class Shelf(Document, table="shelves"):
    top: Id[Box]


@mutation
async def store(ctx: MutationCtx, holds: Any) -> Id[Box]:
    return await ctx.db.insert(Box(holds=holds))


@mutation
async def put_on_shelf(ctx: MutationCtx, top: Id[Box]) -> Id[Shelf]:
    return await ctx.db.insert(Shelf(top=top))


@query
async def everything(ctx: QueryCtx) -> Any:
    return [box.holds for box in await ctx.db.query(Box).collect()]


@query
async def same(ctx: QueryCtx, value: Any) -> Any:
    return value


@pytest.fixture
def attic() -> Bench:
    return database(Box, Shelf, store=store, put_on_shelf=put_on_shelf, everything=everything, same=same)


def stored(attic: Bench, *things: Any) -> None:
    """A box for each, in the opposite order."""

    async def insert(ctx: MutationCtx) -> None:
        for thing in reversed(things):
            await ctx.db.insert(Box(holds=thing))

    attic.write(insert)


def held(attic: Bench, *equal: Any, **bounds: Any) -> list[Any]:
    """What the boxes of a range hold, in the order of the index."""

    async def handler(ctx: QueryCtx) -> list[Any]:
        return [box.holds async for box in ctx.db.query(Box).index(Box.by_holds, *equal, **bounds)]

    return attic.read(handler)


# The order of everything.


def test_kinds_of_values_have_an_order_among_each_other(attic: Bench) -> None:
    """Python refuses to compare them; sorting by type name or by text gives another order."""
    things = [UNSET, None, Int64(7), 1.5, False, True, "", "a", b"", b"a", [], [None], {}, {"a": 1}]
    stored(attic, *things)

    assert held(attic) == things


def test_an_int64_is_never_compared_with_a_number(attic: Bench) -> None:
    """Python's int and float compare as numbers; all int64 come before all numbers, and none equals one."""
    stored(attic, Int64(-1), Int64(10**12), -1e300, 10)

    assert held(attic) == [-1, 10**12, -1e300, 10]
    assert held(attic, 10) == [10]
    assert held(attic, Int64(10)) == []
    assert held(attic, gte=Int64(0), lt=0) == [10**12, -1e300]


def test_a_missing_field_is_indexed_below_everything(attic: Bench) -> None:
    """Leaving documents without the field out of the index loses them in reads of the whole range."""
    stored(attic, UNSET, None, -math.inf)

    assert held(attic) == [UNSET, None, -math.inf]
    assert held(attic, UNSET) == [UNSET]
    assert held(attic, gt=UNSET) == [None, -math.inf]
    assert held(attic, lt=0) == [UNSET, None, -math.inf], "below every upper bound, if there is no lower one"
    assert held(attic, gt=None, lt=0) == [-math.inf]


def test_null_is_a_value_and_missing_is_none(attic: Bench) -> None:
    """Storing None for a missing field makes the two one, and a field can never be removed again."""

    async def handler(ctx: MutationCtx) -> list[Any]:
        id: Any = await ctx.db.insert("things", {"a": None})
        before = dict(await ctx.db.get(id) or {})
        await ctx.db.patch(id, a=UNSET)
        after = dict(await ctx.db.get(id) or {})
        return [thing.get("a", "missing") for thing in (before, after)]

    assert attic.write(handler) == [None, "missing"]


def test_only_a_patch_tells_a_field_that_is_to_be_removed_from_one_that_is_not_mentioned(attic: Bench) -> None:
    """A patch that takes UNSET for `not mentioned` cannot remove; an insert that stores it has a third kind of null."""

    async def handler(ctx: MutationCtx) -> list[Any]:
        id = await ctx.db.insert(Box(holds="hat", label="x"))
        await ctx.db.patch(id, label="y")
        kept = (await ctx.db.get(id)).holds  # type: ignore[union-attr]
        await ctx.db.patch(id, holds=UNSET)
        removed = await ctx.db.get(id)
        never = await ctx.db.get(await ctx.db.insert(Box(label="y")))
        assert removed is not None
        assert never is not None
        return [kept, removed.holds, never.holds]

    assert attic.write(handler) == ["hat", UNSET, UNSET]


def test_numbers_stand_in_the_total_order_of_ieee_754(attic: Bench) -> None:
    """With Python's comparison 0.0 equals -0.0, and one nan breaks the order of all others."""
    stored(attic, -math.inf, -0.5, -0.0, 0, 5e-324, math.inf, NAN)

    assert repr(held(attic)) == repr([-math.inf, -0.5, -0.0, 0, 5e-324, math.inf, NAN])
    assert repr(held(attic, -0.0)) == "[-0.0]"
    assert repr(held(attic, 0)) == "[0]"
    assert repr(held(attic, NAN)) == "[nan]"
    assert repr(held(attic, gt=0, lt=math.inf)) == "[5e-324]"


def test_texts_stand_in_the_order_of_their_utf_8(attic: Bench) -> None:
    """UTF-16, as clients have it, puts emoji before the last of the old characters; a locale puts a before B."""
    stored(attic, "", "B", "a", "a\0", "a\0b", "ab", "é", "\uffff", "😀")

    assert held(attic) == ["", "B", "a", "a\0", "a\0b", "ab", "é", "\uffff", "😀"]


def test_half_an_emoji_is_no_text(attic: Bench) -> None:
    """Python holds lone surrogates, JSON carries them in, and UTF-8 cannot write them to the disk."""
    half = "😀".encode("utf-16", "surrogatepass")[2:4].decode("utf-16-le", "surrogatepass")
    with pytest.raises(InvalidValue):
        normalize({"text": [half]})
    with pytest.raises(InvalidValue):
        json.decode(b'"\\ud83d"')

    assert "ArgumentValidationError" in text_of(attic.mutate("app:store", holds=half))


# Keys.


def test_fields_of_a_key_do_not_run_into_one_another(attic: Bench) -> None:
    """Joining fields with a separator makes ("a", "bc") and ("ab", "c") neighbours, or one."""
    pairs: list[tuple[str, Any]] = [
        ("", "abc"), ("a", "bc"), ("a", ["b", "c"]), ("a", [["b"], "c"]), ("a", {"b": "c"}), ("a\0", "bc"), ("ab", "c"),
    ]  # fmt: skip

    async def handler(ctx: MutationCtx) -> list[Any]:
        for label, holds in reversed(pairs):
            await ctx.db.insert(Box(label=label, holds=holds))
        found = [(box.label, box.holds) async for box in ctx.db.query(Box).index(Box.by_label)]
        assert [box.holds async for box in ctx.db.query(Box).index(Box.by_label, "a", "bc")] == ["bc"]
        assert await ctx.db.query(Box).index(Box.by_label, "a").count() == 4
        return found

    assert attic.write(handler) == pairs


def test_long_texts_that_begin_alike_are_told_apart(attic: Bench) -> None:
    """An index that cuts long keys mixes up, or loses, what differs behind the cut."""
    long = "x" * 5_000
    stored(attic, long, long + "a", long + "b", long + "bb")

    assert held(attic) == [long, long + "a", long + "b", long + "bb"]
    assert held(attic, long + "a") == [long + "a"]
    assert held(attic, gt=long, lte=long + "b") == [long + "a", long + "b"]


def test_documents_of_one_key_come_in_the_order_in_which_they_were_created(attic: Bench) -> None:
    """Without a tie-break the order is that of a hash table, and pages lose or repeat documents."""

    async def handler(ctx: MutationCtx) -> list[str]:
        return [await ctx.db.insert(Box(holds="same")) for _ in range(9)]

    ids = attic.write(handler) + attic.write(handler)

    async def found(ctx: QueryCtx) -> list[str]:
        return [box.id async for box in ctx.db.query(Box).index(Box.by_holds, "same")]

    assert attic.read(found) == ids
    assert attic.reopen().read(found) == ids


def test_creation_times_of_one_transaction_are_each_the_next_number_that_there_is(attic: Bench) -> None:
    """The clock stands still in a transaction; giving its time to all of them loses their order."""

    async def handler(ctx: MutationCtx) -> list[float]:
        for _ in range(3):
            await ctx.db.insert(Box())
        return [box.creation_time for box in await ctx.db.query(Box).collect()]

    first, second, third = attic.write(handler)
    assert (second, third) == (math.nextafter(first, math.inf), math.nextafter(second, math.inf))
    attic.clock.now_ns -= 10**9
    assert min(attic.write(handler)[3:]) > third, "also when the clock is set back"


def test_the_creation_time_ends_every_index_and_cannot_be_listed_in_one(attic: Bench) -> None:
    """Listed, it would be in the key twice; not there, nothing can be asked for since a moment."""

    async def handler(ctx: MutationCtx) -> list[Any]:
        for label in "aabba":
            await ctx.db.insert(Box(holds=0, label=label))
        second = (await ctx.db.query(Box).take(2))[1]
        since = ctx.db.query(Box).index(Box.by_holds, 0, gt=second.creation_time)
        return [box.label async for box in since]

    assert attic.write(handler) == ["b", "b", "a"]
    with pytest.raises(TypeError, match="creation time and id are the last fields of every index already"):

        class Twice(Document):
            by_time = index(nested("_creationTime"))


# One, none, and whose.


def test_unique_names_both_documents_when_there_are_two(attic: Bench) -> None:
    """Taking one, and being content, hides that an invariant is broken; the whole range need not be read."""
    stored(attic, "x", "x", "x")

    async def only(ctx: QueryCtx) -> Any:
        return await ctx.db.query(Box).index(Box.by_holds, "x").unique()

    async def first_two(ctx: QueryCtx) -> list[Box]:
        return await ctx.db.query(Box).index(Box.by_holds, "x").take(2)

    with pytest.raises(NotUnique) as caught:
        attic.read(only)
    assert all(box.id in str(caught.value) for box in attic.read(first_two))


def test_nothing_found_is_none_and_no_error(attic: Bench) -> None:
    """`first` of several never raises, and nothing is the answer None."""

    async def handler(ctx: QueryCtx) -> list[Any]:
        boxes = ctx.db.query(Box)
        return [await boxes.first(), await boxes.unique(), await boxes.collect(), await boxes.take(3)]

    assert attic.read(handler) == [None, None, [], []]
    stored(attic, "x", "x")

    async def first(ctx: QueryCtx) -> Any:
        return (await ctx.db.query(Box).index(Box.by_holds, "x").first()).holds  # type: ignore[union-attr]

    assert attic.read(first) == "x"


def test_an_id_belongs_to_its_table_and_to_no_other(attic: Bench) -> None:
    """Ids are texts; taking any text for an id of any table mixes up documents."""
    box = value_of(attic.mutate("app:store", holds=1))
    shelf = value_of(attic.mutate("app:put_on_shelf", top=box))

    assert "ArgumentValidationError" in text_of(attic.mutate("app:put_on_shelf", top=shelf))
    assert "ArgumentValidationError" in text_of(attic.mutate("app:put_on_shelf", top=box[:-1] + "0"))

    async def wrong(ctx: MutationCtx) -> Any:
        await ctx.db.insert(Shelf(top=shelf))

    with pytest.raises(DocumentInvalid):
        attic.run(wrong)

    async def whose(ctx: QueryCtx) -> list[Any]:
        return [ctx.db.normalize_id(Box, text) for text in (box, shelf, "", "not an id", box.upper())]

    assert attic.read(whose) == [box, None, None, None, None]


# Through the wire, the log and back.

EVERY_KIND: dict[str, Any] = {
    "int64": [Int64(-(2**63)), Int64(0), Int64(2**63 - 1)],
    "number": [0, -0.0, 1.5, 2**53 - 1, 1e308, 5e-324, math.inf, -math.inf, NAN],
    "bytes": [b"", bytes(range(256))],
    "text": ["", "\0", "😀\u2028"],
    "others": [None, True, False, [], {}, {"": [{}]}],
}


def test_every_value_comes_back_as_it_was_sent_through_wire_log_and_restart(attic: Bench) -> None:
    """Plain JSON turns int64 into numbers, bytes into nothing, -0.0 into 0, and has no nan at all."""
    sent = json.to_json(EVERY_KIND)
    call = Call("app:same", [{"value": sent}])
    attic.mutate("app:store", holds=sent)

    assert described(value_of(attic.executor.query(call).result)) == described(EVERY_KIND)
    assert described(value_of(attic.query("app:everything"))) == described([EVERY_KIND])
    assert described(value_of(attic.reopen().query("app:everything"))) == described([EVERY_KIND])


def described(value: Any) -> Any:
    """As text that shows kind, sign and order, for objects sorted by key."""
    if isinstance(value, dict):
        return {key: described(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [described(item) for item in value]
    if isinstance(value, float) and value.is_integer() and str(value) != "-0.0":
        value = int(value)
    return f"{type(value).__name__} {value!r}"


def test_plain_json_carries_no_int64_and_no_bytes_in(attic: Bench) -> None:
    """Guessing which text is meant as bytes, and which number as an int64, changes data in silence."""
    for plain in ("AAE=", 7, "7", "NaN"):
        value = value_of(attic.executor.query(Call("app:same", [{"value": plain}])).result)
        assert type(value) in (str, float, int)
        assert not isinstance(value, Int64)
    assert json.encode_clean(Int64(7)) == b'"7"'
    assert json.encode_clean(NAN) == b'"NaN"'


def test_the_order_in_which_an_object_was_written_means_nothing(attic: Bench) -> None:
    """Python's dictionaries remember it: in keys, hashes and results it tells equal values apart."""
    one: Any = {"a": 1, "b": {"c": 2, "d": 3}}
    other: Any = {"b": {"d": 3, "c": 2}, "a": 1}
    attic.mutate("app:store", holds=one)
    live = attic.database.live

    first = live.once(Call("app:same", [{"value": one}]))[0]
    assert live.once(Call("app:same", [{"value": other}]))[0] is first
    assert held(attic, other) == [one]
    assert attic.run(replacing(other)).transaction.changes() == ()
    assert json.encode(one) == json.encode(other)


def replacing(holds: Any) -> Writes:
    async def replace(ctx: MutationCtx) -> None:
        box = await ctx.db.query(Box).first()
        assert box is not None
        await ctx.db.replace(box.id, Box(holds=holds))

    return replace
