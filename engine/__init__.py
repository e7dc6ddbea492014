"""What a developer writes against, and the shells that carry it to the network.

What a developer writes:

schema            `Document`, `Record`, `Id`, `field`
indexes           `index`, `nested`: which fields a table is ordered by
functions         `query`, `mutation` and their internal forms
context           ``ctx``: what a handler can see and do
database_access   ``ctx.db``: get, query, insert, patch, replace, delete
range_query       ``ctx.db.query(T)``: a range of an index, an order, ways to read it
pagination        ``.paginate()``: pages that fit together while documents come and go
operations        `increment`, `maximum`...: changes that merge at commit
commit_timestamp  `COMMIT_TIMESTAMP`: a field in the order of the log
meta              ``ctx.meta``: what a function can know of itself

An app, from its source to something that can be called:

bundle           the source of an app, content-addressed, and the importer of it
app              loads it: bundle, lint, import, seal, tables and endpoints
hints            type hints as msgspec has to see them
shapes           what a type hint looks like to a client
endpoint         one function: binds arguments, checks results
documents        Python objects to values and back
read_only        lists and dictionaries inside documents
id_checks        whether each id belongs to the table that its type says
renames          stored fields that were called something else
index_fields     where the fields of an index are in a document, and the keys they make
table_codec      one table: reads, checks, orders and writes its documents
spec             tables and functions as plain values, for the log and for generators
codegen          clients' types, generated from the hints

A transaction, from the inside out:

transaction      one run: a snapshot, a read set, a write set
overlay          what it has written so far, laid over the tables; also the recent past
scan             an index read in order, tables and overlay merged; what was consumed
usage            what it has read and written, held against its limits
journal          where each page of a query ended, so that it ends there again
cursors          where a page ends, as text that only this deployment can read or make
query_run        a transaction with tables, clock and seed
mutation_run     the same, with new ids and writes; where a nested call is rolled back to
nested_calls     functions that call functions within the transaction
attempt          one run of a handler; made anew when it must start over
calls            what is asked of the executor, and what it answers
lookup           which function a name means, and for whom
arguments        the arguments of one call, made anew for each run
executor         runs functions and commits mutations; again after a conflict
results          what a handler returned, as JSON encoded once
failures         what a client is told when a function fails
executions       the newest executions, for whoever operates the server

The system's own data:

system_tables        the tables whose names begin with _, and their fixed numbers
system_functions     queries that Convex's command line asks
system_writes        transactions of the system, the only ones that write them
environment          ``ctx.env``
environment_changes  changes of environment variables, within their limits
pause                no function runs until somebody resumes
migrations           every document of a table handed to a function, one batch after another
rehearsals           the same without keeping anything

All of it together:

catalog          which tables there are, and the number of each
live_queries     live queries, evaluated when somebody waits, once for all watchers
log_thread       the thread in which batches reach the disk
codecs           the codecs of all tables of an app
deploy           a deploy under way, and its entry in the log
rebuild          the tables as other code reads them, built beside those that are served
app_changes      what one version of an app has that another has not
database         log, actors, deployed app and live queries, assembled
reloader         deploys the source of a running app again when it has changed
data_folder      where a deployment keeps its log, and what it was given on its first start
admin_key        what opens internal functions and administrative routes
env              the door through which clock and randomness come in
determinism      runs handlers so that they can be run again with the same outcome
server           websockets and HTTP on one port
limits           what one transaction may do
version          the version that entries record
error_paths      where in a value an error of msgspec is, to the key
errors           what a developer or a client can do wrong, and what to do about it
"""
