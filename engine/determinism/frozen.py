"""Makes a user module's state read-only while a handler runs, once the module has been loaded.

Its containers become look-alikes that ask the gate (``sealed_types``), assigning to the module is
refused, and functions that assign globals are reported.  Outside handlers everything works as before.

A container is replaced only if every reference to it is known: one that also lives in a closure, a
default argument or somebody's attribute would part from its other half.  Those are left to the lint
and to re-execution.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Protocol, TypeVar, cast

from .blame import is_user_code, violate
from .gate import GATE, active_run
from .remedies import Remedy
from .sealed_types import SEALED, seal_container

DEPTH_MAX = 16
DECORATORS_MAX = 16


class SealedModule(ModuleType):
    """A module whose names may not be assigned inside handlers."""

    def __setattr__(self, name: str, value: object) -> None:
        if GATE.run is not None and active_run() is not None:
            violate(f"assigning {self.__name__}.{name}", Remedy.STATE)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if GATE.run is not None and active_run() is not None:
            violate(f"deleting {self.__name__}.{name}", Remedy.STATE)
        super().__delattr__(name)


def seal(module: ModuleType) -> list[str]:
    """Seal a loaded module; again is harmless.

    Returns ``file:line: function assigns the global `name``` for what its functions certainly do if they
    are called.  Whether a handler calls them is for the lint to say.
    """
    namespaces = [vars(module), *_other_user_namespaces(module)]
    for name in list(vars(module)):
        if not name.startswith("__"):
            _seal_name(name, namespaces)
    if type(module) is ModuleType:
        module.__class__ = SealedModule
    return list(dict.fromkeys(complaint for code in _functions(module) for complaint in _global_stores(code)))


def _other_user_namespaces(module: ModuleType) -> list[dict[str, object]]:
    """User modules that may have said ``from module import CACHE``."""
    others = []
    for other in list(sys.modules.values()):
        filename = getattr(other, "__file__", None) if isinstance(other, ModuleType) else None
        if other is not module and filename is not None and is_user_code(filename):
            others.append(vars(other))
    return others


K = TypeVar("K", contravariant=True)


class _Holder(Protocol[K]):
    """A dict or a list."""

    def __getitem__(self, key: K, /) -> object: ...

    def __setitem__(self, key: K, value: object, /) -> None: ...


def _references(holder: _Holder[K], key: K) -> int:
    """How many references there are to ``holder[key]``, give or take a constant: see ``_ONE_REFERENCE``."""
    return sys.getrefcount(holder[key])


_ONE_REFERENCE = _references({"only": []}, "only")


def _seal_name(name: str, namespaces: list[dict[str, object]]) -> None:
    own = namespaces[0]
    if type(own[name]) not in SEALED:
        return
    holders = [
        (namespace, key) for namespace in namespaces for key, value in list(namespace.items()) if value is own[name]
    ]
    if _references(own, name) - _ONE_REFERENCE + 1 != len(holders):
        return
    _seal_contents(own[name], DEPTH_MAX)
    sealed = seal_container(own[name])
    for namespace, key in holders:
        namespace[key] = sealed


def _seal_contents(container: object, depth: int) -> None:
    """Seal what is held by nobody but ``container``."""
    if isinstance(container, dict):
        keys: Iterable[object] = list(container)
    elif isinstance(container, list):
        keys = range(len(container))
    else:
        return
    holder = cast("_Holder[object]", container)
    for key in keys:
        if depth and type(holder[key]) in SEALED and _references(holder, key) == _ONE_REFERENCE:
            _seal_contents(holder[key], depth - 1)
            holder[key] = seal_container(holder[key])


def _functions(module: ModuleType) -> Iterator[CodeType]:
    """Code of the functions and methods that the module defines, looking under decorators."""
    values = list(vars(module).values())
    for cls in [value for value in values if isinstance(value, type) and value.__module__ == module.__name__]:
        values.extend(vars(cls).values())
    for value in values:
        if getattr(value, "kind", None) == "action":
            continue  # It may change what it likes.
        function = _undecorated(value)
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            yield function.__code__


def _undecorated(value: object) -> object:
    for _ in range(DECORATORS_MAX):  # a value with a `__getattr__` may have any number of them
        inner = inspect.getattr_static(value, "__wrapped__", None)
        if inner is None:
            break
        value = inner
    return value


def _global_stores(code: CodeType) -> Iterator[str]:
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        line = (instruction.positions and instruction.positions.lineno) or line
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield f"{code.co_filename}:{line}: {code.co_qualname} assigns the global `{instruction.argval}`"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_stores(constant)
