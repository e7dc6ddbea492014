"""The code that was deployed when a log was recovered, for those who need to know how tables are read."""

from __future__ import annotations

from ...actors.checkpoints import Definer
from ...actors.newest import Newest
from ...actors.recovery import Recovery
from ...actors.tables import Tables
from ..application.codecs import codecs_of, definer
from ..data.catalog import Catalog
from ..data.system_tables import TABLES
from ..data.table_codec import TableCodec
from ..errors import AppInvalid, DocumentInvalid
from .deploy import deployed_app


def definer_of(recovery: Recovery) -> Definer | None:
    """How tables are read by the code deployed last; None if that does not load here.  Runs code of the app."""
    codecs: dict[str, TableCodec] = {}
    tables = Tables.empty(definer(codecs))
    try:
        app = deployed_app(recovery.deployment)
        codecs.update(codecs_of(app, Catalog(tables)))
        # Whether an id is of a table depends on the numbers that tables have.
        numbers = Newest(recovery.newest.position, {TABLES: recovery.newest.bodies.get(TABLES, {})})
        numbers.fill(tables, refuse)
    except (AppInvalid, DocumentInvalid):
        return None
    return definer(codecs)


def refuse(table: str, id: str, error: Exception) -> None:
    raise error
