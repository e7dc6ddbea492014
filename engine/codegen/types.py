"""Shapes as TypeScript types, in the form of the Convex static code generator.

Names and literals are quoted as JSON, unions stand in parentheses, and an object that holds itself
is written once, under a name.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import assert_never

from attrs import Factory, define

from ..data.shapes import ArrayOf, Field, IdOf, LiteralOf, ObjectOf, RecordOf, Scalar, Shape, UnionOf, whole

SCALARS = {
    "any": "any",
    "null": "null",
    "int": "number",
    "float": "number",
    "int64": "bigint",
    "boolean": "boolean",
    "string": "string",
    "bytes": "ArrayBuffer",
}


class Side(Enum):
    """Who makes the value: decides which fields may be missing from it."""

    CLIENT = "client"
    SERVER = "server"


@define(eq=False)
class TypeWriter:
    """Writes the types of one file, and collects the names that they need."""

    id_type: str
    """What the file calls the type of ids."""
    reserved: frozenset[str]
    """Names that the file uses already."""
    names: dict[tuple[object, Side], str] = Factory(dict[tuple[object, Side], str])
    """Of objects that hold themselves, by hint and side."""
    declarations: dict[str, str] = Factory(dict[str, str])
    """Types of objects that hold themselves, by name."""

    def type_of(self, shape: Shape, side: Side) -> str:
        match shape:
            case Scalar(name):
                return SCALARS[name]
            case IdOf(table):
                return f"{self.id_type}<{quoted(table)}>"
            case LiteralOf(value):
                return literal(value)
            case ArrayOf(item):
                return f"Array<{self.type_of(item, side)}>"
            case RecordOf(value):
                return f"Record<string, {self.type_of(value, side)}>"
            case UnionOf(variants):
                types = dict.fromkeys(self.type_of(variant, side) for variant in variants)
                return one_of(list(types))
            case ObjectOf():
                return self.object_type(shape, side)
            case _:
                assert_never(shape)

    def object_type(self, shape: ObjectOf, side: Side) -> str:
        if shape.is_recurrence:
            return self.name_of(shape, side)
        if not shape.fields:
            return "Record<string, never>"
        return self.members(fields_of(shape), side)

    def members(self, fields: tuple[Field, ...], side: Side) -> str:
        members = ", ".join(self.member(field, side) for field in fields)
        return f"{{ {members} }}" if members else "{}"

    def member(self, field: Field, side: Side) -> str:
        may_be_missing = field.optional if side is Side.CLIENT else field.missing
        return f"{quoted(field.name)}{'?' if may_be_missing else ''}: {self.type_of(field.shape, side)}"

    def name_of(self, shape: ObjectOf, side: Side) -> str:
        """The name of an object type that holds itself; declares it on first use."""
        key = (shape.hint, side)
        if key not in self.names:
            name = shape.cls.__name__
            name = self.names[key] = self.free_name(f"{name}Argument" if side is Side.CLIENT else name)
            self.declarations[name] = ""  # Taken, while the fields are written.
            self.declarations[name] = self.members(fields_of(whole(shape)), side)
        return self.names[key]

    def free_name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.declarations or name in self.reserved:
            number += 1
            name = f"{wanted}{number}"
        return name


def fields_of(shape: ObjectOf) -> tuple[Field, ...]:
    """As declared, a document's id and creation time first."""
    return tuple(sorted(shape.fields, key=lambda field: shape.table is None or not field.name.startswith("_")))


def one_of(types: list[str]) -> str:
    if not types:
        return "never"
    return types[0] if len(types) == 1 else f"({' | '.join(types)})"


def literal(value: str | int | bool | None) -> str:
    # JSON and TypeScript write all of these in the same way.
    return json.dumps(value)


def quoted(text: str) -> str:
    return json.dumps(text)
