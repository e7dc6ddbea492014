"""One vector compared with the rows of an index of vectors, bit by bit: who may be among the nearest.

    float32, all rows ──> float64, those who may be near ──> candidates, whose exact scores then decide

Sums of floats depend on the processor and on where a row stands, so they only say who may be among the nearest:
each round keeps whoever could be, by the greatest error that there can be.  The first one compares float32
with float32, in which every step of a sum is rounded; the second one has left only that the rows are rounded,
which is a thousand times less, and tells vectors apart that are close to one another.  Equal ones nothing tells
apart, so of those the smallest ids are enough.

Invariants
    * The nearest by exact score, the smaller id first, are among the candidates.
    * While it goes on the rows stay as they are, or `Vectors.generation` says that they did not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum, auto
from heapq import nsmallest

import numpy as np
from attrs import define
from numpy.typing import NDArray

from .directions import ROUNDING, Direction, Floats
from .vectors import Alternative, Vectors

STEP_NUMBERS = 1 << 23
"""Of float32 that are compared in one step: about 2 ms."""
SLOWER = 8
"""So many times fewer of them in one step, when they are made float64 first."""


class Round(Enum):
    FLOAT32 = auto()
    FLOAT64 = auto()
    OVER = auto()


@define(eq=False)
class Comparison:
    vectors: Vectors
    direction: Direction
    limit: int
    """How many are looked for."""
    rows: NDArray[np.intp]
    """Who may be among them, ascending."""
    scores: Floats
    """Of the rows, as far as they were compared in this round."""
    done: int = 0
    round: Round = Round.FLOAT32

    @classmethod
    def of(
        cls,
        vectors: Vectors,
        direction: Direction,
        limit: int,
        alternatives: Sequence[Alternative] = (),
        excluded: Collection[str] = (),
    ) -> Comparison:
        assert not vectors.pending, "there are documents that were not looked at"
        rows = vectors.matching(alternatives, excluded)
        return cls(vectors, direction, limit, rows, np.zeros(len(rows)))

    def step(self) -> bool:
        """Compare some more rows; False if there were none."""
        while self.done == len(self.rows):
            if self.round is Round.OVER:
                return False
            self.end_round()
        numbers = STEP_NUMBERS if self.round is Round.FLOAT32 else STEP_NUMBERS // SLOWER
        stop = min(len(self.rows), self.done + max(1, numbers // self.vectors.definition.dimensions))
        while self.done < stop:
            self.done = self.compare_block(self.done, stop)
        return True

    def compare_block(self, first: int, stop: int) -> int:
        """Compare those, up to ``stop``, that are in the same block as the first one; where the next one begins."""
        rows, per_block = self.rows, self.vectors.per_block
        number = int(rows[first]) // per_block
        stop = min(stop, int(np.searchsorted(rows, (number + 1) * per_block)))
        start, last = int(rows[first]) - number * per_block, int(rows[stop - 1]) - number * per_block
        block = self.vectors.blocks[number]
        # Neighbours are compared where they stand.
        together = last - start == stop - 1 - first
        part = block[start : last + 1] if together else block[rows[first:stop] - number * per_block]
        if self.round is Round.FLOAT32:
            self.scores[first:stop] = part @ self.direction.unit
        else:
            self.scores[first:stop] = part.astype(np.float64) @ self.direction.exact_unit
        return stop

    def end_round(self) -> None:
        """Leave out whoever cannot be among the nearest."""
        rows, scores = self.rows, self.scores
        dimensions = self.vectors.definition.dimensions
        error = (dimensions + 16) * ROUNDING if self.round is Round.FLOAT32 else ROUNDING
        if len(rows) > self.limit:
            least = np.partition(scores, len(scores) - self.limit)[len(scores) - self.limit]
            self.rows = rows[scores >= least - 2 * error]
        if self.round is Round.FLOAT64 or len(self.rows) <= self.limit:
            self.round, self.done = Round.OVER, len(self.rows)
        else:
            self.round, self.done, self.scores = Round.FLOAT64, 0, np.zeros(len(self.rows))

    def candidates(self) -> list[str]:
        """Ids of all that may be among the nearest, and not many more."""
        assert self.round is Round.OVER, "not everything was compared"
        ids, digests = self.vectors.ids, self.vectors.digests
        alike: dict[bytes, list[str]] = {}
        for row in self.rows.tolist():
            alike.setdefault(digests[row], []).append(ids[row])
        return [id for same in alike.values() for id in nsmallest(self.limit, same)]
