"""Where in a value an error of msgspec is, to the key.

msgspec says ``$.scores[...][2]`` for an item of a record, whatever its key.  The key is the one with
which, alone in its record, the same error comes again; this is looked for only when there is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from ...protocol.values import Value, step

AT = " - at `"
ANY_KEY = "[...]"
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def place_of(error: msgspec.ValidationError, value: Value, again: Callable[[Value], object]) -> tuple[str, str]:
    """The problem, and the path to it.  ``again`` converts a value as the one that failed was."""
    text = str(error)
    problem, _, path = text.partition(AT)
    path = path.rstrip("`") or "$"
    while ANY_KEY in path:
        steps = STEP.findall(path.partition(ANY_KEY)[0])
        for key, narrowed in alone(value, steps):
            if fails_alike(narrowed, text, again):
                path, value = path.replace(ANY_KEY, step(key), 1), narrowed
                break
        else:
            break
    return problem, path


def fails_alike(value: Value, text: str, again: Callable[[Value], object]) -> bool:
    try:
        again(value)
    except msgspec.ValidationError as error:
        return str(error) == text
    return False


def alone(value: Value, steps: list[tuple[str, str]]) -> Iterator[tuple[str, Value]]:
    """For each key of the record that ``steps`` lead to: the key, and the value with no other in there."""
    if not steps:
        if isinstance(value, dict):
            yield from ((key, {key: item}) for key, item in value.items())
        return
    name, position = steps[0]
    if isinstance(value, dict) and name in value:
        yield from ((key, {**value, name: inner}) for key, inner in alone(value[name], steps[1:]))
    elif isinstance(value, list) and position:
        at = int(position)
        for key, inner in alone(value[at], steps[1:]):
            yield key, [*value[:at], inner, *value[at + 1 :]]
