"""How results and remarks are written: results to stdout, remarks to stderr."""

from __future__ import annotations

import json
from math import isfinite

import click

from ..protocol.values import Int64, Value

LINE_CHARS_MAX = 100
"""Values longer than this are shown over several lines."""


def say(text: str) -> None:
    """A remark for whoever watches."""
    click.echo(f"relive: {text}", err=True)


def print_json(tree: object) -> None:
    """One line of JSON, a result."""
    click.echo(json.dumps(tree, ensure_ascii=False, separators=(",", ":")))


def readable(value: Value) -> str:
    """A value for people: JSON, but for numbers and bytes that JSON lacks."""
    tree = plain(value)
    line = json.dumps(tree, ensure_ascii=False)
    return line if len(line) <= LINE_CHARS_MAX else json.dumps(tree, ensure_ascii=False, indent=2)


def plain(value: Value) -> object:
    match value:
        case bytes():
            return f"<{len(value)} bytes: {value[:16].hex()}{'...' if len(value) > 16 else ''}>"
        case Int64():
            return int(value)
        case float() if not isfinite(value):
            return str(value)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in sorted(value.items())}
        case _:
            return value
