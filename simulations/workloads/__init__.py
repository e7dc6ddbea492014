"""What clients ask for, each file a workload: it draws mutations and queries of one module of the app.

drawing    what is drawn from
bank       transfers
counters   counts
names      what only one may have
chat       ranges, and moves between them
pages      pages that are watched while they change
queues     claim the oldest job, finish it
lists      histories for the checker of isolation
pins       what depends on what was read
parts      mutations in a mutation
stamps     the order of commits
timers     what runs later
items      what other versions of the app do otherwise
catalog    all of them by name
"""
