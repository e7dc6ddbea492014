"""What one transaction, one app and one deployment may do.

Where Convex has a limit, ours is the one that its server holds to.  The limits of the wire and of values
are in `protocol.limits`.
"""

from __future__ import annotations

# One transaction.

DOCUMENTS_READ_MAX = 32_000
"""Documents that one query or mutation may scan, filtered ones included."""
BYTES_READ_MAX = 16 * 1024 * 1024
RANGES_READ_MAX = 4_096
"""Index ranges, each `get` being one."""
DOCUMENTS_WRITTEN_MAX = 16_000
BYTES_WRITTEN_MAX = 16 * 1024 * 1024
WARNING_RATIO = 0.8
"""A run that used more than this part of a limit says so in its log lines."""
FUNCTIONS_SCHEDULED_MAX = 1_000
"""Functions that one transaction may schedule."""
SCHEDULED_BYTES_MAX = 16 * 1024 * 1024
"""Their arguments together."""
HISTORY_VERSIONS = 100
"""Versions of a document that `ctx.db.history` gives if it is not told how many."""
HISTORY_VERSIONS_MAX = 8_192
HISTORY_SEARCH_ENTRIES_MAX = 20_000
"""Entries that are searched for the deletion of a document: nothing in memory tells where it is."""
CALL_DEPTH_MAX = 8
"""Functions that call one another within a transaction, the outermost included."""
HANDLER_CPU_S_MAX = 1.0
"""CPU time of one handler: all clients wait while it runs."""
HANDLER_MEMORY_BYTES_MAX = 512 * 1024 * 1024
COMMIT_ATTEMPTS_MAX = 5
"""Runs of one mutation whose reads change underneath it, before it is queued to run alone."""

# Searches of text.

SEARCH_CHARS_MAX = 4_096
"""Of what is searched for."""
SEARCH_WORDS_MAX = 16
SEARCH_TERMS_MAX = 64
"""What the words come to: a run of Chinese, say, comes to its pairs of neighbours."""
SEARCH_RESULTS_MAX = 1_024
"""Documents that one search gives, those included that a `filter` leaves out."""
SEARCH_KEYS_MAX = 100_000
"""Places in the index that one search looks at: one for each document and word of it that is wanted."""

SEARCH_BEGUN_KEYS_MAX = 20_000
"""Of them, those of one word that may go on.  Somebody who types begins with a letter or two, which very many words
have: of those the first are found, and that is no error."""

# Searches of vectors.

VECTOR_RESULTS = 10
"""Documents that a search gives if it is not told how many."""
VECTOR_RESULTS_MAX = 256
VECTOR_FILTER_TERMS_MAX = 64
"""Fields and what they hold, in the filter of one search."""
VECTOR_NUMBERS_COMPARED_MAX = 1 << 26
"""That one search in a query or mutation goes through: 43,690 vectors of 1,536 dimensions, say, in about 20 ms.
All clients wait meanwhile; in an action they do not, and it has no such limit."""

# Pages.

PAGE_ROWS_MAX = 8_192
"""Documents of one page: an array has no more items."""
PAGE_SPLIT_RATIO = 0.75
"""A page that read more than this part of what it may recommends to be split."""
JOURNAL_CHARS_MAX = 256 * 1024
"""What a client may hand back as the journal of a query."""

# An app and its tables.

TABLES_MAX = 10_000
INDEXES_PER_TABLE_MAX = 64
INDEX_FIELDS_MAX = 16
"""Fields of one index, ``_creationTime`` (always the last) included."""
TEXT_FILTERS_MAX = 16
"""Filter fields of one text index."""
TEXT_FILTERS_CHOSEN_MAX = 4
"""Filter fields of a text index that holds a word once for each choice of them; with more, once for each of them."""
TEXT_CHARS_MAX = 65_536
"""Of a text that is searched: what comes behind them is stored, and not found."""
TEXT_KEYS_MAX = 16_384
"""Of one document in one text index, one for each word and choice of filters: later words are not found.

They are made within one turn of the event loop: about 0.15 s."""
WORD_CHARS_MAX = 32
"""Of a word of a text; longer ones are held, and looked for, by their beginning."""
VECTOR_INDEXES_PER_TABLE_MAX = 4
VECTOR_DIMENSIONS_MIN = 2
VECTOR_DIMENSIONS_MAX = 4_096
VECTOR_FILTERS_MAX = 16
"""Filter fields of one vector index."""
FIELD_NAME_CHARS_MAX = 64
"""Of a field of a document; names of fields inside its records may be longer."""
MODULES_MAX = 4_096
MODULE_BYTES_MAX = 4 * 1024 * 1024
BUNDLE_BYTES_MAX = 32 * 1024 * 1024
"""Source code of one deployed app."""
DEPLOY_ROOM_BYTES = 1024 * 1024
"""What must be free on the disk, beside the entry of a deploy, or it is not begun."""
OFFENDERS_SHOWN_MAX = 5
"""Documents shown when a schema does not fit the stored data."""

# Migrations.

MIGRATION_BATCH = 100
"""Documents that a migration is given in one transaction, if it does not say otherwise."""
MIGRATION_BATCH_MAX = 1_000
MIGRATION_FAILURES_SHOWN_MAX = 10
MIGRATION_SAMPLES_MAX = 3
"""Changed documents that a dry run shows."""

# Actions.

ACTION_S_MAX = 600.0
"""How long an action may run; a durable one, from one step to the next."""
ACTION_CANCEL_S_MAX = 5.0
"""How long an action that is cancelled may take to end, before it counts as ended."""
ACTIONS_STOP_S_MAX = 5.0
"""How long a server that stops waits for its actions, before it cancels them."""
ACTIONS_RUNNING_MAX = 64
"""Actions that run at the same time; others wait for their turn."""
ACTIONS_WAITING_MAX = 1_000
"""Actions that wait for their turn; more are refused."""
ACTION_CALLS_MAX = 1_000
"""Calls of functions that all actions together may have under way."""
HTTP_ACTION_BODY_BYTES_MAX = 20 * 1024 * 1024
"""The body of a request that a handler collects; a streamed one may have any length."""
HTTP_ROUTES_MAX = 1_000
"""Of one app."""
STEPS_MAX = 10_000
"""Of one durable action."""
DURABLE_ACTIONS_KEPT_S = 14 * 86_400.0
"""How long a durable action that has ended is kept, for whoever sends its request again."""
DURABLE_ARGS_BYTES_MAX = 256 * 1024
"""Arguments of a durable action, as JSON: they are part of a document, beside what it returns or why it failed."""
DURABLE_RESULT_BYTES_MAX = 512 * 1024
"""What a durable action may return, or the data of its error, as JSON."""
DURABLE_STEPS_FORGOTTEN_MAX = 1_000
"""Steps of those that are kept no longer, that go in one transaction."""
STEP_RETRIES = 3
"""How often a step that fails is tried again, if it does not say otherwise."""
STEP_BACKOFF_S = 1.0
"""Before it is first tried again; then twice as long each time."""
STEP_BACKOFF_S_MAX = 3_600.0
STEP_NAME_CHARS_MAX = 256

# Scheduled functions.

SCHEDULED_AHEAD_MS_MAX = 5 * 365 * 86_400_000.0
"""How far ahead, or back, the time of a scheduled function may be: five years."""
SCHEDULED_ARGS_BYTES_MAX = 960 * 1024
"""Arguments of one scheduled function: they are part of a document, and there must be room for how it ends."""
SCHEDULED_ERROR_CHARS_MAX = 8_000
"""What is kept of why a scheduled function failed; `relive logs` has more."""
SCHEDULED_MUTATIONS_MAX = 64
"""Scheduled mutations that may be on their way to the disk; then the next ones wait."""
SCHEDULED_ACTIONS_MAX = 32
"""Scheduled actions that run at the same time; fewer than all actions, so that clients find a place."""
SCHEDULED_KEPT_S = 7 * 86_400.0
"""How long the row of a scheduled function is kept after it has ended."""
SCHEDULED_FORGOTTEN_MAX = 100
"""Rows that are kept no longer, that go in one transaction."""

CRONS_MAX = 1_000
"""Of one app."""
CRON_NAME_CHARS_MAX = 256
CRON_INTERVAL_S_MAX = 366 * 86_400.0

# Environment variables.

ENVIRONMENT_VARIABLES_MAX = 512
ENVIRONMENT_NAME_CHARS_MAX = 256
ENVIRONMENT_VALUE_BYTES_MAX = 8 * 1024
ENVIRONMENT_BYTES_MAX = 512 * 1024
"""Names and values of all environment variables together."""

# The server.

CONNECTIONS_MAX = 20_000
QUERY_ARGS_BYTES_MAX = 32 * 1024 * 1024
"""Arguments of all queries that one client watches, as JSON: they are held for as long as it watches."""
QUERY_CACHE_BYTES_MAX = 64 * 1024 * 1024
"""Results that are kept for whoever asks next, with what they have read."""
CACHED_CLOCK_NS_MAX = 17 * 1_000_000_000
"""How long the result of a query that looked at the clock is given to others: 17 s."""
EXECUTIONS_MAX = 10_000
"""Executions of functions that are remembered for `relive logs`."""
EXECUTION_BYTES_MAX = 16 * 1024 * 1024
"""What they may take together."""
LOG_POLL_S_MAX = 60.0
"""How long a client that asks for executions waits for the next one before it is told that there is none."""

RATE_LIMITS_FORGOTTEN_MAX = 1_000
"""Rows of rate limits that are full again, that go in one transaction."""
RATE_LIMITS_KEPT_S = 3_600.0
"""How long such a row stays: a deploy may make a limit slower."""

SESSION_GRACE_S = 10.0
"""How long a client may be away before its session has ended."""
PRESENCE_ROOMS_MAX = 100
"""Rooms that one session may be in at the same time."""
PRESENCE_LISTED = 100
"""Users of a room that `Presence.present` gives if it is not told how many."""
PRESENCE_LISTED_MAX = 8_192

FILE_BYTES_MAX = 5 * 2**30
"""Of one file."""
CONTENT_TYPE_CHARS_MAX = 256
UPLOADS_MAX = 64
"""Files that are being posted; others wait for their turn."""
