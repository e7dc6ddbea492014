"""How many descriptors clients may hold: what is left is for the log, for uploads, and for what actions open.

A server of which clients hold every descriptor cannot open the next segment of its log, and has to stop.

Invariant: connections, and files that are being read for them, are never more than `most`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define

from ...protocol.close import ErrorClass, Refused
from ..limits import CONNECTIONS_MAX

RESERVED = 512
"""Descriptors that are not for clients."""


@define(eq=False)
class Descriptors:
    most: int = CONNECTIONS_MAX
    held: int = 0

    def take(self) -> bool:
        """Whether there was one; then it is to be given back."""
        if self.held >= self.most:
            return False
        self.held += 1
        return True

    def give_back(self) -> None:
        assert self.held > 0
        self.held -= 1

    @contextmanager
    def one(self) -> Iterator[None]:
        """Raises Refused if there is none."""
        if not self.take():
            raise Refused(ErrorClass.OVERLOADED, "TooManyConnections", "too many files are being read: try again later")
        try:
            yield
        finally:
            self.give_back()


def for_clients(limit: int) -> int:
    """Of so many descriptors that the process may have."""
    return min(CONNECTIONS_MAX, max(limit - RESERVED, limit // 2))
