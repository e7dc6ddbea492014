"""What a developer writes to have vectors compared: `vector_index`.

    class Article(Document):
        section: str = field()
        embedding: list[float] | None = field(default=None)
        by_embedding = vector_index(embedding, dimensions=1536, filters=(section,))

    await ctx.vector_search(Article.by_embedding, vector, limit=10, filter={"section": "news"})

As with `index`, what the paths lead to is looked up when the app is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import UnsetType

from ..limits import VECTOR_DIMENSIONS_MAX, VECTOR_DIMENSIONS_MIN, VECTOR_FILTERS_MAX
from .indexes import (
    INDEX_NAME,
    SYSTEM_FIELDS,
    SYSTEM_INDEXES,
    FieldDeclaration,
    FieldPath,
    NestedPath,
    Path,
    path_of,
)

D_co = TypeVar("D_co", covariant=True)
T = TypeVar("T")


class VectorIndexOf(Generic[D_co]):
    """An index of the vectors in the documents of one class: ``Article.by_embedding``."""

    vector: Path = ()
    """The path to the vector."""
    filters: tuple[Path, ...] = ()
    """Paths to the fields that a search may ask to hold a value."""
    dimensions = 0
    name = ""
    table: type | None = None

    def __repr__(self) -> str:
        owner = self.table.__name__ if self.table is not None else "?"
        return f"{owner}.{self.name}"


class VectorIndex(VectorIndexOf[Any]):
    """Made by `vector_index`; of a class, it is of the documents of that class."""

    if TYPE_CHECKING:

        def __get__(self, instance: None, owner: type[T]) -> VectorIndexOf[T]: ...


def vector_index(
    vector: Sequence[float] | UnsetType | None, /, dimensions: int, filters: tuple[Any, ...] = ()
) -> VectorIndex:
    """An index of vectors: ``by_embedding = vector_index(embedding, dimensions=1536, filters=(section,))``.

    ``vector``: a ``list[float]``, of exactly so many ``dimensions``, 2 to 4,096, that are finite and not all 0;
    a document with another one is refused.  A document without one, None or UNSET, is not in the index.
    ``filters``: up to 16 fields that a search may ask to hold a value.  A field of a nested record is named by
    its path.  Raises TypeError for anything that was not declared with `field`.
    """
    if not isinstance(filters, tuple) or len(filters) > VECTOR_FILTERS_MAX:
        raise TypeError(
            f"vector_index(): filters= is a tuple of up to {VECTOR_FILTERS_MAX} fields, as `filters=(section,)`"
        )
    if not all(isinstance(key, (FieldDeclaration, FieldPath, NestedPath)) for key in (vector, *filters)):
        raise TypeError("vector_index() takes fields declared with field(), as `embedding: list[float] = field()`")
    if type(dimensions) is not int or not VECTOR_DIMENSIONS_MIN <= dimensions <= VECTOR_DIMENSIONS_MAX:
        allowed = f"{VECTOR_DIMENSIONS_MIN} to {VECTOR_DIMENSIONS_MAX:,}"
        raise TypeError(f"vector_index(): dimensions= is a whole number from {allowed}, not {dimensions!r}")
    made = VectorIndex()
    declared: Any = vector
    made.vector, made.filters = declared, filters  # Replaced by their paths when the class is complete.
    made.dimensions = dimensions
    return made


def name_vector_indexes(cls: type, indexes: dict[str, VectorIndex], declared: dict[int, str]) -> None:
    """As `name_indexes`, for indexes of vectors.  Raises TypeError."""
    for name, made in indexes.items():
        where = f"{cls.__name__}.{name}"
        if name in SYSTEM_INDEXES:
            raise TypeError(f"{where}: every table has an index of that name already: choose another")
        if INDEX_NAME.fullmatch(name) is None:
            raise TypeError(f"{where}: an index is named with up to 64 letters, digits and _, a letter first")
        vector: Any = made.vector
        made.vector = path_of(vector, declared, where)
        made.filters = tuple(path_of(key, declared, where) for key in made.filters)
        made.name, made.table = name, cls
        system = (*SYSTEM_FIELDS, *SYSTEM_FIELDS.values())
        if any(path[0] in system for path in (made.vector, *made.filters)):
            raise TypeError(f"{where}: vector_index() takes fields of your own, not id and creation time")
        if len({made.vector, *made.filters}) <= len(made.filters):
            raise TypeError(f"{where}: vector_index() takes each field once")
