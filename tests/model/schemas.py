"""Random schemas: a few tables with fields of many types and with indexes, and the classes made of them.

Values come from palettes of a few that collide: equal numbers of different kinds, texts of which one is
the beginning of another, two zeros, NaN, None and missing fields.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import reduce
from typing import Any, Final

from attrs import frozen
from hypothesis import strategies as st
from relive.engine.data.schema import UNSET, Document, Int64, Record, Unset, field, index
from relive.protocol.values import NAN

Path = tuple[str, ...]
"""From a document to a field of it or of a record in it."""


class Place(Record):
    city: str
    size: Any = UNSET


@frozen
class Kind:
    hint: Any
    values: tuple[Any, ...]
    wrong: Any
    """A value that does not fit."""


# Neighbours are easily taken for one another: a palette is two or three of them.
NUMBERS: Final = (0, 1, 2, -1, 2**53 - 1)
FLOATS: Final = (0.0, -0.0, NAN, float("inf"), float("-inf"), 0.5, 1)
INT64S: Final = (Int64(0), Int64(1), 1, Int64(2), Int64(-1), Int64(300))
"""A plain 1 becomes an Int64 where one is declared."""
TEXTS: Final = ("a", "a\0", "ab", "a\0b", "")
LISTS: Final[tuple[Any, ...]] = ([], [1], [1, 2], ["a"])
CITIES: Final = ({"city": "a"}, {"city": "a\0"}, {"city": "a", "size": Int64(1)}, {"city": "a", "size": 1})
ANYTHING: Final[tuple[Any, ...]] = (
    *(None, 0, -0.0, False, 1.0, Int64(1), 1, True, NAN, 0.5, "a", "a\0", "", b"a", "ab", [], [1], {"k": 1}),
)

KINDS: Final[Mapping[str, Kind]] = {
    "int": Kind(int, NUMBERS, "wrong"),
    "float": Kind(float, FLOATS, "wrong"),
    "int64": Kind(Int64, INT64S, "wrong"),
    "bool": Kind(bool, (False, True), 1),
    "text": Kind(str, TEXTS, 1),
    "list": Kind(list[Any], LISTS, "wrong"),
    "place": Kind(Place, CITIES, {"city": 1}),
    "any": Kind(Any, ANYTHING, 2**60),
}
PATHS: Final[Mapping[str, tuple[tuple[Path, str], ...]]] = {
    "place": ((("city",), "text"), (("size",), "any")),
}
"""What an index can name below a field of that kind."""
DEFAULTS: Final[Mapping[str, Any]] = {"int": 0, "float": 0.5, "int64": Int64(0), "bool": False, "text": "a"}


@frozen
class Field:
    name: str
    kind: str
    nullable: bool
    may_be_missing: bool
    default: Any
    """UNSET: there is none, and the field has to be given unless it may be missing."""

    @property
    def required(self) -> bool:
        return self.default is UNSET and not self.may_be_missing

    @property
    def hint(self) -> Any:
        hint = KINDS[self.kind].hint
        if self.kind == "any":
            return hint
        return hint | (None if self.nullable else hint) | (Unset if self.may_be_missing else hint)


@frozen
class Table:
    """A table; one without fields has no class, and its documents hold anything."""

    name: str
    fields: tuple[Field, ...] = ()
    indexes: Mapping[str, tuple[Path, ...]] = types.MappingProxyType({})

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    def kind_at(self, path: Path) -> str:
        """What an indexed field holds."""
        known = self.field(path[0])
        assert known is not None
        return known.kind if len(path) == 1 else dict(PATHS[known.kind])[path[1:]]


TABLES_LIST: Final = Table("_tables")
"""The system's list of tables."""


@frozen
class Schema:
    tables: tuple[Table, ...]
    """Those with a class first, in the order in which they are deployed."""
    palettes: Mapping[str, tuple[Any, ...]]

    @property
    def typed(self) -> tuple[Table, ...]:
        return tuple(table for table in self.tables if table.fields)

    @property
    def untyped(self) -> tuple[Table, ...]:
        return tuple(table for table in self.tables if not table.fields)

    def table(self, name: str) -> Table:
        return next(table for table in (*self.tables, TABLES_LIST) if table.name == name)


def document_class(table: Table) -> type[Document]:
    """The class that a developer would write."""
    declared = {made.name: declaration(made) for made in table.fields}
    body: dict[str, Any] = {
        "__module__": __name__,
        "__qualname__": table.name.capitalize(),
        "__annotations__": {made.name: made.hint for made in table.fields},
        **declared,
    }
    for name, paths in table.indexes.items():
        body[name] = index(*[reduce(getattr, path[1:], declared[path[0]]) for path in paths])
    made = types.new_class(table.name.capitalize(), (Document,), {"table": table.name}, lambda made: made.update(body))
    assert issubclass(made, Document)
    return made


def declaration(made: Field) -> Any:
    return field() if made.required else field(default=made.default)


NAMES: Final = ("a", "b", "c", "d")
UNTYPED: Final = (Table("loose"), Table("strange"), Table("odd"))


SEVERAL: Final = st.lists(st.integers(0, 11), min_size=1, max_size=3, unique=True)
"""Which of some things."""
KIND_NAMES: Final = st.lists(st.sampled_from([*KINDS, "int", "text", "any", "int64", "place"]), min_size=2, max_size=4)
OPTIONS: Final = st.sampled_from(["required", "default", "missing", "missing or None", "missing or None"])
INDEXES: Final = st.lists(SEVERAL, min_size=1, max_size=3)


@st.composite
def tables(draw: st.DrawFn, name: str) -> Table:
    kinds = draw(KIND_NAMES)
    fields = tuple(field_of(name, kind, draw(OPTIONS)) for name, kind in zip(NAMES, kinds, strict=False))
    paths: list[Path] = [(made.name,) for made in fields]
    paths += [(made.name, *below) for made in fields for below, _ in PATHS.get(made.kind, ())]
    indexes = {}
    for numbers in draw(INDEXES):
        chosen = tuple(dict.fromkeys(paths[number % len(paths)] for number in numbers))
        indexes["by_" + "_".join(map("".join, chosen))] = chosen
    return Table(name, fields, indexes)


def field_of(name: str, kind: str, option: str) -> Field:
    default = DEFAULTS.get(kind, UNSET) if option == "default" else UNSET
    return Field(name, kind, option == "missing or None", option.startswith("missing"), default)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    typed = [draw(tables(name)) for name in ("rows", "notes")[: draw(st.integers(1, 2))]]
    palettes = {
        kind: palette(known.values, draw(st.integers(0, 35)), draw(st.integers(2, 3))) for kind, known in KINDS.items()
    }
    return Schema((*typed, *UNTYPED), palettes)


def palette(values: tuple[Any, ...], start: int, count: int) -> tuple[Any, ...]:
    return tuple(values[(start + number) % len(values)] for number in range(min(count, len(values))))
