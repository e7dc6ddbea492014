"""Values in the cells of a CSV file.

    a missing field      an empty cell
    text                 as it is; as a JSON string, in quotes, where it would be read as something else
    a number             with a point, 1.0
    true, false, null    as such
    Int64                digits without a point
    bytes, arrays, objects, numbers without end   as in JSON of a snapshot

What a cell says depends on what the table's class declares for the field: ``12`` is text where text is
declared.  Where nothing is declared, it is a number if it looks like one, and otherwise text.

Invariant: a value that fits what is declared comes back from the cell that it was written to.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Final

from ...protocol import json
from ...protocol.errors import InvalidValue
from ...protocol.limits import INT_MAX
from ...protocol.values import Int64, Value, number
from ..data.id_checks import could_be
from ..data.shapes import ObjectOf, Scalar, Shape, UnionOf, variants_of, whole
from ..data.table_codec import TableCodec

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

Shapes = tuple[Shape, ...]
"""What is declared for a field, by each class of the table that has it; none if nothing is."""


class Missing:
    """There is no such field."""


MISSING: Final = Missing()


def shapes_of(codec: TableCodec) -> dict[str, Shapes]:
    """What the classes of a table declare, by the names of fields as they are stored."""
    shapes: dict[str, Shapes] = {}
    for document in variants_of(codec.shape) if codec.shape is not None else ():
        if isinstance(document, ObjectOf):
            for field in whole(document).fields:
                shapes[field.name] = (*shapes.get(field.name, ()), field.shape)
    return shapes


def write_cell(value: Value, shapes: Shapes) -> str:
    if isinstance(value, str):
        # A bare carriage return would end the row for some readers.
        plain = read_cell(value, shapes) == value and "\r" not in value and "\0" not in value
        return value if plain else quoted(value)
    return json.encode_export(value).decode()


def read_cell(cell: str, shapes: Shapes) -> Value | Missing:
    """What a cell says.  What does not fit the table is for the table to refuse."""
    if not cell:
        return MISSING
    value = json_of(cell)
    if isinstance(value, str):
        return value
    if not shapes:
        return plain_number(cell)
    if isinstance(value, Missing):
        return cell
    # Bare digits are a plain number where no Int64 is declared.
    plain = int(value) if isinstance(value, Int64) and abs(value) <= INT_MAX else value
    candidates: tuple[Value, ...] = (value, plain, cell)
    for candidate in candidates:
        if any(fits(candidate, shape) for shape in shapes):
            return candidate
    return plain


def plain_number(cell: str) -> Value:
    """The number that a cell looks like, or else its text."""
    if not NUMBER.fullmatch(cell):
        return cell
    value = float(cell)
    return number(value) if isfinite(value) else cell


def fits(value: Value, shape: Shape) -> bool:
    """Whether it could be declared so; an Int64 is no plain number."""
    if isinstance(value, Int64):
        kinds = shape.variants if isinstance(shape, UnionOf) else (shape,)
        return any(isinstance(kind, Scalar) and kind.name in ("int64", "any") for kind in kinds)
    return could_be(value, shape)


def json_of(cell: str) -> Value | Missing:
    if cell[0] not in '"[{-0123456789tfn':
        return MISSING
    try:
        return json.decode_export(cell)
    except InvalidValue:
        return MISSING


def quoted(text: str) -> str:
    return json.encode_export(text).decode()
