"""What changes a running deployment: code, schema, data, environment.

app_changes          what one version of an app has that another has not
rebuild              the tables as other code reads them, built beside those that are served
deploy               a deploy under way, and its entry in the log
retention            how long old versions of documents are kept
recovered            the code that was deployed when a log was recovered
reloader             deploys the source of a running app again when it has changed
environment_changes  changes of environment variables, within their limits
migrations           every document of a table handed to a function, one batch after another
rehearsals           the same without keeping anything
"""
