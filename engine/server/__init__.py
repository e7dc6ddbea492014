"""The shells that carry the engine to the network: one port for websockets and HTTP.

listener     accepts, hands each stream on, stops gracefully
descriptors  how many of them clients may hold
head         the head of a request, before anybody knows who will speak
groups       what nurseries raise, and which of it matters
stream       a socket whose head was read already; its writers take turns
frames       outgoing websocket frames (RFC 6455), several messages in one write
socket       one websocket: its tasks, its heartbeat, its close
connection   one client: what it said, what it watches, what it is owed; no I/O
migrator     drives migrations, one batch after another
syncer       decides whose transition is computed next
limit_rows   rows of rate limits that are full again go
sessions     clients that come and go: `on_connect`, `on_disconnect`
http         the HTTP application: all routes, errors as answers, origins
http_connection  one connection that speaks HTTP, ended with its client
access       who may ask for what
storage_routes  files: posted and fetched
key_fetching  what identity providers publish of their keys, fetched
bodies       JSON that comes and goes
lines        an answer of several lines, sent while the work goes on
formats      the JSON in which functions answer
function_routes     run functions
server_routes       about this server
history_routes  queries about any moment of the past
log_routes          which functions ran
deploy_routes       deploys, followed to their end
environment_routes  environment variables
site                HTTP actions: requests that the app itself answers
action_routes       list, show and cancel durable actions
job_routes          list and cancel scheduled functions
migration_routes    start, follow, rehearse and cancel migrations
state_routes        pause and resume
export_routes       tables as files
import_routes       files as tables
received            files that clients send
"""
