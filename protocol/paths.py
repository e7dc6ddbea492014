"""Function paths: ``folder/module:function``, as clients name what they call.

``messages:list``, ``messages.js:list`` and the path that either parses to are the same; without a
function, ``messages`` is ``messages:default``.  A ``FunctionPath`` that exists is well-formed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from attrs import frozen

from .errors import InvalidPath
from .limits import IDENTIFIER_CHARS_MAX, PATH_CHARS_MAX

DEFAULT_FUNCTION: Final = "default"

_COMPONENT = f"(?=_*[A-Za-z0-9])[A-Za-z0-9_]{{1,{IDENTIFIER_CHARS_MAX}}}"
_match_module: Final = re.compile(f"{_COMPONENT}(?:/{_COMPONENT})*").fullmatch
_match_function: Final = re.compile(f"(?=_*[A-Za-z0-9])[A-Za-z_][A-Za-z0-9_]{{0,{IDENTIFIER_CHARS_MAX - 1}}}").fullmatch

_REMEMBERED = 1024
"""Paths kept parsed; an application has fewer functions than this."""


@frozen
class FunctionPath:
    """Where a function is.  Raise ``InvalidPath`` if made of anything else."""

    module: str
    """``folder/module``, without a suffix."""
    function: str

    def __attrs_post_init__(self) -> None:
        if len(self.module) + 1 + len(self.function) > PATH_CHARS_MAX:
            raise InvalidPath(str(self)[:PATH_CHARS_MAX], f"longer than {PATH_CHARS_MAX} characters")
        if _match_module(self.module) is None:
            raise InvalidPath(
                str(self),
                "a module is names of letters, digits and _ with / between them, "
                f"each at most {IDENTIFIER_CHARS_MAX} characters",
            )
        if _match_function(self.function) is None:
            raise InvalidPath(
                str(self),
                "a function is named by letters, digits and _, not by a digit first, "
                f"in at most {IDENTIFIER_CHARS_MAX} characters",
            )

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"


@lru_cache(_REMEMBERED)
def parse(text: str) -> FunctionPath:
    """The path that a client wrote.  Raise ``InvalidPath``."""
    module, colon, function = text.rpartition(":")
    if not colon:
        module, function = text, DEFAULT_FUNCTION
    return FunctionPath(module.removesuffix(".js"), function)
