"""Stored documents with fields that were called something else when they were written.

A rename is made of a shape once; where nothing was renamed, there is none.  It gives new objects and
leaves what it was given as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from ...protocol.values import Value
from .id_checks import could_be, whole_variant
from .shapes import ArrayOf, ObjectOf, RecordOf, Shape, UnionOf, walk

Rename = Callable[[Value], Value]
"""The same value with the names of today; the value itself if it has them already."""

Known = dict[object, Rename]
"""Renames of objects that are being made, by their hints: an object may hold itself."""


def renaming(shape: Shape) -> Rename | None:
    """None if nothing inside was ever called otherwise."""
    if not any(field.former for part in walk(shape) if isinstance(part, ObjectOf) for field in part.fields):
        return None
    return rename_of(shape, {})


def rename_of(shape: Shape, known: Known) -> Rename | None:
    match shape:
        case ArrayOf(item):
            inner = rename_of(item, known)
            return partial(rename_items, inner) if inner is not None else None
        case RecordOf(item):
            inner = rename_of(item, known)
            return partial(rename_values, inner) if inner is not None else None
        case UnionOf(variants):
            options = [(whole_variant(variant), rename_of(variant, known)) for variant in variants]
            return partial(rename_variant, options)
        case ObjectOf():
            return rename_of_object(shape, known)
        case _:
            return None


def rename_of_object(shape: ObjectOf, known: Known) -> Rename:
    if shape.hint in known:
        return lambda value: known[shape.hint](value)
    known[shape.hint] = lambda value: value  # Taken, while the fields are looked at.
    former = {field.name: field.former for field in shape.fields if field.former}
    inside = {field.name: inner for field in shape.fields if (inner := rename_of(field.shape, known)) is not None}
    known[shape.hint] = partial(rename_fields, former, inside)
    return known[shape.hint]


def rename_items(inner: Rename, value: Value) -> Value:
    return [inner(item) for item in value] if isinstance(value, list) else value


def rename_values(inner: Rename, value: Value) -> Value:
    return {key: inner(item) for key, item in value.items()} if isinstance(value, dict) else value


def rename_variant(options: list[tuple[Shape, Rename | None]], value: Value) -> Value:
    for shape, inner in options:
        renamed = inner(value) if inner is not None else value
        if could_be(renamed, shape):
            return renamed
    return value


def rename_fields(former: Mapping[str, tuple[str, ...]], inside: Mapping[str, Rename], value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    fields = value
    for name, old_names in former.items():
        old = next((old for old in old_names if old in fields), None)
        if old is not None and name not in fields:
            fields = {key: item for key, item in fields.items() if key != old} | {name: fields[old]}
    for name, inner in inside.items():
        if name in fields and (renamed := inner(fields[name])) is not fields[name]:
            fields = {**fields, name: renamed}
    return fields
