"""Sessions of clients as causes of entries: on behalf of which client a mutation ran.

session ID came                what `@on_connect` did
session ID left                what `@on_disconnect` did; then there is no session any more
session ID the server stopped  the same, after a stop or a crash

The mutations that a client calls over its socket have the session in their entry.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from ...log.entry import Entry

SYSTEM: Final = "system"
"""The kind of the cause of what the server tells of a session."""
CAME: Final = "came"
LEFT: Final = "left"
STOPPED: Final = "the server stopped"
TOLD = re.compile(rf"session (\S+) {CAME}")


def session_cause(session: str, what: str) -> str:
    """The id of the cause."""
    return f"session {session} {what}"


def session_of(kind: str, id: str, session: bytes | None) -> str | None:
    """The session that a mutation runs for: that of the client who called it over its socket, or has just come."""
    if session is not None:
        return str(UUID(bytes=session))
    told = TOLD.fullmatch(id) if kind == SYSTEM else None
    return told[1] if told is not None else None


def session_of_entry(entry: Entry) -> str | None:
    return session_of(entry.cause.kind, entry.cause.id, entry.session)
