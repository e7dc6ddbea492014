"""Who does what: plain objects, messages in, effects out.  No clock, no randomness, no I/O.

version        one version of a document, and the change from one version to the next
definition     what the engine knows of a table: its indexes, how to read and order its documents
table          one table and its indexes
tables         all tables, brought up at each commit: what transactions read
index          one index: order-preserving bytes in a sorted mapping
sums           what the numbers of a range of an index add up to
directions     directions of vectors, and how near one is to another; alone here, with the next two, needs numpy
vectors        the vectors of an index side by side
comparison     one vector compared with all of them, bit by bit: who may be among the nearest
requests       which client requests have been committed, so that a resend is harmless
tail           the newest commits, held in memory for whoever follows by cursor
committer      the one actor that gives out LSNs and makes entries
validation     does a transaction still hold, though others were committed after its snapshot?
key_text       keys of an index as people read them
gate           the release gate: nothing leaves before what it reflects is durable
intervals      which live queries read a range that holds this key?
subscriptions  live queries, shared between clients, invalidated by old and new keys
newest         what is left when the log has been replayed
stored_keys    index keys in a checkpoint, so that a start reads no documents
checkpoints    what recovery derives, made of sealed segments and loaded at a start
recovery       what recovery hands each entry to
scheduler      which jobs may begin now: by due time, and as far as there is room
messages       what the actors are told and what they ask for in return
supervisor     what a failure means: a follower is rebuilt, the committer stops the process
runtime        carries out the effects; with `supervisor`, the only file that knows trio
errors         what a caller can meet, and what it can do about each
"""
