"""Advice at load time: what the text of a module already shows to be non-deterministic.

Follows plain calls from handlers into functions of the same module, so that a helper which only an
action reaches is not judged.  Each function is read once.  What the lint misses, the guard catches
when it runs; what the lint finds, it finds before the first user does.

    D001 error    forbidden call           D005 error    state that outlives the call
    D003 error    ctx call not awaited     D006 warning  hash() of text
    D004 warning  order of a set           D007 warning  BaseException swallowed
    D008 note     measures nothing         D009 warning  too deeply nested to be read

A comment ``# ok: D004`` on the line silences one; several are separated by commas.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from attrs import frozen

from .lint_function import Remark, read_function
from .lint_module import Function, ModuleNames, kind_of
from .lint_rules import HANDLERS

_SILENCED = re.compile(r"#\s*ok:\s*([D\d,\s]+)")


@frozen(order=True)
class Finding:
    """One remark about one place; ``str`` gives the usual ``file:line:column: code level: message``."""

    file: str
    line: int
    column: int
    """Counted from 1, as editors do."""
    code: str
    level: str
    """``error`` stops a deploy; ``warning`` and ``note`` do not."""
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code} {self.level}: {self.message}"


def check(source: str, filename: str) -> list[Finding]:
    """Findings of one module, in the order of its lines.  Raises SyntaxError."""
    module = ModuleNames.of(ast.parse(source, filename))
    silenced = _silenced(source)
    findings = {
        _finding(filename, remark, origin)
        for remark, origin in _remarks(module)
        if remark.code not in silenced.get(remark.line, ())
    }
    return sorted(findings)


def _silenced(source: str) -> dict[int, set[str]]:
    return {
        number: {code.strip() for code in match[1].split(",")}
        for number, line in enumerate(source.splitlines(), start=1)
        if (match := _SILENCED.search(line))
    }


def _finding(filename: str, remark: Remark, origin: str) -> Finding:
    message = f"{remark.message} (in {origin})"
    return Finding(filename, remark.line, remark.column + 1, remark.code, remark.level, message)


def _remarks(module: ModuleNames) -> Iterator[tuple[Remark, str]]:
    """Every remark, with the function that it is in and how a handler gets there."""
    read: set[str] = set()
    for handler, function in module.functions.items():
        kind = HANDLERS.get(kind_of(module, function))
        if kind is None:
            continue
        reached = [handler]
        while reached:
            name = reached.pop()
            if name in read or (name != handler and kind_of(module, module.functions[name])):
                continue
            read.add(name)
            origin = f"{kind} `{handler}`"
            if name != handler:
                origin = f"`{name}`, reached from {origin}"
            remarks, calls = _read(module, module.functions[name])
            reached.extend(calls)
            for remark in remarks:
                yield remark, origin


def _read(module: ModuleNames, function: Function) -> tuple[list[Remark], list[str]]:
    try:
        return read_function(module, function)
    except RecursionError:
        deep = "is too deeply nested to be checked; the guard still watches it when it runs"
        return [Remark(function.lineno, function.col_offset, "D009", "warning", f"`{function.name}` {deep}")], []
