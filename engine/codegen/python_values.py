"""Functions of a Python client that read values from the wire, and write them to it.

An expression is made for each shape; what is not the same in Python and on the wire gets a function
of its own: objects, and unions whose variants have to be told apart.
"""

from __future__ import annotations

from typing import assert_never

from attrs import Factory, define

from ..data.shapes import ArrayOf, Field, IdOf, LiteralOf, ObjectOf, RecordOf, Scalar, Shape, UnionOf, whole
from .python_types import PythonTypes, is_tag, keeps_int64, may_be_missing, python_names, quoted, source
from .types import Side

KINDS = {
    "null": "null",
    "int": "number",
    "float": "number",
    "int64": "int64",
    "boolean": "boolean",
    "string": "string",
    "bytes": "bytes",
}
READ, WRITE = Side.SERVER, Side.CLIENT


@define(eq=False)
class PythonValues:
    types: PythonTypes
    functions: dict[tuple[object, Side], str] = Factory(dict[tuple[object, Side], str])
    """Names of functions, by what they read or write: a dataclass, or the shape of a union."""
    readers: dict[Shape, str] = Factory(dict[Shape, str])
    """Names of the functions that read results."""
    texts: list[str] = Factory(list[str])
    """The functions, in the order of their first use."""

    def reader(self, shape: Shape) -> str:
        """The name of a function that makes a typed result of a value."""
        if shape not in self.readers:
            name = self.readers[shape] = self.types.free_name(f"_result{len(self.readers) + 1}")
            type_ = self.types.type_of(shape, READ)
            body = [f"result: {type_} = {self.expression(shape, 'value', READ)}", "return result"]
            self.texts.append(function(name, "value: Any", type_, body))
        return self.readers[shape]

    def expression(self, shape: Shape, value: str, way: Side, depth: int = 0) -> str:
        """What to write to get the value called ``value`` across."""
        match shape:
            case _ if is_same(shape, way):
                return value
            case IdOf(table):
                return f"{self.types.name(self.types.id_name(table), frozenset())}({value})"
            case Scalar("int") | LiteralOf():
                return f"Wire.whole({value})"
            case Scalar("int64"):
                return f"Wire.{'from' if way is READ else 'to'}_int64({value})"
            case ArrayOf(item):
                each = f"item{depth or ''}"
                inner = self.expression(item, each, way, depth + 1)
                return f"[*{value}]" if inner == each else f"[{inner} for {each} in {value}]"
            case RecordOf(item):
                key, each = f"key{depth or ''}", f"item{depth or ''}"
                inner = self.expression(item, each, way, depth + 1)
                return f"{{**{value}}}" if inner == each else f"{{{key}: {inner} for {key}, {each} in {value}.items()}}"
            case ObjectOf():
                return f"{self.object_function(whole(shape), way)}({value})"
            case UnionOf():
                return f"{self.union_function(shape, way)}({value})"
            case Scalar():
                return value
            case _:
                assert_never(shape)

    def object_function(self, shape: ObjectOf, way: Side) -> str:
        type_ = self.types.class_of(shape, way)
        if (type_, way) not in self.functions:
            name = self.functions[type_, way] = self.types.free_name(f"_{'read' if way is READ else 'write'}_{type_}")
            if way is READ:
                body = [f"return {type_}(", *[f"    {part}" for part in self.read_fields(shape)], ")"]
                self.texts.append(function(name, "value: Any", type_, body))
            else:
                sent = ["{", *[f"    {part}" for part in self.write_fields(shape)], "}"]
                if any(may_be_missing(field, WRITE) for field in shape.fields):
                    sent = [f"Wire.given({sent[0]}", *sent[1:-1], "})"]
                body = [f"return {sent[0]}", *sent[1:]] if shape.fields else ["return {}"]
                self.texts.append(function(name, f"value: {type_}", "dict[str, Any]", body))
        return self.functions[type_, way]

    def read_fields(self, shape: ObjectOf) -> list[str]:
        names = python_names(shape)
        return [f"{names[field.name]}={self.read_field(field)}," for field in shape.fields if not is_tag(field, shape)]

    def read_field(self, field: Field) -> str:
        if may_be_missing(field, READ):
            return f"Wire.if_there(value, {quoted(field.name)}, {self.function_of(field.shape, READ)})"
        return self.expression(field.shape, f"value[{quoted(field.name)}]", READ)

    def write_fields(self, shape: ObjectOf) -> list[str]:
        names = python_names(shape)
        return [f"{quoted(field.name)}: {self.written(field, f'value.{names[field.name]}')}," for field in shape.fields]

    def written(self, field: Field, value: str) -> str:
        """A field or argument, which may be left out."""
        if may_be_missing(field, WRITE) and not is_same(field.shape, WRITE):
            return f"Wire.if_given({value}, {self.function_of(field.shape, WRITE)})"
        return self.expression(field.shape, value, WRITE)

    def function_of(self, shape: Shape, way: Side) -> str:
        """The same as an expression, as a function."""
        inner = self.expression(shape, "item", way, 1)
        name = inner.removesuffix("(item)")
        return name if name.replace(".", "_").isidentifier() and name != inner else f"lambda item: {inner}"

    def union_function(self, shape: UnionOf, way: Side) -> str:
        if (shape, way) not in self.functions:
            name = self.functions[shape, way] = self.types.free_name(f"_variant{len(self.functions) + 1}")
            keeps = keeps_int64(shape)
            branches = {
                self.condition(variant, way): self.expression(variant, "value", way)
                for variant in shape.variants
                if not is_same(variant, way) and not (keeps and variant == Scalar("int64"))
            }
            body = ["kind = Wire.kind_of(value)"] if any("kind ==" in condition for condition in branches) else []
            for condition, made in branches.items():
                body += [f"if {condition}:", f"    return {made}"]
            self.texts.append(function(name, "value: Any", "Any", [*body, "return value"]))
        return self.functions[shape, way]

    def condition(self, variant: Shape, way: Side) -> str:
        """True for values of that variant of a union, and of no other variant."""
        match variant:
            case Scalar("int64") if way is WRITE:
                return 'kind == "number"'  # In Python it is an int, unless other numbers are beside it.
            case Scalar(name):
                return f'kind == "{KINDS[name]}"'
            case IdOf():
                return 'kind == "string"'
            case LiteralOf():
                return 'kind == "number"'  # Other literals are the same on the wire.
            case ArrayOf():
                return 'kind == "array"'
            case RecordOf():
                return 'kind == "object"'
            case ObjectOf() if way is WRITE:
                return f"isinstance(value, {self.types.class_of(whole(variant), way)})"
            case ObjectOf():
                tags = [field for field in whole(variant).fields if is_tag(field, variant)]
                if not tags:
                    return 'kind == "object"'
                assert isinstance(tags[0].shape, LiteralOf)
                return f'kind == "object" and value.get({quoted(tags[0].name)}) == {source(tags[0].shape.value)}'
            case UnionOf():
                raise AssertionError("unions are flat")
            case _:
                assert_never(variant)


def is_same(shape: Shape, way: Side) -> bool:
    """Whether a value is the same in Python and on the wire."""
    match shape:
        case Scalar(name):
            return name != "int64" and (name != "int" or way is WRITE)
        case IdOf():
            return way is WRITE
        case LiteralOf(value):
            return way is WRITE or isinstance(value, (str, bool)) or value is None
        case ArrayOf(item):
            return way is READ and is_same(item, way)
        case RecordOf(item):
            return way is READ and is_same(item, way)
        case UnionOf(variants):
            return all(is_same(variant, way) for variant in variants)
        case ObjectOf():
            return False
        case _:
            assert_never(shape)


def function(name: str, parameters: str, returns: str, body: list[str]) -> str:
    return "\n".join([f"def {name}({parameters}) -> {returns}:", *[f"    {line}" for line in body], ""])
