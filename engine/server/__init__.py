"""The shells that carry the engine to the network: one port for websockets and HTTP.

listener     accepts, reads the request head, hands the stream on; stops gracefully
stream       a socket whose head was read already; its writers take turns
frames       outgoing websocket frames (RFC 6455), several messages in one write
socket       one websocket: its tasks, its heartbeat, its close
connection   one client: what it said, what it watches, what it is owed; no I/O
syncer       decides whose transition is computed next
http         the routes of the HTTP API
"""
