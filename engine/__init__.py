"""What a developer writes against, and the shells that carry it to the network.

data          what documents look like: from a class to index keys, and back from stored bytes
transactions  one transaction, from the inside out, and what a handler sees of it as ``ctx``
application   an app, from its source to functions that can be called
execution     runs functions: from a call to a result and an entry; live queries
files         bytes beside the database, each with a row that says what they are
actions       functions that touch the outside world, and go on after a crash
scheduling    functions for later, run when they are due
deployment    what changes a running deployment: code, data, environment
history       what the log knows about the past, and running it again
portability   data in and out: exports, imports, backups
server        websockets and HTTP on one port
codegen       clients' types, generated from the hints
authentication  who is asking: identity providers, tokens, the identity that a token proves
determinism   runs handlers so that they can be run again with the same outcome

database      log, actors, deployed app and live queries, assembled
testing       an app under test: the database in memory, driven call by call
watched       a live query of it
fetched       a request to one of its HTTP actions
recorded      one request of the log, run again in a test
seeded        a clock that stands still, and randomness that a seed decides
log_thread    the thread in which batches reach the disk
compaction    drops what is beyond the retention of its table
data_folder   where a deployment keeps its log, and what it was given on its first start
forks         a data folder that goes its own way from some entry of another one
admin_key     what opens internal functions and administrative routes
env           the door through which clock and randomness come in
limits        what one transaction, one app and one deployment may do
version       the version that entries record
errors        what a developer or a client can do wrong, and what to do about it
"""
