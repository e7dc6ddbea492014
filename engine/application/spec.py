"""What an app offers, as plain values: recorded with each deploy, and read by generators.

The forms of validators are those of the Convex function spec, so its tools can read them.
"""

from __future__ import annotations

from typing import assert_never

from ...protocol.values import Value
from ..data.index_fields import table_indexes
from ..data.shapes import ArrayOf, Field, IdOf, LiteralOf, ObjectOf, RecordOf, Scalar, Shape, UnionOf
from ..data.text_fields import table_text_indexes
from ..data.vector_fields import table_vector_indexes
from .app import App
from .endpoint import Endpoint

NAMES = {"int": "number", "float": "number", "int64": "bigint"}


def deployment_record(app: App) -> Value:
    """Source, tables and functions of a deploy: enough to serve or replay it from the log alone."""
    source: list[Value] = [[name, text.decode()] for name, text in sorted(app.bundle.source.items())]
    record: dict[str, Value] = {
        "app": app.name,
        "source": source,
        "tables": tables_spec(app),
        "functions": functions_spec(app),
    }
    return record | {"crons": crons_spec(app)} if app.crons else record


def crons_spec(app: App) -> list[Value]:
    return [
        {"name": cron.name, "schedule": cron.schedule.text, "function": cron.path, "args": cron.args}
        for _, cron in sorted(app.crons.items())
    ]


def functions_spec(app: App) -> list[Value]:
    return [function_spec(endpoint) for _, endpoint in sorted(app.endpoints.items())]


def function_spec(endpoint: Endpoint) -> Value:
    module, _, name = endpoint.path.rpartition(":")
    return {
        "identifier": f"{module}.js:{name}",
        "functionType": endpoint.kind.capitalize(),
        "visibility": {"kind": "public" if endpoint.public else "internal"},
        "args": validator(endpoint.arguments),
        "returns": validator(endpoint.returns),
    }


def tables_spec(app: App) -> list[Value]:
    tables: list[Value] = []
    for _, table in sorted(app.tables.items()):
        indexes: list[Value] = [
            {
                "name": name,
                "fields": [".".join(field.stored) for field in made.fields],
                "staged": made.made.staged,
                **({"sum": ".".join(made.summed.stored)} if made.summed is not None else {}),
            }
            for name, made in table_indexes(table.cls, table.shape).items()
        ]
        spec: dict[str, Value] = {"name": table.name, "document": validator(table.shape), "indexes": indexes}
        searched: list[Value] = [
            {
                "name": name,
                "searchField": ".".join(text.text.stored),
                "filterFields": [".".join(filtered.stored) for filtered in text.filters],
                "staged": text.made.staged,
            }
            for name, text in table_text_indexes(table.cls, table.shape).items()
        ]
        if searched:
            spec["searchIndexes"] = searched
        compared: list[Value] = [
            {
                "name": name,
                "vectorField": ".".join(index.vector.stored),
                "dimensions": float(index.made.dimensions),
                "filterFields": [".".join(filtered.stored) for filtered in index.filters],
            }
            for name, index in table_vector_indexes(table.cls, table.shape).items()
        ]
        if compared:
            spec["vectorIndexes"] = compared
        if table.cls.__history_days__ is not None:
            spec["historyDays"] = float(table.cls.__history_days__)
        tables.append(spec)
    return tables


def validator(shape: Shape) -> Value:
    match shape:
        case Scalar(name):
            return {"type": NAMES.get(name, name)}
        case IdOf(table):
            return {"type": "id", "tableName": table}
        case LiteralOf(value):
            return {"type": "null"} if value is None else {"type": "literal", "value": value}
        case ArrayOf(item):
            return {"type": "array", "value": validator(item)}
        case RecordOf(value):
            values: Value = {"fieldType": validator(value), "optional": False}
            return {"type": "record", "keys": {"type": "string"}, "values": values}
        case UnionOf(variants):
            return {"type": "union", "value": [validator(variant) for variant in variants]}
        case ObjectOf() if shape.is_recurrence:
            return {"type": "any"}  # Validators have no names to refer to.
        case ObjectOf(_, fields):
            return {"type": "object", "value": {field.name: field_validator(field) for field in fields}}
        case _:
            assert_never(shape)


def field_validator(field: Field) -> Value:
    return {"fieldType": validator(field.shape), "optional": field.optional}
