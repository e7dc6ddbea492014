"""The queue of scheduled functions against a model that sorts everything each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from relive.actors.scheduler import Begin, Gone, Look, Over, Queue, Waits

ROOM = {"mutation": 3, "action": 1}
IDS = st.sampled_from("abcdefgh")
TIMES = st.integers(0, 5).map(float)
MESSAGES = st.one_of(
    st.builds(Waits, IDS, TIMES, TIMES, st.sampled_from(sorted(ROOM))),
    st.builds(Gone, IDS),
    st.builds(Over, IDS),
    st.builds(Look, TIMES),
)


@given(st.lists(MESSAGES, max_size=60))
def test_what_begins_is_due_and_first_in_its_lane_and_finds_room(messages: list[Waits | Gone | Over | Look]) -> None:
    queue = Queue.with_room(**ROOM)
    waiting: dict[str, Waits] = {}
    running: dict[str, str] = {}
    for message in messages:
        expected: list[Begin] = []
        match message:
            case Waits(id):
                waiting.pop(id, None)
                if id not in running:
                    waiting[id] = message
            case Gone(id):
                waiting.pop(id, None)
            case Over(id):
                running.pop(id, None)
            case Look(now):
                for lane, room in ROOM.items():
                    due = [each for each in waiting.values() if each.lane == lane and each.due <= now]
                    free = room - list(running.values()).count(lane)
                    for each in sorted(due, key=lambda each: (each.due, each.created, each.id))[:free]:
                        expected.append(Begin(each.id, lane))
                        del waiting[each.id]
                        running[each.id] = lane
        assert list(queue.receive(message)) == expected
        open_lanes = [lane for lane, room in ROOM.items() if list(running.values()).count(lane) < room]
        assert queue.next_due() == min((each.due for each in waiting.values() if each.lane in open_lanes), default=None)
