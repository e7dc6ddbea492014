"""The append-only log: one entry for each committed transaction, with its cause.

entry     what the log says; the vocabulary of every layer above
encoding  an entry as canonical CBOR, and its hash
frame     an entry's bytes in a file: length, checksum, what was durable before it
segment   one file: a header, then frames
sites     where a simulation listens, and where it may decide
storage   the seam to the disk, and a real folder behind it
memory    a disk in memory that fails on command
writer    queue, batch, write, fsync
reader    durable entries from any LSN on, by cursor
checkpoint  files that say what the log comes to as of one entry
recovery  reads the files from end to end; tells a torn tail from damage
retention  what is beyond the retention of its tables
compaction  sealed segments written anew without it
verify    is the log, byte for byte, one unbroken history?
copy      the same entries, up to one of them, in another folder
log       all of it together: one data folder, locked and recovered
asserts   refuses to run where assertions are off
errors    what can go wrong, and what the caller can do about each
"""
