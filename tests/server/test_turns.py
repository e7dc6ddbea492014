"""The syncer shares the thread: whoever has much to evaluate lets others have a turn, and who has little keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing
from attrs import Factory, define, field
from relive.engine.server.syncer import SLICE_NS, Syncer

CONNECTIONS = 120


@define(eq=False)
class World(trio.abc.Instrument):
    """What a syncer needs of the rest."""

    now_ns: int = 0
    steps: int = 0
    """How often trio has given the syncer its turn."""
    advanced: list[int] = Factory(list[int])
    """In which step each connection was advanced."""
    wake: Any = None
    live: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.live = self

    @property
    def env(self) -> World:
        return self

    def buggify(self, choice: str) -> bool:
        return False

    def monotonic_ns(self) -> int:
        return self.now_ns

    def catch_up(self) -> None:
        pass

    def restart(self) -> Iterator[Any]:
        return iter(())

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Called by trio, as an instrument."""
        self.steps += task.name.endswith("Syncer.run")


@define(eq=False)
class Connection:
    world: World
    cost_ns: int
    scheduled: bool = False
    stale: dict[int, None] = Factory(dict[int, None])

    def advance(self) -> None:
        self.world.advanced.append(self.world.steps)
        self.world.now_ns += self.cost_ns


@pytest.mark.parametrize("is_waiting", [True, False])
@pytest.mark.parametrize(("cost_ns", "in_one_step"), [(0, CONNECTIONS), (SLICE_NS // 2, 3), (SLICE_NS * 2, 1)])
async def test_others_have_a_turn_after_each_slice_of_time_and_not_before(
    cost_ns: int, in_one_step: int, is_waiting: bool
) -> None:
    world = World()
    database: Any = world
    syncer = Syncer(database, world.live)

    def schedule() -> None:
        for _ in range(CONNECTIONS):
            connection: Any = Connection(world, cost_ns)
            syncer.schedule(connection)

    trio.lowlevel.add_instrument(world)
    async with trio.open_nursery() as nursery:
        if is_waiting:
            schedule()
        nursery.start_soon(syncer.run)
        if not is_waiting:
            await trio.testing.wait_all_tasks_blocked()
            world.now_ns += 10 * SLICE_NS
            schedule()
        while len(world.advanced) < CONNECTIONS:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(world)
    assert [*Counter(world.advanced).values()] == [in_one_step] * (CONNECTIONS // in_one_step)
