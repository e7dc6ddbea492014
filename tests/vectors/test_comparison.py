"""Comparing with all vectors, block by block: the nearest are found, and hardly anybody else has to be looked at."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.comparison import Comparison
from relive.actors.definition import VectorDefinition
from relive.actors.directions import Direction
from relive.actors.vectors import Vectors
from relive.actors.version import Version

Vector = tuple[float, ...]


@frozen
class Doc:
    vector: Vector | None
    kind: bytes = b"a"


def empty(dimensions: int) -> Vectors:
    def no_keys(document: Any) -> tuple[bytes, ...]:
        raise AssertionError("only read sets want keys")

    definition = VectorDefinition(dimensions, 1, lambda held: held.vector, lambda held: (held.kind,), no_keys)
    return Vectors.of(definition, {})


def filled(*vectors: Sequence[float]) -> Vectors:
    made = empty(len(vectors[0]))
    for number, vector in enumerate(vectors):
        made.move(f"{number:05}", Version(f"{number:05}", Doc(tuple(vector)), 0))
    made.catch_up()
    return made


def candidates(vectors: Vectors, wanted: Sequence[float], limit: int, *where: Any) -> list[str]:
    comparison = Comparison.of(vectors, Direction.of(wanted), limit, *where)
    while comparison.step():
        pass
    return comparison.candidates()


def direction_of(generator: random.Random, dimensions: int) -> list[float]:
    return [generator.gauss(0, 1) for _ in range(dimensions)]


def test_of_many_equal_vectors_no_more_are_looked_at_than_are_wanted() -> None:
    generator = random.Random(1)
    one = direction_of(generator, 100)
    vectors = filled(*[[4 * number for number in one] if place % 2 else one for place in range(500)])
    wanted = direction_of(generator, 100)
    assert sorted(candidates(vectors, wanted, 5)) == [f"{number:05}" for number in range(5)]


@pytest.mark.parametrize("spread", [1e-2, 1.0])
def test_of_many_vectors_that_are_close_to_one_another_few_are_looked_at(spread: float) -> None:
    generator = random.Random(2)
    centre = direction_of(generator, 1_000)
    vectors = filled(*[[number + generator.gauss(0, spread) for number in centre] for _ in range(300)])
    assert len(candidates(vectors, [number + generator.gauss(0, spread) for number in centre], 10)) < 40


numbers = st.sampled_from([-1.0, -0.0, 0.0, 1.0, 1 + 1e-8, 1e-3, 3e200, 5e-324]) | st.floats(-2, 2)
some_vectors = st.tuples(numbers, numbers, numbers).filter(any)
changes = st.tuples(
    st.integers(0, 12),
    st.none() | st.builds(Doc, st.none() | some_vectors, st.sampled_from([b"a", b"b"])),
    st.booleans(),
)


@settings(deadline=None)
@given(st.lists(changes, max_size=40), some_vectors, st.integers(1, 4), st.sets(st.integers(0, 12), max_size=3))
def test_through_any_history_the_nearest_are_candidates_however_the_rows_were_moved_from_block_to_block(
    history: list[tuple[int, Doc | None, bool]], wanted: Vector, limit: int, excluded: set[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relive.actors.vectors.BLOCK_NUMBERS", 9)
        patch.setattr("relive.actors.comparison.STEP_NUMBERS", 12)
        vectors, versions = empty(3), dict[str, Version]()
        for number, document, caught_up in history:
            id = f"{number:05}"
            if document is not None:
                versions[id] = Version(id, document, 0)
            elif versions.pop(id, None) is None:
                continue
            vectors.move(id, versions.get(id))
            if caught_up:
                vectors.catch_up()
                vectors.check(versions)
        vectors.catch_up()
        vectors.check(versions)
        left_out = {f"{number:05}" for number in excluded}
        for kind in (None, b"a", b"c"):
            documents: dict[str, Any] = {id: version.document for id, version in versions.items()}
            scores = {
                id: Direction.of(wanted).score(document.vector)
                for id, document in documents.items()
                if document.vector is not None and id not in left_out and kind in (None, document.kind)
            }
            nearest = sorted(scores, key=lambda id: (-scores[id], id))[:limit]
            alternatives = [[(0, kind)]] if kind is not None else []
            found = candidates(vectors, wanted, limit, alternatives, left_out)
            assert {*nearest} <= {*found} <= scores.keys()


def test_room_goes_with_the_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.actors.vectors.BLOCK_NUMBERS", 20)
    vectors = filled(*[(1.0, float(number)) for number in range(101)])
    assert len(vectors.blocks) == 11
    for number in range(100):
        vectors.move(f"{number:05}", None)
    assert len(vectors.blocks) == 1
    vectors.move("00100", None)
    assert not vectors.blocks


class NeverGoneThrough(dict[str, Version]):
    def __iter__(self) -> Iterator[str]:
        raise AssertionError("each document that was taken from the front would be passed again")


def test_to_look_at_a_document_takes_no_longer_after_a_million_others() -> None:
    vectors = empty(2)
    vectors.pending = NeverGoneThrough({id: Version(id, Doc((1.0, 2.0)), 0) for id in "abcd"})
    assert vectors.catch_up(1)
    assert not vectors.catch_up()
    assert {*vectors.rows} == {*"abcd"}


def test_a_document_that_could_not_be_looked_at_is_still_to_be() -> None:
    vectors = filled((1.0, 0.0))
    vectors.move("00000", Version("00000", Doc((1.0, 2.0, 3.0)), 0))
    with pytest.raises(ValueError, match="broadcast"):
        vectors.catch_up()
    assert [*vectors.pending] == ["00000"]
    vectors.move("00000", Version("00000", Doc((0.0, 1.0)), 0))
    vectors.catch_up()
    assert candidates(vectors, (1.0, 1.0), 5) == ["00000"]


def test_a_filter_field_that_always_holds_something_else_takes_no_more_numbers_than_documents() -> None:
    vectors = filled((1.0, 0.0), (0.0, 1.0))
    for number in range(100):
        vectors.move("00001", Version("00001", Doc((0.0, 1.0), b"%d" % number), 0))
        vectors.catch_up()
    assert max(vectors.codes[0].keys) <= 2
    assert candidates(vectors, (1.0, 1.0), 5, [[(0, b"99")]]) == ["00001"]
