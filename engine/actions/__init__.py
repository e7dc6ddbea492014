"""Functions that touch the outside world: started, limited, cancelled, and carried on after a crash.

job             one action that was asked for: its call, its log, its outcome
actions         which run, which wait for their turn; time limits, stops
run             what the ctx of a running action does: calls of other functions
asyncio_thread  an action on a thread with its own loop, and its ctx, which crosses over
raised          what came out of an action: its error, a cancellation, or what trio says of broken scopes
durable         rows that say which durable actions there are, and their steps
steps           steps of one durable action: done again, or taken from the record
"""
