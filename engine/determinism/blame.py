"""Whose line is it?  Finds the user's code on the stack, and raises violations that name it.

Three sorts of code meet on a stack: the user's (under a root), libraries (site-packages, and whatever
else is not the user's), and the standard library.  A call is charged to the innermost user line.
Libraries are forgiven more, since users cannot change them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from types import FrameType
from typing import Final

from attrs import frozen

from . import gate
from .errors import DeterminismViolation
from .gate import GATE, stick
from .remedies import Remedy

_ENGINE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PACKAGES = ("site-packages", "dist-packages")
_STANDARD_LIBRARY = tuple({os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib")})

_READERS: Final = frozenset(
    {
        "warnings",
        "zoneinfo",
        "zoneinfo._common",
        "zoneinfo._tzpath",
        "linecache",
        "logging",
        "traceback",
        "tokenize",
        "inspect",
        "importlib._bootstrap",
        "importlib._bootstrap_external",
    }
)
"""Standard modules that read source lines, time zones or packages, part of what is deployed, or the process id."""
READER_FRAMES_MAX = 12

_roots: list[str] = []
_user_files: dict[str, bool] = {}
"""Answers of ``is_user_code`` so far."""


@frozen
class Blame:
    """The innermost user line on the stack."""

    where: str
    by_finaliser: bool
    """A ``__del__`` or weak reference callback, which runs by chance inside whatever handler is running."""


def add_root(root: str) -> None:
    """Files whose name starts with ``root`` are the user's: a folder, or a prefix such as ``<bundle:``."""
    folders = [root] if root.startswith("<") or "://" in root else _folder_names(root)
    for folder in folders:
        if folder not in _roots:
            _roots.append(folder)
    _user_files.clear()


def _folder_names(root: str) -> list[str]:
    # Without the separator /app would claim /apple; a folder reached through a link has two names.
    return [os.path.join(os.path.abspath(root), ""), os.path.join(os.path.realpath(root), "")]


def is_user_code(filename: str) -> bool:
    known = _user_files.get(filename)
    if known is None:
        known = _user_files[filename] = (
            filename.startswith(tuple(_roots)) and not filename.startswith(_ENGINE) and not _is_package(filename)
        )
    return known


def _is_package(filename: str) -> bool:
    return any(packages in filename for packages in _PACKAGES)


def _is_standard_library(filename: str) -> bool:
    if filename.startswith("<"):  # frozen modules, and code that somebody's exec made
        return True
    return filename.startswith(_STANDARD_LIBRARY) and not _is_package(filename)


def frames(frame: FrameType | None) -> Iterator[FrameType]:
    """The stack from ``frame`` outwards."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def location(frame: FrameType) -> str:
    code = frame.f_code
    return f'File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}'


def find_blame(start: FrameType | None, fallback: str | None = None) -> Blame:
    """The innermost user line, or failing that ``fallback``, or the innermost line that is not the engine's."""
    by_finaliser = False
    for frame in frames(start):
        filename = frame.f_code.co_filename
        by_finaliser = by_finaliser or _is_finaliser(frame)
        if is_user_code(filename):
            return Blame(location(frame), by_finaliser)
        if fallback is None and not filename.startswith(("<", _ENGINE)):
            fallback = location(frame)
    return Blame(fallback or "an unknown line", by_finaliser)


def _is_finaliser(frame: FrameType) -> bool:
    name = frame.f_code.co_name
    return name == "__del__" or (name == "__call__" and frame.f_globals.get("__name__") == "weakref")


def called_by_library(start: FrameType | None) -> bool:
    """Did a library ask, rather than the user's own code?  Looks past the standard library."""
    for frame in frames(start):
        filename = frame.f_code.co_filename
        if is_user_code(filename):
            return False
        if not filename.startswith(_HERE) and not _is_standard_library(filename):
            return True
    return False


def called_by_reader(start: FrameType | None) -> bool:
    """Is this a standard module that looks up what was deployed, such as a traceback's source line?"""
    for depth, frame in enumerate(frames(start)):
        if depth >= READER_FRAMES_MAX or is_user_code(frame.f_code.co_filename):
            return False
        if frame.f_globals.get("__name__") in _READERS:
            return True
    return False


def violate(what: str, remedy: Remedy) -> None:
    """Stop the handler because of ``what``.  Returns only if the guard is off or a finaliser is to blame.

    Raises DeterminismViolation.
    """
    run = GATE.run
    if run is None or not gate.enabled:
        return
    GATE.engine += 1  # what we do to find the line must not be judged itself
    try:
        blame = find_blame(sys._getframe(1))
    finally:
        GATE.engine -= 1
    if blame.by_finaliser:
        return
    raise stick(DeterminismViolation(what, blame.where, run.kind, remedy.value))
