"""The vectors of one index of a table, side by side as float32, so that comparing one with all is one product.

    documents ──> pending ──> rows of a matrix ──> approximate scores ──> candidates ──> exact scores, ranked

A follower of its table that is made when somebody first searches (`Table.vectors`), and catches up then: a
commit only notes that a document is to be looked at, a start and a deploy do nothing at all.

Float32 sums depend on the processor and on where a row stands, so they only say who may be among the best:
`Comparison.candidates` keeps whoever could be, by the greatest error that there can be.  The scores that
somebody sees are made of the documents' own float64 with exactly rounded sums (`Direction.score`).

Invariants
    * A document is pending, or in a row, or has no vector; with nothing pending the rows are as the table.
    * Every row holds a vector of length 1.
    * The same documents have the same scores, whatever their history, on every machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import fsum, sqrt

import numpy as np
from attrs import Factory, define, frozen
from numpy.typing import NDArray

from ..log.entry import IndexKey
from .definition import VectorDefinition
from .version import Version, looked_into

Floats = NDArray[np.float64]
Alternative = Sequence[tuple[int, IndexKey]]
"""Filter fields by position, with the key of what each has to hold."""

ROUNDING = 2.0**-23
"""More than twice what one operation with float32 can be wrong by, of a number up to 1."""
BLOCK_NUMBERS = 1 << 23
"""That are compared in one step: about 2 ms."""
PRODUCT_NUMBERS = 1 << 18
"""Of one product: of larger ones BLAS makes several threads, which is ten times slower while others use the
machine, and not twice as fast while nobody does."""
ROWS_FIRST = 64


def scaled(vector: Sequence[float]) -> Floats:
    """The same direction, the largest number between 1/2 and 1: its squares neither overflow nor vanish."""
    numbers = np.array(vector, np.float64)
    _, exponent = np.frexp(np.abs(numbers).max())
    # In two steps, for the smallest numbers are further from 1 than the largest factor is.
    made: Floats = np.ldexp(np.ldexp(numbers, -(exponent // 2)), -(exponent - exponent // 2))
    return made


def length_of(numbers: Floats) -> float:
    return sqrt(fsum((numbers * numbers).tolist()))


def unit_of(vector: Sequence[float]) -> NDArray[np.float32]:
    """Of length 1 but for rounding, with sums in any order: for comparing, not for scores."""
    numbers = scaled(vector)
    unit: NDArray[np.float32] = (numbers / sqrt(numbers @ numbers)).astype(np.float32)
    return unit


@frozen(eq=False)
class Direction:
    """What is looked for."""

    numbers: Floats
    length: float
    unit: NDArray[np.float32]

    @classmethod
    def of(cls, vector: Sequence[float]) -> Direction:
        numbers = scaled(vector)
        length = length_of(numbers)
        return cls(numbers, length, (numbers / length).astype(np.float32))

    def score(self, vector: Sequence[float]) -> float:
        """The cosine of the angle between the two, from -1 to 1.

        Products, root and quotient are rounded as IEEE 754 says, sums once: any machine comes to the same.
        """
        numbers = scaled(vector)
        product = fsum((numbers * self.numbers).tolist())
        return max(-1.0, min(1.0, product / (length_of(numbers) * self.length)))

    def ranked(self, found: Iterable[tuple[str, Sequence[float]]], limit: int) -> list[tuple[str, float]]:
        """Ids and scores, the greatest first; of equal ones, the smaller id."""
        scored = [(-self.score(vector), id) for id, vector in found]
        return [(id, -negative) for negative, id in sorted(scored)[:limit]]


@define(eq=False)
class Codes:
    """Small numbers for the values that one filter field holds, as long as some document holds them."""

    of_rows: NDArray[np.int32]
    known: dict[IndexKey, tuple[int, int]] = Factory(dict[IndexKey, tuple[int, int]])
    """By key of the value: its number, and how many rows have it."""
    keys: dict[int, IndexKey] = Factory(dict[int, IndexKey])
    next: int = 0

    def take(self, row: int, key: IndexKey) -> None:
        if key not in self.known:
            self.known[key], self.keys[self.next] = (self.next, 0), key
            self.next += 1
        code, rows = self.known[key]
        self.known[key] = code, rows + 1
        self.of_rows[row] = code

    def give_back(self, row: int) -> None:
        key = self.keys[int(self.of_rows[row])]
        code, rows = self.known[key]
        if rows > 1:
            self.known[key] = code, rows - 1
        else:
            del self.known[key], self.keys[code]

    def resize(self, rows: int) -> None:
        self.of_rows = grown(self.of_rows, rows)

    def mask(self, key: IndexKey, rows: int) -> NDArray[np.bool_]:
        # No row has -1.
        mask: NDArray[np.bool_] = self.of_rows[:rows] == self.known.get(key, (-1, 0))[0]
        return mask


@define(eq=False)
class Vectors:
    definition: VectorDefinition
    pending: dict[str, Version]
    """Documents to look at; those of them that stand in a row stand there as they were."""
    rows: dict[str, int]
    ids: list[str]
    """Of the rows."""
    matrix: NDArray[np.float32]
    codes: tuple[Codes, ...]
    """One for each filter field."""
    generation: int = 0
    """Counts changes, so that whoever compares bit by bit notices them."""

    @classmethod
    def of(cls, definition: VectorDefinition, versions: dict[str, Version]) -> Vectors:
        codes = tuple([Codes(np.zeros(0, np.int32)) for _ in range(definition.filters)])
        return cls(definition, dict(versions), {}, [], np.zeros((0, definition.dimensions), np.float32), codes)

    def move(self, id: str, version: Version | None) -> None:
        """A document is another one, or (None) is no more."""
        self.generation += 1
        if version is not None:
            self.pending[id] = version
            return
        self.pending.pop(id, None)
        self.drop(id)

    def catch_up(self, at_most: int | None = None) -> bool:
        """Look at some documents; False if none is pending any more."""
        pending = self.pending
        if pending:
            self.reserve(len(self.ids) + len(pending))
        for _ in range(len(pending) if at_most is None else min(at_most, len(pending))):
            id = next(iter(pending))
            document = looked_into(pending[id])
            vector = self.definition.vector_of(document)
            if vector is None:
                self.drop(id)
            else:
                self.put(id, vector, self.definition.filters_of(document))
            # Last, so that whatever interrupts leaves it to be done again.
            del pending[id]
        return bool(pending)

    def put(self, id: str, vector: Sequence[float], filters: tuple[IndexKey, ...]) -> None:
        self.drop(id)
        row = len(self.ids)
        self.matrix[row] = unit_of(vector)
        for codes, key in zip(self.codes, filters, strict=True):
            codes.take(row, key)
        self.rows[id] = row
        self.ids.append(id)

    def drop(self, id: str) -> None:
        """The last row takes its place."""
        row = self.rows.pop(id, None)
        if row is None:
            return
        last = len(self.ids) - 1
        for codes in self.codes:
            codes.give_back(row)
            codes.of_rows[row] = codes.of_rows[last]
        moved = self.ids.pop()
        if moved != id:
            self.matrix[row] = self.matrix[last]
            self.rows[moved], self.ids[row] = row, moved

    def reserve(self, rows: int) -> None:
        held = len(self.matrix)
        if rows <= held:
            return
        room = max(rows, ROWS_FIRST, held + held // 2)
        self.matrix = grown(self.matrix, room)
        for codes in self.codes:
            codes.resize(room)

    def matching(self, alternatives: Sequence[Alternative], excluded: Collection[str]) -> NDArray[np.intp]:
        """The rows that fit one of the alternatives, any of them if there is none, and are not excluded."""
        count = len(self.ids)
        mask = np.zeros(count, np.bool_) if alternatives else np.ones(count, np.bool_)
        for alternative in alternatives:
            fits = np.ones(count, np.bool_)
            for position, key in alternative:
                fits &= self.codes[position].mask(key, count)
            mask |= fits
        mask[[self.rows[id] for id in excluded if id in self.rows]] = False
        return np.flatnonzero(mask)

    def compare(
        self, direction: Direction, alternatives: Sequence[Alternative] = (), excluded: Collection[str] = ()
    ) -> Comparison:
        """To be stepped through; what was read has to be the table as it is."""
        assert not self.pending, "there are documents that were not looked at"
        rows = self.matching(alternatives, excluded)
        return Comparison(self, direction, rows, np.zeros(len(rows), np.float32))

    def check(self, versions: dict[str, Version]) -> None:
        """That it holds the vectors of these documents, but for those that are pending."""
        assert all(versions[id] is version for id, version in self.pending.items())
        assert [self.rows[id] for id in self.ids] == [*range(len(self.rows))]
        for id, version in versions.items():
            document = looked_into(version)
            vector = self.definition.vector_of(document)
            if id in self.pending:
                continue
            assert (vector is None) == (id not in self.rows), id
            if vector is not None:
                row = self.rows[id]
                assert np.allclose(self.matrix[row], unit_of(vector), rtol=0, atol=ROUNDING), id
                keys = tuple([codes.keys[int(codes.of_rows[row])] for codes in self.codes])
                assert keys == self.definition.filters_of(document), id
        assert self.rows.keys() <= versions.keys()
        for codes in self.codes:
            assert sum(rows for _, rows in codes.known.values()) == len(self.ids)
            assert {code: key for key, (code, _) in codes.known.items()} == codes.keys


@define(eq=False)
class Comparison:
    vectors: Vectors
    direction: Direction
    rows: NDArray[np.intp]
    scores: NDArray[np.float32]
    """Of the rows, as far as they were compared."""
    done: int = 0

    def step(self) -> bool:
        """Compare one more block; False if there was none."""
        start, matrix = self.done, self.vectors.matrix
        if start == len(self.rows):
            return False
        self.done = min(len(self.rows), start + max(1, BLOCK_NUMBERS // matrix.shape[1]))
        every, rows = len(self.rows) == len(self.vectors.ids), max(1, PRODUCT_NUMBERS // matrix.shape[1])
        for first in range(start, self.done, rows):
            stop = min(self.done, first + rows)
            block = matrix[first:stop] if every else matrix[self.rows[first:stop]]
            self.scores[first:stop] = block @ self.direction.unit
        return True

    def candidates(self, limit: int) -> list[str]:
        """Ids of all that may be among the ``limit`` nearest, and not many more."""
        assert self.done == len(self.rows), "not everything was compared"
        rows, scores = self.rows, self.scores.astype(np.float64)
        if len(rows) > limit:
            error = (len(self.direction.unit) + 16) * ROUNDING
            least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            rows = rows[scores >= least - 2 * error]
        ids = self.vectors.ids
        return [ids[row] for row in rows.tolist()]


def grown(array: NDArray, rows: int) -> NDArray:  # type: ignore[type-arg]
    """The same with room for so many rows."""
    larger = np.zeros((rows, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
