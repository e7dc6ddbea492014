"""What the state machine has found, each as a few programs that are compared as it compares them."""

from __future__ import annotations

from typing import Any

import pytest
from relive.actors.committer import REFUSE_NS
from relive.engine.data.schema import UNSET, Int64

from .compared import Compared, executor_behind
from .programs import Call, Caught, Delete, Get, Insert, Merge, Own, Patch, Program, Raise, Read, Rows
from .schemas import UNTYPED, Field, Schema, Table

SCHEMA = Schema(
    (
        Table(
            "rows",
            (
                Field("a", "any", nullable=False, may_be_missing=True, default=UNSET),
                Field("n", "int", nullable=False, may_be_missing=False, default=0),
                Field("m", "int64", nullable=False, may_be_missing=False, default=Int64(0)),
                Field("x", "int64", nullable=False, may_be_missing=True, default=UNSET),
            ),
            {"by_n": (("n",),)},
        ),
        *UNTYPED,
    ),
    {},
)


def stored(**fields: Any) -> tuple[Compared, str]:
    """A database with one row, and its id."""
    compared = Compared.open(SCHEMA)
    compared.mutate((Insert("rows", fields),))
    (id,) = compared.state.documents["rows"]
    return compared, id


def add(id: str, by: int = 1, field: str = "n") -> Merge:
    return Merge(id, {field: ("increment", by)})


def race(compared: Compared, first: Program, second: Program) -> int:
    """``first`` is committed while ``second`` runs: how often that had to run again."""
    executor, _ = executor_behind(compared.bench)
    compared.mutate(first)
    compared.mutate(second, executor)
    compared.check()
    return executor.conflicts


def test_that_an_operation_cannot_be_done_is_something_that_was_seen() -> None:
    compared, id = stored(a="text")

    assert race(compared, (Patch(id, {"a": 1}),), (Caught(add(id, field="a")), Insert("rows", {}))) == 1


@pytest.mark.parametrize("undone", [(Raise(),), (add("", 2), Raise())])
def test_that_an_operation_could_be_done_is_something_that_was_seen_even_if_it_is_undone(undone: Program) -> None:
    compared, id = stored()
    steps = tuple(add(id, 2) if isinstance(step, Merge) else step for step in undone)

    assert race(compared, (Delete(id),), (Caught(Call("mutation", (add(id), *steps))), Insert("rows", {}))) == 1


def test_what_an_operation_made_of_a_document_may_have_been_read_before_the_next_one() -> None:
    compared, id = stored(n=2)
    read = Rows(Read("rows", index="by_n", equal=(3,)), "collect")

    assert race(compared, (add(id, 5),), (add(id), read, add(id))) == 1


def test_operations_that_were_read_by_nobody_in_between_still_meet_without_a_conflict() -> None:
    compared, id = stored(n=2)

    assert race(compared, (add(id, 5),), (add(id), add(id, 3))) == 0
    assert compared.state.documents["rows"][id]["n"] == 11


def test_operations_that_undo_one_another_are_no_write() -> None:
    compared, id = stored()
    head = compared.head
    compared.mutate((add(id), add(id, -1)))

    assert compared.head == head


@pytest.mark.parametrize(("kind", "value", "left"), [("maximum", 3, 5), ("maximum", 7, 7), ("minimum", 3, 3)])
def test_pythons_own_int_is_compared_with_an_int64_as_one(kind: Any, value: int, left: int) -> None:
    compared, id = stored(m=Int64(5))
    compared.mutate((Merge(id, {"m": (kind, value)}),))

    assert compared.state.documents["rows"][id]["m"] == left
    compared.check()


def test_reading_a_table_that_is_not_there_depends_on_no_other_table() -> None:
    compared, _ = stored()
    read: Program = (Caught(Rows(Read("loose"), "collect")), Insert("rows", {}))

    assert race(compared, (Insert("strange", {}),), read) == 0
    assert race(compared, (Insert("loose", {}),), read) == 1


def test_a_table_that_takes_the_place_of_one_taken_back_is_known_by_its_number() -> None:
    compared, _ = stored()
    bench = compared.bench
    bench.flush()
    second, _ = executor_behind(bench)
    before = compared.head
    compared.mutate((Insert("loose", {}), Get(Own(0))))
    compared.mutate((Rows(Read("loose"), "collect"), Get(next(iter(compared.state.documents["loose"])))))
    bench.database.runtime.not_written("the disk is full")
    bench.clock.now_ns += 2 * REFUSE_NS
    assert compared.head == before
    compared.mutate((Insert("strange", {}),), second)

    (id,) = compared.state.documents["strange"]
    compared.mutate((Get(id),))
    compared.check()


@pytest.mark.parametrize(("kind", "value"), [("maximum", Int64(5)), ("increment", Int64(4))])
def test_operations_that_are_done_anew_find_what_the_table_makes_of_those_before(kind: Any, value: Int64) -> None:
    compared, id = stored()

    assert race(compared, (add(id),), (Merge(id, {"x": ("maximum", 1)}), Merge(id, {"x": (kind, value)}))) == 0
    assert compared.state.documents["rows"][id]["x"] == 5


@pytest.mark.parametrize("as_mapping", [False, True])
def test_a_document_that_was_written_without_a_default_has_it_from_then_on(as_mapping: bool) -> None:
    compared = Compared.open(SCHEMA)
    compared.mutate((Insert("rows", {}, as_mapping=as_mapping),))
    (id,) = compared.state.documents["rows"]
    head = compared.head

    compared.mutate((Patch(id, {"n": 1}), Patch(id, {"n": 0})))
    compared.mutate((Patch(id, {"m": Int64(0)}),))
    assert compared.head == head, "nothing was changed"
