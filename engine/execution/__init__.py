"""Runs functions: from a call to a result, an entry, and the error that a client is shown.

calls             what is asked of the executor, and what it answers
lookup            which function a name means, and for whom
arguments         the arguments of one call, made anew for each run
attempt           one run of a handler; made anew when it must start over
nested_calls      functions that call functions within the transaction
beside            what the system writes in the entry of a mutation
origins            under which address clients reach the deployment
system_writes     transactions of the system, the only ones that write them
past_entries      old entries of the log, for handlers that look back
executor          runs functions and commits mutations; again after a conflict
system_functions  queries that Convex's command line asks
transfers         exports and imports that it asked for
scheduled         scheduled functions as causes of entries
callers           sessions of clients as causes of entries
results           what a handler returned, as JSON encoded once
failures          what a client is told when a function fails
executions        the newest executions, for whoever operates the server
live_queries      live queries, evaluated when somebody waits, once for all watchers
pause             no function runs until somebody resumes
"""
