"""The shape of a type hint: what a value declared with it looks like to a client.

One analysis of the hints serves validation of ids, the checks at load, and the generated clients.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from attrs import field, frozen

from ...protocol.values import Int64
from ..errors import AppInvalid
from .hints import field_types
from .schema import UNSET, Document, Record, Unset


@frozen
class Scalar:
    """``any``, ``null``, ``int``, ``float``, ``int64``, ``boolean``, ``string`` or ``bytes``."""

    name: str


@frozen
class IdOf:
    table: str


@frozen
class LiteralOf:
    value: str | int | bool | None


@frozen
class ArrayOf:
    item: Shape


@frozen
class RecordOf:
    """An object whose keys are data: ``dict[str, X]``."""

    value: Shape


@frozen
class Field:
    name: str
    """As stored and sent."""
    shape: Shape
    optional: bool
    """May be missing from what a client sends; results always carry defaulted fields."""
    missing: bool
    """May be missing from results too: declared ``X | Unset``."""
    former: tuple[str, ...] = ()
    """What it was called in stored documents before."""


@frozen
class ObjectOf:
    """A `Record`, or a `Document` (then ``table`` is its name)."""

    cls: type[msgspec.Struct]
    fields: tuple[Field, ...]
    table: str | None
    arguments: tuple[Any, ...] = ()
    """What stands for the type variables of the class: ``Page[Message]``."""
    argument_shapes: tuple[Shape, ...] = field(default=(), eq=False)
    """The shapes of those."""
    declared: str = field(default="", eq=False, repr=False)
    """The fields with their types and defaults, as they were declared."""
    complete: list[ObjectOf] = field(factory=list, eq=False, repr=False)
    """Of a class that occurs inside itself: the shape with its fields, once it is made."""

    @property
    def is_recurrence(self) -> bool:
        """True where a class occurs inside itself: its fields are left out there (see `whole`)."""
        return not self.fields and bool(self.cls.__struct_fields__)

    @property
    def hint(self) -> Any:
        cls: Any = self.cls
        return cls[self.arguments] if self.arguments else cls


@frozen
class UnionOf:
    variants: tuple[Shape, ...]


Shape = Scalar | IdOf | LiteralOf | ArrayOf | RecordOf | ObjectOf | UnionOf

ANY = Scalar("any")
NULL = Scalar("null")
SCALARS: Mapping[Any, Scalar] = {
    Any: ANY,
    object: ANY,
    None: NULL,
    type(None): NULL,
    int: Scalar("int"),
    float: Scalar("float"),
    Int64: Scalar("int64"),
    bool: Scalar("boolean"),
    str: Scalar("string"),
    bytes: Scalar("bytes"),
}
REMEDIES = {
    "set": "sets have no order; use list[...]",
    "frozenset": "sets have no order; use list[...]",
    "datetime": "store milliseconds as float, or ISO 8601 text",
    "date": "store ISO 8601 text",
    "timedelta": "store seconds as float",
    "Decimal": "store text, or an int of the smallest unit",
    "UUID": "store text",
}


def shape_of(hint: Any, where: str) -> Shape:
    """The shape of a resolved type hint.  Raises AppInvalid, naming ``where``, for other types."""
    if hint in SCALARS if isinstance(hint, typing.Hashable) else False:
        return SCALARS[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return annotated_shape(hint, args, where)
    if origin is Union or origin is types.UnionType:
        return union_shape(args, where)
    if origin is Literal:
        return simplest([LiteralOf(value) for value in args])
    if origin in (list, tuple):
        return ArrayOf(shape_of(array_item(origin, args, where), f"{where}[]"))
    if origin is dict:
        if args[0] is not str:
            raise AppInvalid(where, f"keys of {hint} must be str")
        return RecordOf(shape_of(args[1], f"{where}[...]"))
    if hint in (list, dict):
        raise AppInvalid(where, f"say what a `{hint.__name__}` holds, as `{hint.__name__}[...]`")
    if isinstance(hint, typing.TypeVar):
        return shape_of(hint.__bound__, where) if hint.__bound__ is not None else ANY
    if isinstance(hint, type) and issubclass(hint, Document) and hint.__variants__:
        return table_shape(hint, where)
    if isinstance(origin or hint, type) and issubclass(origin or hint, (Document, Record)):
        return object_shape(hint, where)
    name = getattr(hint, "__name__", str(hint))
    raise AppInvalid(where, f"`{name}` has no place in the value model: {REMEDIES.get(name, 'use a Record')}")


def check_supported(hint: Any, where: str) -> None:
    """What msgspec cannot check should stop a deploy, not a call.  Raises AppInvalid."""
    try:
        msgspec.json.Decoder(hint, dec_hook=lambda hint, obj: obj)
    except TypeError as error:
        raise AppInvalid(where, str(error)) from None


def annotated_shape(hint: Any, args: tuple[Any, ...], where: str) -> Shape:
    for extra in args[1:]:
        target = extra.extra.get("id") if isinstance(extra, msgspec.Meta) and extra.extra else None
        if target is not None:
            if not (isinstance(target, type) and issubclass(target, Document)):
                raise AppInvalid(where, f"Id[...] takes a Document class, not {target!r}")
            return IdOf(target.__table__)
    return shape_of(args[0], where)


def union_shape(args: tuple[Any, ...], where: str) -> Shape:
    return simplest([shape_of(arg, where) for arg in args if arg is not Unset])


def simplest(variants: list[Shape]) -> Shape:
    flat: dict[Shape, None] = {}
    for variant in variants:
        flat.update(dict.fromkeys(variants_of(variant)))
    return next(iter(flat)) if len(flat) == 1 else UnionOf(tuple(flat))


def array_item(origin: Any, args: tuple[Any, ...], where: str) -> Any:
    if origin is list:
        return args[0]
    if len(args) == 2 and args[1] is Ellipsis:
        return args[0]
    raise AppInvalid(where, "a tuple of fixed length has no place in the value model: use a Record")


IN_PROGRESS: dict[Any, ObjectOf] = {}


def table_shape(cls: type[Document], where: str) -> Shape:
    """What the documents of a table are: of its class, or of one of its variants."""
    if not cls.__variants__:
        return object_shape(cls, where)
    return simplest([object_shape(variant, variant.__name__) for variant in cls.__variants__.values()])


def object_shape(hint: Any, where: str) -> ObjectOf:
    """Of a Document or Record, with its type arguments if it has any."""
    cls = get_origin(hint) or hint
    table = cls.__table__ if issubclass(cls, Document) else None
    if hint in IN_PROGRESS:
        return IN_PROGRESS[hint]
    # A class that mentions itself gets a shape without fields where it recurs; the name is enough.
    IN_PROGRESS[hint] = inside = ObjectOf(cls, (), table, get_args(hint))
    try:
        shapes = tuple(shape_of(argument, where) for argument in get_args(hint))
        fields = [tag_field(cls)] if cls.__struct_config__.tag else []
        infos = field_types(hint)
        for info in infos:
            is_system = table is not None and info.name in ("id", "creation_time")
            if is_system:
                shape: Shape = IdOf(table or "") if info.name == "id" else SCALARS[float]
            else:
                shape = shape_of(info.type, f"{where}.{info.name}" if where else f"{cls.__name__}.{info.name}")
            missing = not is_system and (Unset in get_args(info.type) or info.default is UNSET)
            optional = not info.required and not is_system
            former = cls.__former__.get(info.encode_name, ())
            fields.append(Field(info.encode_name, shape, optional, missing, former))
        inside.complete.append(ObjectOf(cls, tuple(fields), table, get_args(hint), shapes, repr(infos)))
        return inside.complete[0]
    except NameError as error:
        raise AppInvalid(where or cls.__name__, f"{error}; is it imported in that module?") from None
    except TypeError as error:
        remedy = "if a function of that module is called as a built-in type is, write `builtins.list[...]`"
        raise AppInvalid(where or cls.__name__, f"{error}; {remedy}") from None
    finally:
        del IN_PROGRESS[hint]


def tag_field(cls: Any) -> Field:
    config = cls.__struct_config__
    return Field(config.tag_field, LiteralOf(config.tag), optional=False, missing=False)


def whole(shape: ObjectOf) -> ObjectOf:
    """The shape with its fields, also where it occurs inside itself."""
    return shape.complete[0] if shape.is_recurrence else shape


def variants_of(shape: Shape) -> tuple[Shape, ...]:
    """What a value of the shape may be: several for a union."""
    return shape.variants if isinstance(shape, UnionOf) else (shape,)


def walk(shape: Shape) -> Iterator[Shape]:
    """The shape and every shape inside it."""
    yield shape
    match shape:
        case ArrayOf(item):
            yield from walk(item)
        case RecordOf(value):
            yield from walk(value)
        case ObjectOf(_, fields):
            for field in fields:
                yield from walk(field.shape)
        case UnionOf(variants):
            for variant in variants:
                yield from walk(variant)
        case _:
            pass


def objects_in(shape: Shape) -> tuple[ObjectOf, ...]:
    """Every object that a value of the shape can hold, once and with its fields."""
    found: dict[Any, ObjectOf] = {}
    waiting: list[Shape] = [shape]
    while waiting:
        for part in walk(waiting.pop()):
            if isinstance(part, ObjectOf) and part.hint not in found:
                found[part.hint] = whole(part)
                waiting.append(whole(part))
    return tuple(found.values())
