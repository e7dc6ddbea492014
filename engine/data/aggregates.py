"""What a developer writes to have documents counted and added up: `aggregate`.

    class Sale(Document):
        shop: str = field()
        price: int = field()
        by_shop = aggregate(by=(shop,), sum=price)

An aggregate is an index, and can be read as one; besides, it knows how many documents any range of it
holds, and what one of their fields adds up to.
"""

from __future__ import annotations

from typing import Any, Generic, Never, TypeVar, overload

from msgspec import UnsetType

from ..limits import INDEX_FIELDS_MAX
from .indexes import (
    FieldDeclaration,
    FieldPath,
    Index1,
    Index2,
    Index3,
    Index4,
    NestedPath,
)

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
N_co = TypeVar("N_co", covariant=True)
N = TypeVar("N", bound=float)


class Adds(Generic[N_co]):
    """What it adds up is of this type."""


class Aggregate0(Index1[float], Adds[N_co], Generic[N_co]):
    """Of the whole table, in the order of creation.  Made by `aggregate`."""


class Aggregate1(Index1[A], Adds[N_co], Generic[A, N_co]):
    """By one field, then the creation time."""


class Aggregate2(Index2[A, B], Adds[N_co], Generic[A, B, N_co]):
    """By two fields, then the creation time."""


class Aggregate3(Index3[A, B, C], Adds[N_co], Generic[A, B, C, N_co]):
    """By three fields, then the creation time."""


class Aggregate4(Index4[A, B, C, D], Adds[N_co], Generic[A, B, C, D, N_co]):
    """By four fields or more, then the creation time."""


@overload
def aggregate(*, by: tuple[()] = ..., staged: bool = ...) -> Aggregate0[Never]: ...
@overload
def aggregate(*, by: tuple[()] = ..., sum: N | UnsetType | None, staged: bool = ...) -> Aggregate0[N]: ...
@overload
def aggregate(*, by: tuple[A], staged: bool = ...) -> Aggregate1[A, Never]: ...
@overload
def aggregate(*, by: tuple[A], sum: N | UnsetType | None, staged: bool = ...) -> Aggregate1[A, N]: ...
@overload
def aggregate(*, by: tuple[A, B], staged: bool = ...) -> Aggregate2[A, B, Never]: ...
@overload
def aggregate(*, by: tuple[A, B], sum: N | UnsetType | None, staged: bool = ...) -> Aggregate2[A, B, N]: ...
@overload
def aggregate(*, by: tuple[A, B, C], staged: bool = ...) -> Aggregate3[A, B, C, Never]: ...
@overload
def aggregate(*, by: tuple[A, B, C], sum: N | UnsetType | None, staged: bool = ...) -> Aggregate3[A, B, C, N]: ...
@overload
def aggregate(*, by: tuple[A, B, C, D], staged: bool = ...) -> Aggregate4[A, B, C, D, Never]: ...
@overload
def aggregate(*, by: tuple[A, B, C, D], sum: N | UnsetType | None, staged: bool = ...) -> Aggregate4[A, B, C, D, N]: ...
@overload
def aggregate(*, by: tuple[Any, ...], sum: Any = ..., staged: bool = ...) -> Aggregate4[Any, Any, Any, Any, Any]: ...
def aggregate(*, by: tuple[Any, ...] = (), sum: Any = None, staged: bool = False) -> Any:
    """An index that also counts documents and adds up a field: ``aggregate(by=(shop,), sum=price)``.

    ``by``: the fields that documents are ordered by, as for `index`; none for the whole table.  ``sum``: the
    field whose numbers are added up; what holds no number there is counted and adds nothing.  Read it with
    ``ctx.db.aggregate(Sale.by_shop, "here").sum()``.  Raises TypeError for anything that was not declared
    with `field`, and the app is refused if the field holds no numbers.
    """
    if not isinstance(by, tuple) or len(by) >= INDEX_FIELDS_MAX:
        raise TypeError(f"aggregate(by=...) takes a tuple of up to {INDEX_FIELDS_MAX - 1} fields, as (shop, day)")
    named = (*by, sum) if sum is not None else by
    if not all(isinstance(key, (FieldDeclaration, FieldPath, NestedPath)) for key in named):
        raise TypeError("aggregate() takes fields declared with field(), as `price: int = field()`")
    kinds: tuple[type[Any], ...] = (Aggregate0, Aggregate1, Aggregate2, Aggregate3, Aggregate4)
    made = kinds[min(len(by), len(kinds) - 1)]()
    made.fields, made.summed, made.staged = by, sum, staged
    return made


__all__ = ["Adds", "Aggregate0", "Aggregate1", "Aggregate2", "Aggregate3", "Aggregate4", "aggregate"]
