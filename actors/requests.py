"""Which client requests have been committed, so that a resend is answered and not run again.

Derived from the log: an entry carries the session and request that caused it.  A client resends
what it has not seen confirmed, at most `protocol.limits.MUTATIONS_QUEUED_MAX` requests, so the newest few
thousand of each session are enough.

A request that wrote nothing is no entry.  Its answer is kept in memory: run again, it might come out
otherwise, and even write.  After a restart it runs again.

Invariants
    * An answer that is kept was given as of entries that have not been taken back.
    * Kept answers are `ANSWERS_MAX` and `ANSWERS_BYTES_MAX` at most; the oldest go first.
"""

from __future__ import annotations

from collections import OrderedDict

from attrs import Factory, define

from ..log.entry import LSN, Entry, Timestamp

REQUESTS_PER_SESSION_MAX = 2_000
SESSION_AGE_NS_MAX = 14 * 86_400 * 1_000_000_000
"""How long a session may be silent before its requests are forgotten: 14 days."""


ANSWERS_MAX = 10_000
"""Answers kept of requests that wrote nothing."""
ANSWERS_BYTES_MAX = 16 * 1024 * 1024


@define(eq=False)
class Session:
    last_ts: Timestamp
    committed: dict[int, LSN] = Factory(dict[int, LSN])
    """Request to entry, oldest first."""


@define(eq=False)
class Requests:
    sessions: OrderedDict[bytes, Session] = Factory(OrderedDict[bytes, Session])
    """The least recently used first."""
    answers: OrderedDict[tuple[bytes, int], tuple[object, int]] = Factory(OrderedDict)
    """By session and request, the oldest first: the answer, and its size in bytes."""
    answers_bytes: int = 0

    def find(self, session: bytes, request: int) -> LSN | None:
        """The entry that this request was committed as, or None."""
        known = self.sessions.get(session)
        return None if known is None else known.committed.get(request)

    def answer(self, session: bytes, request: int) -> object | None:
        """What a request that wrote nothing was answered, or None."""
        kept = self.answers.get((session, request))
        return kept[0] if kept is not None else None

    def keep_answer(self, session: bytes, request: int, answer: object, size: int) -> None:
        """Keep the answer, of ``size`` bytes, of a request that wrote nothing."""
        assert (session, request) not in self.answers, "it was answered before, and not run again"
        self.answers[session, request] = answer, size
        self.answers_bytes += size
        while len(self.answers) > ANSWERS_MAX or self.answers_bytes > ANSWERS_BYTES_MAX:
            _, (_, forgotten) = self.answers.popitem(last=False)
            self.answers_bytes -= forgotten

    def apply(self, entry: Entry) -> None:
        if entry.session is None:
            return
        assert entry.request is not None
        known = self.sessions.get(entry.session)
        if known is None:
            known = self.sessions[entry.session] = Session(entry.ts)
        assert entry.request not in known.committed, ("committed twice", entry.request, entry.lsn)
        known.committed[entry.request] = entry.lsn
        known.last_ts = entry.ts
        self.sessions.move_to_end(entry.session)
        if len(known.committed) > REQUESTS_PER_SESSION_MAX:
            del known.committed[next(iter(known.committed))]
        self.forget(entry.ts)

    def undo(self, entry: Entry) -> None:
        """Take back the newest entry; its request may have been forgotten again already."""
        self.answers.clear()  # They may be of what this entry had written.
        self.answers_bytes = 0
        known = self.sessions.get(entry.session) if entry.session is not None else None
        if known is not None and entry.request is not None:
            known.committed.pop(entry.request, None)

    def check(self) -> None:
        assert self.answers_bytes == sum(size for _, size in self.answers.values())
        assert len(self.answers) <= ANSWERS_MAX
        assert self.answers_bytes <= ANSWERS_BYTES_MAX

    def forget(self, now: Timestamp) -> None:
        while self.sessions:
            oldest = next(iter(self.sessions.values()))
            if now - oldest.last_ts <= SESSION_AGE_NS_MAX:
                return
            self.sessions.popitem(last=False)
