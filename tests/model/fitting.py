"""What fits a table, and what operations make of a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from relive.engine.data.schema import UNSET, Int64
from relive.protocol.order import compare

from .places import INT_MAX, Fields, as_held
from .programs import Merge
from .schemas import Field, Table


class Raised(Exception):
    """An error of the engine, by the name of its class."""


def system_fields(document: Fields) -> Fields:
    return {name: document[name] for name in ("_id", "_creationTime")}


def without_system_fields(document: Fields) -> Fields:
    return {name: item for name, item in document.items() if name not in ("_id", "_creationTime")}


def fitting(table: Table, fields: Mapping[str, Any]) -> Fields:
    """A document of the table, defaults filled in.  Raises Raised if it does not fit."""
    if not table.fields:
        if any(is_too_large(item) for item in fields.values()):
            raise Raised("DocumentInvalid")
        return dict(fields)
    complete: Fields = {}
    for known in table.fields:
        item = normal(fields.get(known.name, known.default))
        if item is not UNSET:
            if not fits(known, item):
                raise Raised("DocumentInvalid")
            complete[known.name] = as_stored(item, known.kind)
        elif not known.may_be_missing:
            raise Raised("DocumentInvalid")
    if fields.keys() - {known.name for known in table.fields}:
        raise Raised("DocumentInvalid")
    return complete


def as_stored(item: Any, kind: str) -> Any:
    """Numbers and Int64s are taken for one another where only one of them is declared."""
    return int(item) if isinstance(item, Int64) and kind in ("int", "float") else as_held(item, kind)


def normal(item: Any) -> Any:
    """Integral numbers are one, however they are written."""
    whole = type(item) is float and item.is_integer() and abs(item) <= INT_MAX and str(item) != "-0.0"
    return int(item) if whole else item


def is_too_large(item: Any) -> bool:
    return type(item) is int and abs(item) > INT_MAX


def is_number(item: Any) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, (bool, Int64)) and not is_too_large(item)


def fits(known: Field, item: Any) -> bool:
    if item is None:
        return known.nullable or known.kind == "any"
    match known.kind:
        case "any":
            return not is_too_large(item)
        case "int" | "int64":
            return isinstance(item, Int64) or (type(item) is int and is_number(item))
        case "float":
            return isinstance(item, Int64) or is_number(item)
        case "place":
            return isinstance(item, dict) and isinstance(item.get("city"), str) and item.keys() <= {"city", "size"}
        case kind:
            return isinstance(item, {"bool": bool, "text": str, "list": list}[kind])


def merged(table: Table, step: Merge, old: Fields) -> Fields:
    """Raises Raised if an operation cannot be done, or what it gives does not fit."""
    fields = without_system_fields(old)
    for name, (kind, operand) in step.operations.items():
        fields[name] = OPERATIONS[kind](fields.get(name, UNSET), operand)
    return {**fitting(table, fields), **system_fields(old)}


def increment(held: Any, by: Any) -> Any:
    if held is UNSET:
        return by
    if isinstance(held, Int64) and isinstance(by, int):
        return Int64(int(held) + int(by))
    if not is_number(held) or isinstance(by, Int64):
        raise Raised("DocumentInvalid")
    return held + by


def extreme(held: Any, value: Any, sign: int) -> Any:
    if held is UNSET:
        return value
    value = as_held(normal(value), "int64") if isinstance(held, Int64) else value
    return value if compare(value, held) * sign > 0 else held


def append(held: Any, item: Any) -> Any:
    if held is not UNSET and not isinstance(held, list):
        raise Raised("DocumentInvalid")
    return [*(held if held is not UNSET else []), item]


OPERATIONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "increment": increment,
    "maximum": lambda held, value: extreme(held, value, 1),
    "minimum": lambda held, value: extreme(held, value, -1),
    "append": append,
}
