"""The codecs of all tables of an app, and what the actors need to know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve

from ...actors.definition import TableDefinition
from ..data import system_tables
from ..data.catalog import Catalog
from ..data.id_checks import id_check
from ..data.shapes import ObjectOf, Shape, simplest, variants_of
from ..data.table_codec import TableCodec, untyped
from .app import App


def codecs_of(app: App, catalog: Catalog) -> dict[str, TableCodec]:
    """By table, those of the system included.

    From here on the app's functions, too, know which ids belong to which table.
    """

    def number_of(table: str) -> int:
        return catalog.number_of(table) or 0  # No id has the number 0.

    for endpoint in app.endpoints.values():
        endpoint.resolve_ids(number_of)
    return dict(system_tables.CODECS) | {
        table.name: TableCodec(table.name, table.cls, table.shape, id_check(without_id(table.shape), number_of))
        for table in app.tables.values()
    }


def without_id(shape: Shape) -> Shape:
    """A document's own id was made by us, or read from the log: only what it refers to is checked."""
    return simplest([without_own_id(document) for document in variants_of(shape) if isinstance(document, ObjectOf)])


def without_own_id(shape: ObjectOf) -> ObjectOf:
    return evolve(shape, fields=tuple(field for field in shape.fields if field.name != "_id"))


def definer(codecs: Mapping[str, TableCodec]) -> Callable[[str], TableDefinition]:
    """The definition of any table, with a class or without; ``codecs`` may be filled in later."""

    def definition_of(name: str) -> TableDefinition:
        codec = codecs.get(name)
        return (codec if codec is not None else untyped(name)).definition

    return definition_of
