"""Declared environment variables: a class says which there are, and what each may be.

    class Shop(Settings):
        SHOP_NAME: str = "the shop"
        LEVEL: Literal["info", "debug"] = "info"
        ORDERS_PER_DAY: int = 100
        API_KEY: str

    settings = ctx.env.read(Shop)

Invariants
    * A deploy to a running server is refused while a variable of its app is missing or is not what its hint says,
      and so is a change of a variable after it.  So what a function reads is what the class says.
    * A variable's value is a secret: no message holds one.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from types import ModuleType, NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from typing_extensions import dataclass_transform

from ..errors import AppInvalid, SettingsUnmet
from ..limits import ENVIRONMENT_NAME_CHARS_MAX

S = TypeVar("S", bound="Settings")

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KINDS: Final[Mapping[object, str]] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass_transform(kw_only_default=True, frozen_default=True)
class SettingsMeta(msgspec.StructMeta):
    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        # msgspec does not hand this down, and type checkers are told that it holds for every class.
        return super().__new__(mcls, name, bases, namespace, **{"kw_only": True, **options})


if TYPE_CHECKING:

    class Settings(metaclass=SettingsMeta):
        """The base class of declared environment variables: each field is the variable of its name.

        A hint is ``str``, ``int``, ``float``, ``bool`` (true, false, 1 or 0), a ``Literal`` of texts, or one of those
        ``| None``.  A variable without a default has to be set.
        """

else:

    class Settings(msgspec.Struct, metaclass=SettingsMeta, frozen=True):
        """The base class of declared environment variables: each field is the variable of its name.

        A hint is ``str``, ``int``, ``float``, ``bool`` (true, false, 1 or 0), a ``Literal`` of texts, or one of those
        ``| None``.  A variable without a default has to be set.
        """


def settings_of(cls: type[S], values: Mapping[str, str]) -> S:
    """The variables that the class declares.  Raises SettingsUnmet."""
    if problems := problems_of(cls, values):
        raise SettingsUnmet(tuple(problems.values()))
    return msgspec.convert({name: values[name] for name in names_of(cls) if name in values}, cls, strict=False)


def names_of(cls: type[Settings]) -> tuple[str, ...]:
    return tuple([variable.name for variable in variables_of(cls)])


def variables_of(cls: type[Settings]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Raises TypeError, NameError for hints that mean nothing."""
    struct: type[Any] = cls
    return msgspec.structs.fields(struct)


def problems_of(cls: type[Settings], values: Mapping[str, str]) -> dict[str, str]:
    """By variable: that it is missing, or is not what its hint says."""
    problems = {}
    for variable in variables_of(cls):
        name, value = variable.name, values.get(variable.name)
        if value is None:
            if variable.required:
                problems[name] = f"{name} is not set; {cls.__name__} declares it as {look_of(variable.type)}"
            continue
        try:
            msgspec.convert(value, variable.type, strict=False)
        except msgspec.ValidationError:
            # What msgspec says of it may hold the value.
            problems[name] = f"what {name} is set to is not {look_of(variable.type)}, as {cls.__name__} declares it"
    return problems


def look_of(hint: Any) -> str:
    """What a reader is told that a variable may be.  Raises TypeError for a hint that text cannot become."""
    if kind := KINDS.get(hint):
        return kind
    arguments = get_args(hint)
    if get_origin(hint) is Literal and all(isinstance(argument, str) for argument in arguments):
        return f"one of {', '.join(map(repr, arguments))}"
    if get_origin(hint) in (Union, UnionType):
        others = [argument for argument in arguments if argument is not NoneType]
        if len(others) == 1:
            return look_of(others[0])
    raise TypeError(f"{hint!r} cannot be read from text: use str, int, float, bool, or a Literal of texts")


def find_settings(modules: Mapping[str, ModuleType]) -> tuple[type[Settings], ...]:
    """The classes of an app.  Raises AppInvalid for one that could not be read."""
    own = {module.__name__ for module in modules.values()}
    found = {
        value: None
        for module in modules.values()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Settings) and value.__module__ in own
    }
    for cls in found:
        check_class(cls)
    return tuple(found)


def check_class(cls: type[Settings]) -> None:
    """Raises AppInvalid."""
    where = f"{cls.__module__}.{cls.__qualname__}"
    try:
        variables = variables_of(cls)
        for variable in variables:
            look_of(variable.type)
    except (TypeError, NameError) as error:
        raise AppInvalid(where, str(error)) from None
    for variable in variables:
        if not NAME.fullmatch(variable.name) or len(variable.name) > ENVIRONMENT_NAME_CHARS_MAX:
            raise AppInvalid(where, f"{variable.name!r} cannot name an environment variable")


def require_settings(
    classes: Iterable[type[Settings]], values: Mapping[str, str], only: Container[str] | None = None
) -> None:
    """All that an app declares, or of these variables alone.  Raises SettingsUnmet."""
    problems = {
        problem: None
        for cls in classes
        for name, problem in problems_of(cls, values).items()
        if only is None or name in only
    }
    if problems:
        raise SettingsUnmet(tuple(problems))
