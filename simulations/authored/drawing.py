"""Operations from the types of the functions: for an app of which its author has said nothing more.

Values are few and small, so that clients meet, and some are odd: empty, negative, of the longest kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from attrs import define

from ...engine.application.app import App
from ...engine.application.endpoint import Endpoint
from ...engine.data.shapes import (
    ArrayOf,
    Field,
    IdOf,
    LiteralOf,
    ObjectOf,
    RecordOf,
    Scalar,
    Shape,
    UnionOf,
    whole,
)
from ...protocol.values import Int64
from .references import NUMBERS, reference

TEXTS: Final = ("a", "b", "c", "ada", "", " ", "längerer Text", "x" * 200)
INTEGERS: Final = (0, 1, 2, 3, 5, 10, 100, -1, 2**40)
FLOATS: Final = (0, 1, 0.5, 2.25, -1.5, 1e9)
BYTES: Final = (b"", b"\x00", b"abc")
USUAL: Final = 4
"""So many of each are usual; the others are drawn now and then."""
ODD: Final = 0.12
ITEMS_MAX: Final = 3
DEPTH_MAX: Final = 4
OPTIONAL: Final = 0.5


@define
class Drawing:
    """Draws arguments for functions."""

    random: Random

    def of(self, values: Sequence[Any]) -> Any:
        """One of them: mostly of the usual ones, which come first."""
        if self.random.random() < ODD:
            return self.random.choice(values)
        return self.random.choice(values[:USUAL])

    def arguments(self, endpoint: Endpoint) -> dict[str, Any]:
        return self.fields(endpoint.arguments.fields, 0)

    def fields(self, fields: Sequence[Field], depth: int) -> dict[str, Any]:
        return {
            field.name: self.value(field.shape, depth)
            for field in fields
            if not (field.optional or field.missing) or self.random.random() < OPTIONAL
        }

    def value(self, shape: Shape, depth: int = 0) -> Any:
        match shape:
            case Scalar(name):
                return self.scalar(name)
            case IdOf(table):
                return reference(table, self.random.randrange(NUMBERS))
            case LiteralOf(value):
                return value
            case ArrayOf(item):
                count = 0 if depth > DEPTH_MAX else self.random.randrange(ITEMS_MAX + 1)
                return [self.value(item, depth + 1) for _ in range(count)]
            case RecordOf(value):
                names = () if depth > DEPTH_MAX else TEXTS[: self.random.randrange(ITEMS_MAX + 1)]
                return {name: self.value(value, depth + 1) for name in names}
            case ObjectOf():
                return self.object(whole(shape), depth)
            case UnionOf(variants):
                return self.value(self.random.choice(variants), depth)

    def object(self, shape: ObjectOf, depth: int) -> dict[str, Any]:
        if shape.cls.__name__ == "PaginationOptions":
            return {"numItems": self.random.randrange(1, 4), "cursor": None}
        return self.fields(shape.fields, depth + 1)

    def scalar(self, name: str) -> Any:
        match name:
            case "null":
                return None
            case "boolean":
                return self.random.random() < 0.5
            case "int":
                return self.of(INTEGERS)
            case "float":
                return self.of(FLOATS)
            case "int64":
                return Int64(self.of(INTEGERS))
            case "bytes":
                return self.of(BYTES)
            case "string":
                return self.of(TEXTS)
            case _:
                return self.of((None, True, *INTEGERS[:2], *TEXTS[:2]))


def functions_of(app: App, kind: str) -> dict[str, Endpoint]:
    """Those that clients can call, by path."""
    found: Mapping[str, Endpoint] = app.endpoints
    return {path: endpoint for path, endpoint in sorted(found.items()) if endpoint.public and endpoint.kind == kind}
