"""The app a second time: plain rows and full scans, no indexes, no read sets, no transactions.

It shares nothing with the engine, and it is simple on purpose: what it gets wrong, it should get wrong in
another way.

rows       rows and tables
bank       accounts
counters   counts
names      what only one may have
chat       ranges, and moves between them
queues     jobs
lists      histories of appends and of registers
pins       what names a document, and what that one names
parts      transactions in a transaction
stamps     what is in the order of commits
timers     what runs later
items      what three versions of the app do differently
state      all of it at one moment
"""
