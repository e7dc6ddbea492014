"""Directions of vectors: what is looked for, and how near another one is.

Invariants
    * Neither very large nor very small numbers matter: a vector and a multiple of it have the same direction.
    * The score of two vectors is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDING = 2.0**-23
"""More than twice what one operation with float32 can be wrong by, of a number up to 1."""


def scaled(vector: Sequence[float]) -> Floats:
    """The same direction, the largest number between 1/2 and 1: its squares neither overflow nor vanish."""
    numbers = np.array(vector, np.float64)
    _, exponent = np.frexp(np.abs(numbers).max())
    # In two steps, for the smallest numbers are further from 1 than the largest factor is.
    made: Floats = np.ldexp(np.ldexp(numbers, -(exponent // 2)), -(exponent - exponent // 2))
    return made


def length_of(numbers: Floats) -> float:
    return sqrt(fsum((numbers * numbers).tolist()))


def unit_of(numbers: Floats) -> NDArray[np.float32]:
    """Of `scaled` numbers: of length 1 but for rounding, with sums in any order: for comparing, not for scores."""
    unit: NDArray[np.float32] = (numbers / sqrt(numbers @ numbers)).astype(np.float32)
    return unit


@frozen(eq=False)
class Direction:
    """What is looked for."""

    numbers: Floats
    length: float
    exact_unit: Floats
    """Of length 1 but for the last digits."""
    unit: NDArray[np.float32]

    @classmethod
    def of(cls, vector: Sequence[float]) -> Direction:
        numbers = scaled(vector)
        length = length_of(numbers)
        return cls(numbers, length, numbers / length, (numbers / length).astype(np.float32))

    def score(self, vector: Sequence[float]) -> float:
        """The cosine of the angle between the two, from -1 to 1.

        Products, root and quotient are rounded as IEEE 754 says, sums once: any machine comes to the same.
        """
        numbers = scaled(vector)
        product = fsum((numbers * self.numbers).tolist())
        return max(-1.0, min(1.0, product / (length_of(numbers) * self.length)))
