"""Containers that may be read at any time and changed outside handlers only.

Each is a subclass of the built-in one, so that isinstance, JSON and msgspec treat it alike; copies of
it are ordinary, so that a handler may change a copy.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from functools import update_wrapper

from .blame import violate
from .gate import GATE, active_run
from .remedies import Remedy

_DICT = ("__setitem__", "__delitem__", "__ior__", "update", "pop", "popitem", "clear", "setdefault")
_SEQUENCE = (
    "__setitem__",
    "__delitem__",
    "__iadd__",
    "__imul__",
    "append",
    "extend",
    "insert",
    "pop",
    "remove",
)
_SET = ("__iand__", "__ior__", "__isub__", "__ixor__", "add", "discard", "pop", "remove", "clear", "update")

MUTATORS: dict[type, tuple[str, ...]] = {
    dict: _DICT,
    defaultdict: _DICT,
    OrderedDict: (*_DICT, "move_to_end"),
    Counter: (*_DICT, "subtract", "__iadd__", "__isub__", "__iand__"),
    list: (*_SEQUENCE, "clear", "sort", "reverse"),
    bytearray: (*_SEQUENCE, "clear", "reverse"),
    deque: (*_SEQUENCE, "clear", "reverse", "rotate", "appendleft", "extendleft", "popleft"),
    set: (*_SET, "difference_update", "intersection_update", "symmetric_difference_update"),
}


def _refusing(base: type, name: str) -> Callable[..., object]:
    original = getattr(base, name)

    def mutate(self: object, *args: object, **kwargs: object) -> object:
        if GATE.run is not None and active_run() is not None:
            violate(f"changing a module-level {base.__name__} ({name})", Remedy.STATE)
        return original(self, *args, **kwargs)

    return update_wrapper(mutate, original)


def _arguments(container: object) -> tuple[object, ...]:
    """What to call the container's class with to get another like it."""
    if isinstance(container, defaultdict):
        return container.default_factory, dict(container)
    if isinstance(container, dict):
        return (dict(container),)
    if isinstance(container, deque):
        return list(container), container.maxlen
    assert isinstance(container, Iterable), type(container)
    return (list(container),)


def _ordinary(base: Callable[..., object], container: object) -> object:
    """An ordinary ``base`` with the same contents."""
    return base(*_arguments(container))


def _sealed_type(base: type, mutators: tuple[str, ...]) -> type:
    def copy(self: object) -> object:
        return _ordinary(base, self)

    def reduce(self: object, protocol: int) -> object:
        return base, _arguments(self)

    def deep_copy(self: object, memory: dict[int, object]) -> object:
        from copy import deepcopy

        return deepcopy(_ordinary(base, self), memory)

    namespace: dict[str, object] = {name: _refusing(base, name) for name in mutators}
    namespace |= {
        "__slots__": (),
        "__doc__": base.__doc__,
        "__reduce_ex__": reduce,
        "__deepcopy__": deep_copy,
    }
    namespace |= {"copy": copy, "__copy__": copy}
    if base is deque:  # the C code of these makes another of the same class
        namespace["__add__"] = lambda self, other: _ordinary(base, self) + other
        namespace["__mul__"] = lambda self, count: _ordinary(base, self) * count
    return type(base.__name__, (base,), namespace)


SEALED: dict[type, type] = {base: _sealed_type(base, mutators) for base, mutators in MUTATORS.items()}
"""By the ordinary class."""


def seal_container(container: object) -> object:
    """A sealed look-alike with the same contents; ``container`` itself if it is not of an ordinary class."""
    cls = SEALED.get(type(container))
    if cls is None:
        return container
    return cls(*_arguments(container))
