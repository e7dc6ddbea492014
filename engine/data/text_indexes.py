"""What a developer writes to have a text searched: `text_index`.

    class Message(Document):
        channel: Id[Channel] = field()
        body: str = field()
        by_body = text_index(body, filters=(channel,))

    await ctx.db.query(Message).search(Message.by_body, "hello wor", channel).take(20)

As with `index`, what the paths lead to is looked up when the app is loaded.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

from msgspec import UnsetType

from ..limits import TEXT_FILTERS_CHOSEN_MAX, TEXT_FILTERS_MAX
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

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class AnyValue:
    """What `ANY` is."""

    def __repr__(self) -> str:
        return "ANY"


ANY = AnyValue()
"""Given to a search in place of a value: whatever that filter field holds."""


class TextIndex:
    """An index of the words of one field.  Made by `text_index`."""

    text: Path = ()
    """The path to the text."""
    filters: tuple[Path, ...] = ()
    """Paths to the fields that a search may ask to hold a value."""
    name = ""
    table: type | None = None
    staged = False
    """True while the index is filled and kept up to date, and not to be searched yet."""

    def __repr__(self) -> str:
        owner = self.table.__name__ if self.table is not None else "?"
        return f"{owner}.{self.name}"


class TextIndex1(TextIndex, Generic[A]):
    """With one filter field."""


class TextIndex2(TextIndex1[A], Generic[A, B]):
    """With two filter fields."""


class TextIndex3(TextIndex2[A, B], Generic[A, B, C]):
    """With three filter fields."""


class TextIndex4(TextIndex3[A, B, C], Generic[A, B, C, D]):
    """With four filter fields."""


class TextIndexMore(TextIndex):
    """With five filter fields or more, which types do not tell apart."""


Text = str | None | UnsetType


@overload
def text_index(text: Text, /, *, staged: bool = ...) -> TextIndex: ...
@overload
def text_index(text: Text, /, filters: tuple[A], *, staged: bool = ...) -> TextIndex1[A]: ...
@overload
def text_index(text: Text, /, filters: tuple[A, B], *, staged: bool = ...) -> TextIndex2[A, B]: ...
@overload
def text_index(text: Text, /, filters: tuple[A, B, C], *, staged: bool = ...) -> TextIndex3[A, B, C]: ...
@overload
def text_index(text: Text, /, filters: tuple[A, B, C, D], *, staged: bool = ...) -> TextIndex4[A, B, C, D]: ...
@overload
def text_index(
    text: Text, /, filters: tuple[Any, Any, Any, Any, Any, *tuple[Any, ...]], *, staged: bool = ...
) -> TextIndexMore: ...
def text_index(text: Any, /, filters: Any = (), *, staged: bool = False) -> Any:
    """An index of the words of a field: ``by_body = text_index(body, filters=(channel,))``.

    ``filters``: up to 16 fields that a search may ask to hold a value.  A field of a nested record is named by
    its path.  ``staged``: filled and kept up to date, but not to be searched before a deploy without it.
    A document in which the field holds no text is not found.  Raises TypeError for anything that was not
    declared with `field`.
    """
    if not isinstance(filters, tuple) or len(filters) > TEXT_FILTERS_MAX:
        raise TypeError(
            f"text_index(): filters= is a tuple of up to {TEXT_FILTERS_MAX} fields, as `filters=(channel,)`"
        )
    if not all(isinstance(key, (FieldDeclaration, FieldPath, NestedPath)) for key in (text, *filters)):
        raise TypeError("text_index() takes fields declared with field(), as `body: str = field()`")
    made: TextIndex = TextIndex4() if len(filters) <= TEXT_FILTERS_CHOSEN_MAX else TextIndexMore()
    made.text, made.filters = text, filters  # Replaced by their paths when the class is complete.
    made.staged = staged
    return made


def name_text_indexes(cls: type, indexes: dict[str, TextIndex], declared: dict[int, str]) -> None:
    """As `name_indexes`, for indexes of text.  Raises TypeError."""
    for name, made in indexes.items():
        where = f"{cls.__name__}.{name}"
        if name in SYSTEM_INDEXES:
            raise TypeError(f"{where}: every table has an index of that name already: choose another")
        if INDEX_NAME.fullmatch(name) is None:
            raise TypeError(f"{where}: an index is named with up to 64 letters, digits and _, a letter first")
        text: Any = made.text
        made.text = path_of(text, declared, where)
        made.filters = tuple(path_of(key, declared, where) for key in made.filters)
        made.name, made.table = name, cls
        system = (*SYSTEM_FIELDS, *SYSTEM_FIELDS.values())
        if any(path[0] in system for path in (made.text, *made.filters)):
            raise TypeError(f"{where}: text_index() takes fields of your own, not id and creation time")
        if len({made.text, *made.filters}) <= len(made.filters):
            raise TypeError(f"{where}: text_index() takes each field once")
