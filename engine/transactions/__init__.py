"""One transaction, from the inside out, and what a handler sees of it as ``ctx``.

transaction       one run: a snapshot, a read set, a write set
overlay           what it has written so far, laid over the tables; also the recent past
scan              an index read in order, tables and overlay merged; what was consumed
usage             what it has read and written, held against its limits
journal           where each page of a query ended, so that it ends there again
cursors           where a page ends, as text that only this deployment can read or make
query_run         a transaction with tables, clock and seed
mutation_run      the same, with new ids and writes; where a nested call is rolled back to
operations        `increment`, `maximum`...: changes that merge at commit
commit_timestamp  `COMMIT_TIMESTAMP`: a field in the order of the log
range_query       ``ctx.db.query(T)``: a range of an index, an order, ways to read it
aggregation       ``ctx.db.aggregate(T.total)``: counts, sums, ranks of a range
search            ``.search()``: documents that have some words, the most relevant first
vector_search     ``ctx.vector_search()``: documents whose vectors are nearest
pagination        ``.paginate()``: pages that fit together while documents come and go
revisions         the versions of one document, from the log
system_access     ``ctx.db.system``: tables of the system, to be read
database_access   ``ctx.db``: get, query, insert, patch, replace, delete
context           ``ctx``: what a handler can see and do
action_context    ``ctx`` of an action, and what it asks of the server
storage           files, as `ctx.storage`
upload_tokens     what makes an address one where files may be posted
scheduling        ``ctx.scheduler``: functions for later
cron_schedules    when something runs again and again
crons             ``ctx.crons``: functions that run again and again, added and removed by mutations
presence          `Presence`: which client's session is in which room
rate_limits       `TokenBucket`, `FixedWindow`: how often something may be done
meta              ``ctx.meta``: what a function can know of itself
environment       ``ctx.env``
auth              ``ctx.auth``: who asks, and whether the function wanted to know
"""
