"""``dataModel.d.ts``: each table's document, its field paths and its indexes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..application.app import TableClass
from ..data.index_fields import table_indexes
from ..data.shapes import ObjectOf, RecordOf, Shape, UnionOf
from ..data.text_fields import table_text_indexes
from ..data.vector_fields import table_vector_indexes
from .types import Side, TypeWriter, fields_of, quoted

IMPORTS = """\
import type { DocumentByName, SystemTableNames, TableNamesInDataModel } from "convex/server";
import type { GenericId } from "convex/values";
"""
NAMES = """\
export type TableNames = TableNamesInDataModel<DataModel>;
export type Doc<T extends TableNames> = DocumentByName<DataModel, T>;
export type Id<T extends TableNames | SystemTableNames> = GenericId<T>;
"""
RESERVED = frozenset(
    {
        *("DocumentByName", "SystemTableNames", "TableNamesInDataModel", "GenericId"),
        *("DataModel", "TableNames", "Doc", "Id", "Array", "ArrayBuffer", "Record"),
    }
)


def data_model_types(tables: Iterable[TableClass]) -> str:
    """The declaration of ``DataModel`` and of the types that follow from it."""
    writer = TypeWriter("GenericId", RESERVED)
    entries = [line for table in sorted(tables, key=lambda table: table.name) for line in entry(table, writer)]
    model = "\n".join(["export type DataModel = {", *entries, "};"]) if entries else "export type DataModel = {};"
    named = [f"type {name} = {members};\n" for name, members in writer.declarations.items()]
    return IMPORTS + "\n" + "".join([*named, "\n"] if named else []) + model + "\n" + NAMES


def entry(table: TableClass, writer: TypeWriter) -> Iterator[str]:
    yield f"  {quoted(table.name)}: {{"
    yield f"    document: {writer.type_of(table.shape, Side.SERVER)};"
    yield f"    fieldPaths: {' | '.join(dict.fromkeys(field_paths(table.shape, '')))};"
    yield "    indexes: {"
    yield '      "by_id": ["_id"];'
    yield '      "by_creation_time": ["_creationTime"];'
    yield from indexes(table)
    yield "    };"
    searched = [*search_indexes(table)]
    yield from ["    searchIndexes: {", *searched, "    };"] if searched else ["    searchIndexes: {};"]
    compared = [*vector_indexes(table)]
    yield from ["    vectorIndexes: {", *compared, "    };"] if compared else ["    vectorIndexes: {};"]
    yield "  };"


def indexes(table: TableClass) -> Iterator[str]:
    for name, index in table_indexes(table.cls, table.shape).items():
        fields = [quoted(".".join(field.stored)) for field in index.fields]
        yield f"      {quoted(name)}: [{', '.join([*fields, quoted('_creationTime')])}];"


def search_indexes(table: TableClass) -> Iterator[str]:
    for name, index in table_text_indexes(table.cls, table.shape).items():
        filters = " | ".join([quoted(".".join(filtered.stored)) for filtered in index.filters]) or "never"
        text = quoted(".".join(index.text.stored))
        yield f"      {quoted(name)}: {{ searchField: {text}; filterFields: {filters} }};"


def vector_indexes(table: TableClass) -> Iterator[str]:
    for name, index in table_vector_indexes(table.cls, table.shape).items():
        filters = " | ".join([quoted(".".join(filtered.stored)) for filtered in index.filters]) or "never"
        vector = quoted(".".join(index.vector.stored))
        yield f"      {quoted(name)}: {{ vectorField: {vector}; dimensions: number; filterFields: {filters} }};"


def field_paths(shape: Shape, prefix: str) -> Iterator[str]:
    """Every path into a document, as a type: ``"author"``, ``"author.name"``, `tags.${string}`."""
    match shape:
        case ObjectOf() if not shape.is_recurrence:
            for field in fields_of(shape):
                path = f"{prefix}{field.name}"
                yield quoted(path)
                yield from field_paths(field.shape, f"{path}.")
        case RecordOf():
            yield "`" + escaped(prefix) + "${string}`"
        case UnionOf(variants):
            for variant in variants:
                yield from field_paths(variant, prefix)
        case _:
            pass


def escaped(text: str) -> str:
    """Text inside a template literal."""
    return quoted(text)[1:-1].replace('\\"', '"').replace("`", "\\`").replace("${", "\\${")
