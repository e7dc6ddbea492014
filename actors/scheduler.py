"""Which jobs may begin now: in the order in which they are due, no more at once than there is room for.

    Waits ──> waiting, by due time ──> Look ──> Begin ──> Over
      Gone: it waits no more

Jobs of one lane never wait for those of another: what takes long has a lane of its own.

Invariants
    * No job begins before it is due by the time that `Look` says.
    * In each lane they begin in the order of due time, then of creation; a job that begins has left the queue.
    * No more of a lane are under way than it has room for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from attrs import Factory, define, frozen
from sortedcontainers import SortedList


@frozen
class Waits:
    """A job that is to begin once it is due; it may wait already, and be due at another time now."""

    id: str
    due: float
    """Milliseconds since the Unix epoch."""
    created: float
    lane: str


@frozen
class Gone:
    """A job waits no more, whatever became of it."""

    id: str


@frozen
class Over:
    """A job that had begun has ended, and its place is free."""

    id: str


@frozen
class Look:
    """What may begin now?"""

    now: float


@frozen
class Begin:
    id: str
    lane: str


Message = Waits | Gone | Over | Look


@define(eq=False)
class Lane:
    room: int
    waiting: SortedList[tuple[float, float, str]] = Factory(SortedList)
    running: dict[str, None] = Factory(dict[str, None])


@define(eq=False)
class Queue:
    lanes: Mapping[str, Lane]
    waiting: dict[str, Waits] = Factory(dict[str, Waits])

    @classmethod
    def with_room(cls, **room: int) -> Queue:
        """A lane of each name, with room for so many jobs at once."""
        return cls({name: Lane(count) for name, count in room.items()})

    def receive(self, message: Message) -> tuple[Begin, ...]:
        match message:
            case Waits():
                self.remove(message.id)
                if not self.is_running(message.id):
                    self.waiting[message.id] = message
                    self.lanes[message.lane].waiting.add(place_of(message))
            case Gone(id):
                self.remove(id)
            case Over(id):
                for lane in self.lanes.values():
                    lane.running.pop(id, None)
            case Look(now):
                return self.begin(now)
            case _:
                assert_never(message)
        return ()

    def begin(self, now: float) -> tuple[Begin, ...]:
        begun: list[Begin] = []
        for name, lane in self.lanes.items():
            while lane.waiting and len(lane.running) < lane.room and lane.waiting[0][0] <= now:
                _, _, id = lane.waiting.pop(0)
                del self.waiting[id]
                lane.running[id] = None
                begun.append(Begin(id, name))
            assert len(lane.running) <= lane.room, (name, len(lane.running))
        return tuple(begun)

    def remove(self, id: str) -> None:
        known = self.waiting.pop(id, None)
        if known is not None:
            self.lanes[known.lane].waiting.remove(place_of(known))

    def is_running(self, id: str) -> bool:
        return any(id in lane.running for lane in self.lanes.values())

    def next_due(self) -> float | None:
        """When the first job is due that finds room; None if there is none, or no room."""
        firsts = [lane.waiting[0][0] for lane in self.lanes.values() if lane.waiting and len(lane.running) < lane.room]
        return min(firsts, default=None)


def place_of(job: Waits) -> tuple[float, float, str]:
    return (job.due, job.created, job.id)
