"""Replacing functions of the standard library once, for good, with versions that ask the gate.

Outside handlers a replacement passes on to the original.  Names that modules took before
(``from time import time``) are swapped by ``sweep``.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import os
import sys
from collections.abc import Callable
from types import FrameType

from .blame import called_by_library, called_by_reader, violate
from .gate import GATE, active_run
from .remedies import Remedy

Function = Callable[..., object]

_replacements: dict[int, Function] = {}
"""By ``id`` of the original."""
_originals: list[object] = []
"""Kept alive: an id may not come to mean another object."""

_NOT_SWEPT = (
    # Ours keeps the originals on purpose; the rest runs the process, not handlers, and should stay fast.
    *("relive", "trio", "asyncio", "selectors", "logging", "importlib", "_frozen_importlib", "subprocess"),
    *("tempfile", "shutil", "concurrent", "multiprocessing", "pytest", "_pytest", "hypothesis", "coverage"),
    *(
        "time",
        "random",
        "os",
        "posix",
        "nt",
        "threading",
        "_thread",
        "builtins",
        "signal",
        "socket",
        "select",
    ),
)


def replace(owner: object, name: str, make: Callable[[Function], Function]) -> None:
    """Put ``make(original)`` in the place of ``owner.name``; does nothing where there is no such name."""
    original = getattr(owner, name, None)
    if original is None:
        return
    replacement = functools.update_wrapper(make(original), original)
    setattr(owner, name, replacement)
    _replacements[id(original)] = replacement
    _originals.append(original)
    if owner is os:
        _keep_capabilities(original, replacement)


def _keep_capabilities(original: Function, replacement: Function) -> None:
    """``os.stat in os.supports_dir_fd``: shutil picks its safe algorithms by such questions."""
    for name in ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids"):
        capable: set[Function] = getattr(os, name)
        if original in capable:
            capable.add(replacement)


def forbid(what: str, remedy: Remedy, *, libraries_may: bool = False) -> Callable[[Function], Callable[..., object]]:
    """For ``replace``: refuse inside handlers, unless a library asks and ``libraries_may``."""

    def judge(caller: FrameType) -> None:
        if not libraries_may or not (called_by_reader(caller) or called_by_library(caller)):
            violate(what, remedy)

    def make(original: Function) -> Function:
        def replacement(*args: object, **kwargs: object) -> object:
            if GATE.run is not None and active_run() is not None:
                judge(sys._getframe(1))
            return original(*args, **kwargs)

        return replacement

    return make


def replace_in_static_type(cls: type, name: str, value: object) -> None:
    """Set an attribute of a type written in C, which keeps its identity: subclasses, pickles, isinstance.

    Raises TypeError where CPython no longer allows it.
    """
    for namespace in gc.get_referents(cls.__dict__):  # the real dict behind the mapping proxy
        if type(namespace) is dict and name in namespace:
            namespace[name] = value
            ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))
            return
    raise TypeError(f"this Python does not let {cls.__name__}.{name} be replaced")


def sweep() -> int:
    """Swap originals that loaded modules hold under a name of their own; how many there were."""
    swapped = 0
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] in _NOT_SWEPT:
            continue
        try:  # not getattr: that would make lazy modules load
            namespace = object.__getattribute__(module, "__dict__")
        except AttributeError:
            continue
        for name, value in list(namespace.items()):
            replacement = _replacements.get(id(value))
            if replacement is not None and replacement is not value:
                namespace[name] = replacement
                swapped += 1
    return swapped
