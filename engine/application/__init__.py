"""An app, from its source to functions that can be called.

functions  `query`, `mutation` and their internal forms
endpoint   one function: binds arguments, checks results
crons      `Crons`: functions that run again and again
bundle     the source of an app, content-addressed, and the importer of it
app        loads it: bundle, lint, import, seal, tables and endpoints
spec       tables and functions as plain values, for the log and for generators
codecs     the codecs of all tables of an app
http_messages  a request and a response of an HTTP action, with bodies that stream
http_router    which HTTP action answers a request
isolation  an app beside modules of the same source that a test has imported
"""
