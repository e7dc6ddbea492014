"""relive: a reactive backend in Python.

What a developer imports: the decorators, the base classes, the contexts, the errors.

cli       the command line: ``relive``
__main__  the same as ``python -m relive``
"""

from __future__ import annotations

from .engine.commit_timestamp import COMMIT_TIMESTAMP as COMMIT_TIMESTAMP
from .engine.context import MutationCtx as MutationCtx
from .engine.context import QueryCtx as QueryCtx
from .engine.errors import ApplicationError as ApplicationError
from .engine.errors import DatabaseError as DatabaseError
from .engine.errors import DocumentInvalid as DocumentInvalid
from .engine.errors import DocumentMissing as DocumentMissing
from .engine.errors import InvalidCursor as InvalidCursor
from .engine.errors import LimitReached as LimitReached
from .engine.errors import NotUnique as NotUnique
from .engine.functions import MigrationFunction as MigrationFunction
from .engine.functions import MutationFunction as MutationFunction
from .engine.functions import QueryFunction as QueryFunction
from .engine.functions import internal_mutation as internal_mutation
from .engine.functions import internal_query as internal_query
from .engine.functions import migration as migration
from .engine.functions import mutation as mutation
from .engine.functions import query as query
from .engine.operations import append as append
from .engine.operations import increment as increment
from .engine.operations import maximum as maximum
from .engine.operations import minimum as minimum
from .engine.pagination import Page as Page
from .engine.pagination import PaginationOptions as PaginationOptions
from .engine.range_query import Query as Query
from .engine.schema import UNSET as UNSET
from .engine.schema import Document as Document
from .engine.schema import Id as Id
from .engine.schema import Int64 as Int64
from .engine.schema import Record as Record
from .engine.schema import Unset as Unset
from .engine.schema import field as field
from .engine.schema import index as index
from .engine.schema import nested as nested
from .engine.usage import TransactionLimits as TransactionLimits
from .engine.version import ENGINE_VERSION as __version__
from .protocol.errors import ReliveError as ReliveError

__all__ = [
    "ApplicationError",
    "COMMIT_TIMESTAMP",
    "DatabaseError",
    "Document",
    "DocumentInvalid",
    "DocumentMissing",
    "Id",
    "Int64",
    "InvalidCursor",
    "LimitReached",
    "MigrationFunction",
    "MutationCtx",
    "MutationFunction",
    "NotUnique",
    "Page",
    "PaginationOptions",
    "Query",
    "QueryCtx",
    "QueryFunction",
    "Record",
    "ReliveError",
    "TransactionLimits",
    "UNSET",
    "Unset",
    "__version__",
    "append",
    "field",
    "increment",
    "index",
    "internal_mutation",
    "internal_query",
    "maximum",
    "migration",
    "minimum",
    "mutation",
    "nested",
    "query",
]
