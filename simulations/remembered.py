"""What the log says of requests that were committed: one entry after another, laid into dicts.

Said here again, without the code that the server remembers with.
"""

from __future__ import annotations

from attrs import Factory, define

from ..log.entry import Entry

REQUESTS_MAX = 2_000
"""Of each session, the newest."""
AGE_NS_MAX = 14 * 86_400 * 10**9
"""Sessions that were silent for longer are forgotten."""


@define
class Remembered:
    requests: dict[bytes, dict[int, int]] = Factory(dict[bytes, dict[int, int]])
    """By session: the entry of each request."""
    heard: dict[bytes, int] = Factory(dict[bytes, int])
    """When each session was heard of last."""

    def apply(self, entry: Entry) -> None:
        if entry.session is None or entry.request is None:
            return
        known = self.requests.setdefault(entry.session, {})
        known[entry.request] = entry.lsn
        self.heard[entry.session] = entry.ts
        if len(known) > REQUESTS_MAX:
            del known[min(known, key=known.__getitem__)]
        for session in [each for each, ts in self.heard.items() if entry.ts - ts > AGE_NS_MAX]:
            del self.heard[session], self.requests[session]
