"""What clients have asked for, and what they were told: kept outside the server, so no kill takes it."""

from __future__ import annotations

import threading
from typing import Any

from attrs import Factory, define, frozen


@frozen
class Cancelled:
    """An answered cancellation."""

    number: int
    job: str
    was: str
    """The state in which it was met."""


@define
class Uploaded:
    """A file that the server has said to have stored."""

    id: str
    data: bytes
    attached: bool = False
    """The document that holds it was acknowledged."""
    dropping: bool = False
    """Its deletion was asked for."""
    dropped: bool = False
    """And acknowledged."""


@define(eq=False)
class Record:
    """Filled by the clients of one world, each in its thread."""

    ordered: dict[int, bool] = Factory(dict[int, bool])
    """Orders that were asked for; True once that was acknowledged."""
    placed: dict[int, Any] = Factory(dict[int, Any])
    """What durable actions were told to have given, by number."""
    cancelled: list[Cancelled] = Factory(list[Cancelled])
    visited: dict[str, bool] = Factory(dict[str, bool])
    """Sessions over a websocket; True once the server has answered there."""
    uploaded: dict[int, Uploaded] = Factory(dict[int, "Uploaded"])
    """Files that are stored, by number; those that were asked for and not answered may be, too."""
    uploads: int = 0
    """That are half done, or were."""
    problems: list[str] = Factory(list[str])
    """Answers that there should not be."""
    answers: int = 0
    changed: threading.Condition = Factory(threading.Condition)

    def answered(self) -> None:
        with self.changed:
            self.answers += 1
            self.changed.notify_all()

    def half_uploaded(self) -> None:
        with self.changed:
            self.uploads += 1
            self.changed.notify_all()

    def wait_upload(self, seconds: float) -> None:
        """Until one is half done, or the time is over."""
        with self.changed:
            begun = self.uploads
            self.changed.wait_for(lambda: self.uploads > begun, seconds)

    def wait_answers(self, count: int, seconds: float) -> None:
        """Until there were so many more, or the time is over."""
        with self.changed:
            wanted = self.answers + count
            self.changed.wait_for(lambda: self.answers >= wanted, seconds)
