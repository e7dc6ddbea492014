"""The app that simulations run: small, and made so that what goes wrong shows.

schema    its tables
bank      accounts, whose sum stays
counters  counts, read and not read
names     what only one may have
chat      ranges, pages, and moves between ranges
queues    jobs, each for one worker
lists     what tells in which order transactions were: appends and registers, several in one
pins      queries that depend on what they read
parts     mutations that call mutations, of which some fail
stamps    what is in the order of commits
timers    what runs later, and again and again
items     what other versions of the app do otherwise
"""
