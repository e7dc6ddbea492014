"""What reading a table depends on besides the bytes of its documents, as a hash.

Invariant: under the same fingerprint the same bytes are the same document, with the same index keys.  What
cannot be told from classes alone, as it runs code of the app, has none.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType

import msgspec

from ..version import ENGINE_VERSION
from .index_fields import TableIndex
from .shapes import ObjectOf, Shape, objects_in
from .text_fields import TableTextIndex
from .vector_fields import TableVectorIndex

FINGERPRINT_BYTES = 16
EMPTY_FACTORIES = (list, dict, set, tuple)
"""Factories of defaults that make the same each time."""
NO_TEXTS: Mapping[str, TableTextIndex] = MappingProxyType({})
NO_VECTORS: Mapping[str, TableVectorIndex] = MappingProxyType({})
PYTHON = sys.version_info[:2]


def fingerprint(
    shape: Shape | None,
    indexes: Mapping[str, TableIndex],
    text_indexes: Mapping[str, TableTextIndex] = NO_TEXTS,
    vector_indexes: Mapping[str, TableVectorIndex] = NO_VECTORS,
) -> bytes:
    """Of a table with these documents and indexes; empty if there can be none."""
    classes: list[str] = []
    for part in objects_in(shape) if shape is not None else ():
        if runs_code(part.cls):
            return b""
        classes.append(described(part))
    ordered = [
        (name, [".".join(field.stored) for field in index.fields], index.made.staged) for name, index in indexes.items()
    ]
    words = [
        (name, ".".join(index.text.stored), [".".join(field.stored) for field in index.filters], index.made.staged)
        for name, index in text_indexes.items()
    ]
    vectors = [(name, ".".join(index.vector.stored), index.made.dimensions) for name, index in vector_indexes.items()]
    text = repr((ENGINE_VERSION, PYTHON, msgspec.__version__, shape, classes, ordered, words, vectors))
    # An object without a text of its own shows where it is in memory, and that says nothing.
    return b"" if " at 0x" in text else blake2b(text.encode(), digest_size=FINGERPRINT_BYTES).digest()


def runs_code(cls: type[msgspec.Struct]) -> bool:
    """Whether making one of these runs code of the app."""
    factories = [default.factory for default in cls.__struct_defaults__ if hasattr(default, "factory")]
    return hasattr(cls, "__post_init__") or any(factory not in EMPTY_FACTORIES for factory in factories)


def described(shape: ObjectOf) -> str:
    config = shape.cls.__struct_config__
    return repr((shape.cls.__qualname__, config.tag, config.tag_field, config.forbid_unknown_fields, shape.declared))
