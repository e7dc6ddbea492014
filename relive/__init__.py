"""relive: a reactive backend in Python.

What a developer imports, `from relive import ...`, is imported with the first of it: a command that needs none of it
starts in a third of the time, and a server starts twice (`engine/determinism/hash_seed.py`).

names     what a developer imports
testing   for tests of an app: `TestApp`
simulate  what must be true of an app under simulation
cli       the command line: ``relive``
__main__  the same as ``python -m relive``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .names import *  # noqa: F403 -- whatever it hands out
    from .names import __all__ as __all__
    from .names import __version__ as __version__
else:

    def __getattr__(name):
        names = import_module(f"{__name__}.names")
        if name != "__all__" and name not in names.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals().update({each: getattr(names, each) for each in names.__all__}, __all__=names.__all__)
        return globals()[name]
