"""A function of the deployed app, ready to be called: its path, its arguments, its result."""

from __future__ import annotations

import builtins
import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import define, field

from ...protocol.errors import InvalidValue
from ...protocol.values import Value
from ..data.documents import complete, complete_documents, convert, in_order
from ..data.hints import expanded
from ..data.id_checks import IdCheck, id_check
from ..data.shapes import ANY, Field, IdOf, ObjectOf, RecordOf, Shape, check_supported, shape_of, walk
from ..errors import AppInvalid, ArgumentValidationError, ReturnsValidationError
from .functions import AnyFunction, Function, FunctionKind, MigrationFunction

PLAIN = frozenset((str, bool, bytes, type(None)))


@define(eq=False)
class Endpoint:
    path: str
    """``folder/module:function``."""
    function: AnyFunction
    arguments: ObjectOf
    returns: Shape
    arguments_type: type[msgspec.Struct]
    returns_hint: Any
    check_ids: IdCheck | None = field(init=False, default=None)
    takes_objects: bool = field(init=False)
    """True if arguments can hold objects whose names are data: a handler may iterate over them."""
    returns_documents: bool = field(init=False)
    """True if documents are all the objects that a result can hold: their class is enough."""
    fills_defaults: bool = field(init=False)
    """True if a result can be a dictionary that leaves out what its class fills in."""
    plainly: type | None = field(init=False)
    """Whatever is of this very type is a result as declared; None if that takes a closer look."""

    def __attrs_post_init__(self) -> None:
        self.takes_objects = any(part == ANY or isinstance(part, RecordOf) for part in walk(self.arguments))
        objects = [part for part in walk(self.returns) if isinstance(part, ObjectOf)]
        self.fills_defaults = any(own.optional and not own.missing for part in objects for own in part.fields)
        self.returns_documents = bool(objects) and all(part.table is not None for part in objects)
        self.plainly = plain_type(self.returns, self.returns_hint)

    @property
    def kind(self) -> FunctionKind:
        return self.function.kind

    @property
    def public(self) -> bool:
        return self.function.public

    def resolve_ids(self, number_of: Callable[[str], int]) -> None:
        """Once tables have numbers: which ids the arguments may hold."""
        self.check_ids = id_check(self.arguments, number_of)

    def bind(self, arguments: Value) -> dict[str, Any]:
        """Keyword arguments for the handler.  Raises ArgumentValidationError with the path."""
        try:
            if not isinstance(arguments, dict):
                raise InvalidValue("$", "arguments are one object of named values")
            if self.takes_objects:
                # In one order, whether they came from a client or from the log.
                arguments = in_order(arguments)
            bound = convert(arguments, self.arguments_type, strict=True)
            if self.check_ids is not None:
                self.check_ids(arguments)
        except InvalidValue as error:
            raise ArgumentValidationError(self.path, str(error)) from None
        return {name: getattr(bound, name) for name in self.arguments_type.__struct_fields__}

    def check_result(self, result: object) -> object:
        """The result as the function declares it: defaults of records given as dictionaries filled in.

        Raises ReturnsValidationError, with the path, if the function said otherwise.
        """
        if type(result) is self.plainly or self.returns == ANY:
            return result
        try:
            make = complete_documents if self.returns_documents else complete
            made = make(result, self.returns_hint)
            return made if self.fills_defaults else result
        except InvalidValue as error:
            raise ReturnsValidationError(self.path, str(error)) from None
        except msgspec.ValidationError as error:
            raise ReturnsValidationError(self.path, str(error)) from None


def plain_type(shape: Shape, hint: Any) -> type | None:
    """The type of which every instance fits the hint as it stands; None if there is no such type."""
    if isinstance(hint, type) and hint in PLAIN:
        return hint
    # Of an id, msgspec checks that it is text; further conditions may have been put upon it.
    return str if isinstance(shape, IdOf) and len(getattr(hint, "__metadata__", ())) == 1 else None


def endpoint_of(path: str, function: AnyFunction) -> Endpoint:
    """Analyse the hints of a function.  Raises AppInvalid, naming the file and line."""
    code = function.handler.__code__
    where = f'File "{code.co_filename}", line {code.co_firstlineno}, in {function.__name__}'
    try:
        hints = {
            name: expanded(hint)
            for name, hint in typing.get_type_hints(function.handler, names_of(function), include_extras=True).items()
        }
    except NameError as error:
        raise AppInvalid(where, f"{error}; is it imported in that module?") from None
    parameters = list(inspect.signature(function.handler).parameters.values())
    if not parameters:
        raise AppInvalid(where, "the first parameter is the context, as `ctx: QueryCtx`")
    fields: list[Any] = []
    shapes: list[Field] = []
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise AppInvalid(where, f"parameter `{parameter.name}` must have a name that callers can use")
        if parameter.name not in hints:
            raise AppInvalid(where, f"parameter `{parameter.name}` needs a type")
        hint = hints[parameter.name]
        optional = parameter.default is not parameter.empty
        shapes.append(
            Field(parameter.name, shape_of(hint, f"{where}, parameter `{parameter.name}`"), optional, optional)
        )
        fields.append((parameter.name, hint, parameter.default) if optional else (parameter.name, hint))
    try:
        arguments_type = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True, frozen=True)
    except TypeError as error:
        raise AppInvalid(where, str(error)) from None
    if isinstance(function, MigrationFunction):
        check_migration(function, fields, where)
    returns_hint = hints.get("return", Any)
    # Shapes first: making one prepares the classes inside for msgspec.
    returns = shape_of(returns_hint, f"{where}, result")
    check_supported(arguments_type, where)
    check_supported(returns_hint, where)
    return Endpoint(
        path, function, ObjectOf(arguments_type, tuple(shapes), None), returns, arguments_type, returns_hint
    )


def check_migration(function: MigrationFunction[Any], fields: list[Any], where: str) -> None:
    """Raises AppInvalid unless it takes a document of its table."""
    cls = function.table
    if len(fields) != 1 or fields[0][1] != expanded(cls):
        raise AppInvalid(
            where, f"a migration of `{cls.__name__}` takes `ctx` and one document, as `row: {cls.__name__}`"
        )


def names_of(function: AnyFunction) -> dict[str, Any]:
    """What names in the hints of a function mean.

    A function called `list` hides the built-in in its module; in a hint the built-in is meant.
    """
    names: dict[str, Any] = dict(getattr(function.handler, "__globals__", {}))
    for name, value in vars(builtins).items():
        if isinstance(names.get(name), Function):
            names[name] = value
    return names
