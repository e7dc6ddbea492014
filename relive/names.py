"""What a developer imports: the decorators, the base classes, the contexts, the errors.

`relive` hands them out; see there why they are not in it.
"""

from __future__ import annotations

from .engine.application.crons import Crons as Crons
from .engine.application.functions import ActionFunction as ActionFunction
from .engine.application.functions import MigrationFunction as MigrationFunction
from .engine.application.functions import MutationFunction as MutationFunction
from .engine.application.functions import QueryFunction as QueryFunction
from .engine.application.functions import action as action
from .engine.application.functions import internal_action as internal_action
from .engine.application.functions import internal_mutation as internal_mutation
from .engine.application.functions import internal_query as internal_query
from .engine.application.functions import migration as migration
from .engine.application.functions import mutation as mutation
from .engine.application.functions import on_connect as on_connect
from .engine.application.functions import on_disconnect as on_disconnect
from .engine.application.functions import query as query
from .engine.application.http_messages import Request as Request
from .engine.application.http_messages import Response as Response
from .engine.application.http_router import HttpRouter as HttpRouter
from .engine.authentication.identity import Identity as Identity
from .engine.authentication.providers import CustomJwt as CustomJwt
from .engine.authentication.providers import OidcProvider as OidcProvider
from .engine.authentication.providers import OwnTokens as OwnTokens
from .engine.data.aggregates import aggregate as aggregate
from .engine.data.schema import UNSET as UNSET
from .engine.data.schema import Document as Document
from .engine.data.schema import Id as Id
from .engine.data.schema import Int64 as Int64
from .engine.data.schema import Record as Record
from .engine.data.schema import Unset as Unset
from .engine.data.schema import field as field
from .engine.data.schema import index as index
from .engine.data.schema import nested as nested
from .engine.data.schema import text_index as text_index
from .engine.data.schema import vector_index as vector_index
from .engine.data.settings import Settings as Settings
from .engine.data.system_tables import CronJob as CronJob
from .engine.data.system_tables import ScheduledFunction as ScheduledFunction
from .engine.data.system_tables import StoredFile as StoredFile
from .engine.data.text_indexes import ANY as ANY
from .engine.data.text_indexes import AnyValue as AnyValue
from .engine.errors import ApplicationError as ApplicationError
from .engine.errors import BodyTooLarge as BodyTooLarge
from .engine.errors import DatabaseError as DatabaseError
from .engine.errors import DocumentInvalid as DocumentInvalid
from .engine.errors import DocumentMissing as DocumentMissing
from .engine.errors import FunctionFailed as FunctionFailed
from .engine.errors import InvalidCursor as InvalidCursor
from .engine.errors import LimitReached as LimitReached
from .engine.errors import NotUnique as NotUnique
from .engine.errors import PresenceRefused as PresenceRefused
from .engine.errors import RequestGone as RequestGone
from .engine.errors import SettingsUnmet as SettingsUnmet
from .engine.transactions.action_context import ActionCtx as ActionCtx
from .engine.transactions.commit_timestamp import COMMIT_TIMESTAMP as COMMIT_TIMESTAMP
from .engine.transactions.context import MutationCtx as MutationCtx
from .engine.transactions.context import QueryCtx as QueryCtx
from .engine.transactions.operations import append as append
from .engine.transactions.operations import increment as increment
from .engine.transactions.operations import maximum as maximum
from .engine.transactions.operations import minimum as minimum
from .engine.transactions.pagination import Page as Page
from .engine.transactions.pagination import PaginationOptions as PaginationOptions
from .engine.transactions.presence import Presence as Presence
from .engine.transactions.presence import Present as Present
from .engine.transactions.range_query import Query as Query
from .engine.transactions.rate_limits import Allowance as Allowance
from .engine.transactions.rate_limits import FixedWindow as FixedWindow
from .engine.transactions.rate_limits import TokenBucket as TokenBucket
from .engine.transactions.revisions import Revision as Revision
from .engine.transactions.search import SearchQuery as SearchQuery
from .engine.transactions.usage import TransactionLimits as TransactionLimits
from .engine.transactions.vector_search import Nearest as Nearest
from .engine.version import ENGINE_VERSION as __version__
from .protocol.errors import ReliveError as ReliveError

__all__ = [
    "ANY",
    "ActionCtx",
    "ActionFunction",
    "Allowance",
    "AnyValue",
    "ApplicationError",
    "BodyTooLarge",
    "COMMIT_TIMESTAMP",
    "CronJob",
    "Crons",
    "CustomJwt",
    "DatabaseError",
    "Document",
    "DocumentInvalid",
    "DocumentMissing",
    "FixedWindow",
    "FunctionFailed",
    "HttpRouter",
    "Id",
    "Identity",
    "Int64",
    "InvalidCursor",
    "LimitReached",
    "MigrationFunction",
    "MutationCtx",
    "MutationFunction",
    "Nearest",
    "NotUnique",
    "OidcProvider",
    "OwnTokens",
    "Page",
    "PaginationOptions",
    "Presence",
    "PresenceRefused",
    "Present",
    "Query",
    "QueryCtx",
    "QueryFunction",
    "Record",
    "ReliveError",
    "Request",
    "RequestGone",
    "Response",
    "Revision",
    "ScheduledFunction",
    "SearchQuery",
    "Settings",
    "SettingsUnmet",
    "StoredFile",
    "TokenBucket",
    "TransactionLimits",
    "UNSET",
    "Unset",
    "__version__",
    "action",
    "aggregate",
    "append",
    "field",
    "increment",
    "index",
    "internal_action",
    "internal_mutation",
    "internal_query",
    "maximum",
    "migration",
    "minimum",
    "mutation",
    "nested",
    "on_connect",
    "on_disconnect",
    "query",
    "text_index",
    "vector_index",
]
