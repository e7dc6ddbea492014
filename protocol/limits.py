"""Every limit of the value model and of messages, with its unit.

Limits that an unmodified client relies on (sizes, nesting, silences) have the values that the
Convex documentation and clients give them; the others are ours and say why they exist.
Limits of transactions, mailboxes and files live beside what they limit.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# Values.

INT_MAX = 2**53 - 1
"""Largest magnitude of a plain ``int``: beyond it a float64 no longer tells neighbours apart."""

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

ARRAY_ITEMS_MAX = 8192
OBJECT_FIELDS_MAX = 1024
FIELD_NAME_CHARS_MAX = 1024

VALUE_DEPTH_MAX = 64
"""Arrays and objects inside one another in any value."""

DOCUMENT_DEPTH_MAX = 16
"""Arrays and objects inside one another in a document, the document itself included."""

DOCUMENT_BYTES_MAX = 1 * MIB
"""Convex size of one document, system fields included."""

ARGS_BYTES_MAX = 16 * MIB
"""Convex size of the arguments of one call."""

RESULT_BYTES_MAX = 16 * MIB
"""Convex size of what one call returns."""

JSON_DEPTH_MAX = 256
"""Brackets inside one another in any JSON text.  More than a value may have, so that an argument that
is nested too deep fails its own call; only what no codec should see breaks the protocol."""

# Names.

IDENTIFIER_CHARS_MAX = 64
"""Length of a function's name and of each component of a module's path."""

PATH_CHARS_MAX = 1024
"""Length of a function path; ours, so that a path can be remembered and logged."""

# Messages.

MESSAGE_BYTES_MAX = 64 * MIB
"""One WebSocket message either way: 16 MiB of arguments grow when written as JSON and base64."""

FRAME_BYTES_MAX = 8 * MIB
"""Payload of one outbound frame.  Clients written in Rust refuse a frame of more than 16 MiB, so a
longer message goes out in several frames."""

CHUNK_BYTES = 5_000_000
"""A longer transition goes to a browser as pieces of at most this size, so that it hears from us."""

HTTP_BODY_BYTES_MAX = 16 * MIB + 2000
"""The largest arguments and the little that is around them."""

CLOSE_REASON_BYTES_MAX = 123
"""What fits into a close frame beside the code (RFC 6455, 5.5)."""

LOG_LINES_MAX = 256
"""Log lines of one call; if there were more, the last one says so."""

LOG_LINE_CHARS_MAX = 32_768
"""Length of one log line; the rest is cut off."""

ERROR_TEXT_CHARS_MAX = 32_768
"""Length of what an error of a function says; the rest is cut off."""

# Connections.

PING_AFTER_S = 15
"""Silence after which we send a ``Ping`` message: browsers count text messages only and give up
after 60 s."""

WEBSOCKET_PING_S = 5
"""Time between WebSocket pings: other clients give up after 30 s without any frame."""

CLIENT_SILENCE_S_MAX = 120
"""Time after which a client of whom nothing was heard, not even a pong, is dropped."""

MUTATIONS_QUEUED_MAX = 1000
"""Mutations of one connection that wait for their turn."""

ACTIONS_IN_FLIGHT_MAX = 1000
"""Actions of one connection that run at the same time."""

TRANSITIONS_QUEUED_MAX = 2
"""Transitions waiting to be written to one connection; further changes are merged into the next."""
