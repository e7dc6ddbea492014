"""From what a handler returned to the JSON that every client gets: encoded once.

Documents that came from the database carry their JSON; a result made of them is put together from
those pieces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from ...actors.version import Version
from ...protocol import json, limits
from ...protocol.errors import InvalidValue
from ...protocol.values import check_array, check_depth, check_fields, depth, size, step
from ..data.documents import stored_fields, to_value
from ..data.read_only import FrozenDict
from ..data.schema import UNSET, Document, DocumentMeta

RAW = msgspec.Raw
SURELY_FITS = limits.VALUE_DEPTH_MAX - limits.DOCUMENT_DEPTH_MAX
"""A document with no more than so many arrays and objects around it cannot be nested too deep."""
ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+(?=[>,:])")
"""As in ``<module.Thing object at 0x7f3a5c0b1d90>``."""


def encode_result(result: object, handed_out: Mapping[str, Version]) -> bytes:
    """Canonical Convex JSON of a result; one that is `UNSET` is null.  Raises InvalidValue with the path."""
    if result is None or result is UNSET:
        return b"null"
    try:
        encoded = json.dump(tree(result, handed_out, 0))
    except InvalidValue as error:
        error.path = "$" + error.path.removeprefix("$")
        raise
    # No value takes more than four times its JSON; only large results are measured exactly.
    if len(encoded) * 4 > limits.RESULT_BYTES_MAX:
        bytes_ = size(to_value(result))
        if bytes_ > limits.RESULT_BYTES_MAX:
            raise InvalidValue("$", f"{bytes_:,} bytes; a result has at most {limits.RESULT_BYTES_MAX:,}")
    return encoded


def tree(item: object, handed_out: Mapping[str, Version], around: int) -> object:
    """Ready for the JSON codec, with the pieces that are encoded already."""
    if isinstance(item, Document):
        return document_tree(item, handed_out.get(item.id), around)
    if isinstance(item, msgspec.Struct):
        # A record may hold documents whose JSON is there already.
        return tree(stored_fields(item), handed_out, around)
    if type(item) is FrozenDict and isinstance(item.get("_id"), str):
        return document_tree(item, handed_out.get(item["_id"]), around)
    if isinstance(item, (list, tuple)):
        check_depth(around)
        check_array(item if isinstance(item, list) else list(item))
        return items(item, handed_out, around)
    if isinstance(item, dict):
        check_depth(around)
        fields = {name: child for name, child in item.items() if child is not UNSET}
        check_fields(fields)
        return {name: at(name, fields[name], handed_out, around) for name in sorted(fields)}
    return json.to_json(to_value(item, ""))


def items(children: Sequence[object], handed_out: Mapping[str, Version], around: int) -> list[object]:
    trees: list[object] = []
    for position, child in enumerate(children):
        # By far the most frequent: a document whose JSON is there already.
        if type(type(child)) is DocumentMeta and around < SURELY_FITS:
            version = handed_out.get(child.id)  # type: ignore[attr-defined]
            if version is not None and version.document is child and version.json:
                trees.append(RAW(version.json))
                continue
        trees.append(at(position, child, handed_out, around))
    return trees


def at(key: str | int, item: object, handed_out: Mapping[str, Version], around: int) -> object:
    try:
        return tree(item, handed_out, around + 1)
    except InvalidValue as error:
        error.path = step(key) + error.path
        raise


def document_tree(document: object, version: Version | None, around: int) -> msgspec.Raw:
    if around > SURELY_FITS:
        check_depth(around + depth(to_value(document, "")) - 1)
    if version is None or version.document is not document:
        return RAW(json.encode(to_value(document, "")))
    if version.json == b"":
        raise InvalidValue("", "holds the timestamp of its commit, which is not known yet: return its id")
    if version.json is None:
        version.json = json.encode(to_value(document, ""))
    return RAW(version.json)


def log_lines(logs: list[tuple[str, str]]) -> tuple[str, ...]:
    """Log lines in the form that clients take apart: ``[LEVEL] 'text'``."""
    return tuple(f"[{level}] '{sendable(without_addresses(text))}'" for level, text in logs)


def without_addresses(text: str) -> str:
    """What Python prints of an object that has no text of its own, without where it is in memory.

    With it, nothing that is said about the object would ever be said again in the same words.
    """
    return ADDRESS.sub("", text) if " at 0x" in text else text


def sendable(text: str) -> str:
    """Text that any codec can write: half of a surrogate pair is spelled out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
