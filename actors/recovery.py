"""What recovery hands each entry to: everything that is derived from the log, brought up at once."""

from __future__ import annotations

from attrs import Factory, define

from ..log.entry import Entry, Kind
from .newest import Newest
from .requests import Requests


@define(eq=False)
class Recovery:
    newest: Newest = Factory(Newest)
    requests: Requests = Factory(Requests)
    code: bytes = b""
    """Hash of the bundle deployed last."""
    deployment: bytes = b""
    """What the entry of that deploy says, as the engine wrote it: source, tables, functions."""

    def apply(self, entry: Entry) -> None:
        self.newest.apply(entry)
        self.requests.apply(entry)
        if entry.kind is Kind.DEPLOY:
            self.code, self.deployment = entry.code, entry.args
