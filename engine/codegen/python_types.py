"""Shapes as types of a Python client: dataclasses, ids, and the functions that read and write them.

Invariant: a name is declared once, and what is declared is used.
"""

from __future__ import annotations

import builtins
import json
import keyword
import re
from collections.abc import Mapping
from typing import assert_never

from attrs import Factory, define

from ..data.shapes import (
    ArrayOf,
    Field,
    IdOf,
    LiteralOf,
    ObjectOf,
    RecordOf,
    Scalar,
    Shape,
    UnionOf,
    objects_in,
    whole,
)
from .types import Side, fields_of

SCALARS = {
    "any": "Any",
    "null": "None",
    "int": "int",
    "float": "float",
    "int64": "int",
    "boolean": "bool",
    "string": "str",
    "bytes": "bytes",
}
RUNTIME = frozenset(
    {
        *("ConvexError", "NoReturn", "Past", "PastError", "convex_to_json", "json", "json_to_convex", "urllib"),
        *("Any", "Callable", "ClassVar", "ConvexClient", "ConvexInt64", "Enum", "Final", "Generic", "Literal"),
        *("Mapping", "NewType", "ParamSpec", "QuerySubscription", "Sequence", "TypeAlias", "TypeVar", "dataclass"),
        *("Action", "Client", "Mutation", "P", "Query", "Subscription", "T", "UNSET", "Unset", "Wire", "builtins"),
    }
)
"""Names that the generated module uses for itself."""
NOWHERE: frozenset[str] = frozenset()


@define(eq=False)
class PythonTypes:
    """Writes the types of one module, and collects what it has to declare."""

    id_names: Mapping[str, str]
    """What ids of each table are called."""
    aliases: Mapping[Shape, str]
    """Unions that have a name: the tables of several classes."""
    taken: set[str] = Factory(lambda: {*RUNTIME, *dir(builtins)})
    classes: dict[tuple[object, Side], str] = Factory(dict[tuple[object, Side], str])
    """By hint and side."""
    declarations: dict[str, list[str]] = Factory(dict[str, list[str]])
    """Dataclasses, by name."""
    used: set[str] = Factory(set[str])
    """Names to import, and ids and aliases to declare."""
    other_tables: set[str] = Factory(set[str])
    """Tables without a class whose ids occur."""
    shadowed: set[str] = Factory(set[str])
    """Names that a class hides, so that types need another name for them."""

    def name(self, name: str, hidden: frozenset[str]) -> str:
        """How a name is written where ``hidden`` mean something else."""
        if name in hidden and hasattr(builtins, name):
            self.used.add("builtins")
            return f"builtins.{name}"
        self.used.add(name)
        if name in hidden:
            self.shadowed.add(name)
            return f"_{name}"
        return name

    def type_of(self, shape: Shape, side: Side, hidden: frozenset[str] = NOWHERE) -> str:
        if shape in self.aliases:
            return self.name(self.aliases[shape], hidden)
        match shape:
            case Scalar(name):
                return "None" if name == "null" else self.name(SCALARS[name], hidden)
            case IdOf(table):
                return self.name(self.id_name(table), hidden)
            case LiteralOf(value):
                return self.literal([value], hidden)
            case ArrayOf(item):
                array = "Sequence" if side is Side.CLIENT else "list"
                return f"{self.name(array, hidden)}[{self.type_of(item, side, hidden)}]"
            case RecordOf(value):
                mapping = "Mapping" if side is Side.CLIENT else "dict"
                text = self.name("str", hidden)
                return f"{self.name(mapping, hidden)}[{text}, {self.type_of(value, side, hidden)}]"
            case UnionOf(variants):
                literals = [variant.value for variant in variants if isinstance(variant, LiteralOf)]
                others = [variant for variant in variants if not isinstance(variant, LiteralOf)]
                types = dict.fromkeys(self.variant_type(variant, shape, side, hidden) for variant in others)
                types |= dict.fromkeys([self.literal(literals, hidden)] if literals else [])
                # None goes last, as people write it.
                return " | ".join(sorted(types, key=lambda text: text == "None"))
            case ObjectOf():
                return self.name(self.class_of(whole(shape), side), hidden)
            case _:
                assert_never(shape)

    def literal(self, values: list[str | int | bool | None], hidden: frozenset[str]) -> str:
        return f"{self.name('Literal', hidden)}[{', '.join(map(source, values))}]"

    def variant_type(self, variant: Shape, union: UnionOf, side: Side, hidden: frozenset[str]) -> str:
        if variant == Scalar("int64") and keeps_int64(union):
            return self.name("ConvexInt64", hidden)
        return self.type_of(variant, side, hidden)

    def id_name(self, table: str) -> str:
        if table not in self.id_names:
            self.other_tables.add(table)
        # Of a table of the system the name is ours: "_scheduled_functions" has ids of its own words.
        words = table.split("_") if table.startswith("_") else [table]
        return self.id_names.get(table) or "".join([capitalized(identifier(word)) for word in words if word]) + "Id"

    def class_of(self, shape: ObjectOf, side: Side) -> str:
        """The name of the dataclass of a whole shape; declares it on first use."""
        depends = depends_on_side(shape)
        side = side if depends else Side.SERVER
        key = (shape.hint, side)
        if key not in self.classes:
            wanted = self.word_of(shape) + ("Argument" if side is Side.CLIENT else "")
            name = self.classes[key] = self.free_name(wanted)
            self.declarations[name] = []  # In its place, while the fields are written.
            self.declarations[name] += self.dataclass(name, shape, side)
        return self.classes[key]

    def word_of(self, shape: Shape) -> str:
        """A word for a shape: ``PageOfMessage``."""
        if shape in self.aliases:
            return self.aliases[shape]
        match shape:
            case Scalar(name):
                return capitalized(name)
            case IdOf(table):
                return self.id_name(table)
            case LiteralOf(value):
                return identifier(str(value).capitalize())
            case ArrayOf(item):
                return f"ListOf{self.word_of(item)}"
            case RecordOf(value):
                return f"DictOf{self.word_of(value)}"
            case UnionOf(variants):
                return "Or".join(self.word_of(variant) for variant in variants)
            case ObjectOf():
                words = [self.word_of(argument) for argument in whole(shape).argument_shapes]
                return shape.cls.__name__ + ("Of" + "And".join(words) if words else "")
            case _:
                assert_never(shape)

    def free_name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.taken:
            number += 1
            name = f"{wanted}{number}"
        self.taken.add(name)
        return name

    def dataclass(self, name: str, shape: ObjectOf, side: Side) -> list[str]:
        self.used.add("dataclass")
        names = python_names(shape)
        hidden = frozenset(names.values())
        lines = ["@dataclass(frozen=True, kw_only=True, slots=True)", f"class {name}:"]
        members = [self.member(field, names[field.name], shape, side, hidden) for field in fields_of(shape)]
        # Fields without a default come first in a class that is read by people.
        lines += [f"    {member}" for member in sorted(members, key=lambda member: member.endswith("= UNSET"))]
        return lines if members else [*lines, "    pass"]

    def member(self, field: Field, name: str, shape: ObjectOf, side: Side, hidden: frozenset[str]) -> str:
        if is_tag(field, shape):
            class_var = self.name("ClassVar", hidden)
            assert isinstance(field.shape, LiteralOf)
            return f"{name}: {class_var}[{self.type_of(field.shape, side, hidden)}] = {source(field.shape.value)}"
        type_ = self.type_of(field.shape, side, hidden)
        if may_be_missing(field, side):
            return f"{name}: {type_} | {self.name('Unset', hidden)} = UNSET"
        return f"{name}: {type_}"


def may_be_missing(field: Field, side: Side) -> bool:
    return field.optional if side is Side.CLIENT else field.missing


def is_tag(field: Field, shape: ObjectOf) -> bool:
    config = shape.cls.__struct_config__
    return config.tag is not None and field.name == config.tag_field


def python_names(shape: ObjectOf) -> dict[str, str]:
    """By stored name, what a field is called in Python."""
    names = dict(zip(shape.cls.__struct_encode_fields__, shape.cls.__struct_fields__, strict=True))
    return {field.name: names.get(field.name) or identifier(field.name) for field in shape.fields}


def identifier(text: str) -> str:
    """A name as near to ``text`` as Python allows."""
    name = re.sub(r"\W", "_", text)
    if not name.isidentifier():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def quoted(text: str) -> str:
    """Python writes these as JSON does, as long as no character is escaped as half of a pair."""
    return json.dumps(text, ensure_ascii=False)


def source(value: str | int | bool | None) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def capitalized(word: str) -> str:
    return word[:1].upper() + word[1:]


def depends_on_side(shape: Shape) -> bool:
    """Whether a client may leave out what the server always sends."""
    return any(field.optional for part in objects_in(shape) for field in part.fields)


def keeps_int64(union: UnionOf) -> bool:
    """Beside other numbers an Int64 has to say that it is one."""
    return any(isinstance(variant, Scalar) and variant.name in ("int", "float", "any") for variant in union.variants)
