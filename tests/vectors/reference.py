"""What a search should give: every vector gone through with fractions, which are exact, and no numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

PRECISION = 10**40
CLOSE = 1e-14
"""How far a score may be from the exact one; it is rounded half a dozen times."""


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    a, b = [*map(Fraction, one)], [*map(Fraction, other)]
    product = sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))
    squares = sum((x * x for x in a), Fraction(0)) * sum((y * y for y in b), Fraction(0))
    # The square of the cosine, of which the root is taken.
    square = product * product / squares
    root = Fraction(isqrt(int(square * PRECISION * PRECISION)), PRECISION)
    return float(root if product >= 0 else -root)


def fits(document: Any, filter: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None) -> bool:
    if filter is None:
        return True
    given = [filter] if isinstance(filter, Mapping) else filter
    return any(all(getattr(document, name) == value for name, value in terms.items()) for terms in given)


def scores(documents: Iterable[Any], vector: Sequence[float], filter: Any) -> dict[str, float]:
    """By id, of all documents with a vector that fit."""
    return {
        document.id: cosine(document.embedding, vector)
        for document in documents
        if isinstance(document.embedding, (list, tuple)) and fits(document, filter)
    }


def agree(given: Sequence[tuple[str, float]], expected: Mapping[str, float], limit: int) -> None:
    """That these are the nearest; of those as near as rounding can tell, any."""
    assert len(given) == min(limit, len(expected))
    assert len({id for id, _ in given}) == len(given)
    assert all(abs(expected[id] - score) <= CLOSE for id, score in given), (given, expected)
    assert [*given] == sorted(given, key=lambda one: (-one[1], one[0]))
    least = min((score for _, score in given), default=1.0)
    left_out = [score for id, score in expected.items() if id not in dict(given)]
    assert all(score <= least + CLOSE for score in left_out), (given, expected)
