"""Plans from seeds for an app of somebody's own: as `swarm` makes them, with other operations."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from attrs import evolve, frozen

from ...engine.application.app import App
from ...engine.application.endpoint import Endpoint
from ..plan import FAULTS, MUTATE, SUBSCRIBE, UNSUBSCRIBE, Operation, Plan
from ..randomness import stream
from ..schedule import ONE, PCT, SHUFFLE
from ..swarm import CHAOS_MS_MAX, FAULTS_MAX, WARM_UP_MS, draw_fault, draw_knobs
from .declarations import Asking, Declared
from .drawing import Drawing, functions_of
from .strategies import drawn

OPERATIONS_MAX: Final = 20
SUBSCRIPTIONS: Final = 2
"""So many queries a client watches from the start."""
UNSUBSCRIBE_LIKELY: Final = 0.06
SUBSCRIBE_LIKELY: Final = 0.15


@frozen
class Clients:
    """How many there are in a plan."""

    fewest: int = 1
    most: int = 4


@frozen(eq=False)
class Planner:
    app: App
    declared: Declared
    clients: Clients

    def draw(self, seed: int, kinds: tuple[str, ...] = FAULTS) -> Plan:
        """The plan of a seed, with faults of these kinds only."""
        random = stream(seed, "plan")
        clients = self.clients.fewest + random.randrange(self.clients.most - self.clients.fewest + 1)
        chaos_ms = WARM_UP_MS + int(random.random() * CHAOS_MS_MAX)
        enabled = sorted(kind for kind in kinds if random.random() < 0.4)
        faults = [draw_fault(random, enabled, clients, chaos_ms) for _ in range(int(random.random() * FAULTS_MAX))]
        pause_ms_max = random.choice((0, 2, 10, 30))
        sizes = [1 + int(random.random() * OPERATIONS_MAX) for _ in range(clients)]
        return Plan(
            seed,
            random.choice((SHUFFLE, SHUFFLE, ONE, PCT)),
            # The author's own clients are what this is about, not the server's streams.
            evolve(draw_knobs(random), full_stack=False),
            tuple(self.client(random, seed, number, size, pause_ms_max) for number, size in enumerate(sizes)),
            tuple(sorted((fault for fault in faults if fault is not None), key=lambda fault: fault.at_ms)),
        )

    def client(self, random: Random, seed: int, number: int, size: int, pause_ms_max: int) -> tuple[Operation, ...]:
        drawing, queries = Drawing(random), functions_of(self.app, "query")

        def pause_ms() -> int:
            return int(random.random() * (pause_ms_max + 1))

        def subscribe() -> Operation:
            return Operation(pause_ms(), SUBSCRIBE, *call(random, drawing, queries))

        operations = [subscribe() for _ in range(SUBSCRIPTIONS)] if queries else []
        for verb, path, args in self.asked(random, drawing, seed, number, size):
            chance = random.random()
            if queries and chance < UNSUBSCRIBE_LIKELY:
                operations.append(Operation(pause_ms(), UNSUBSCRIBE, "", {}))
            elif queries and chance < SUBSCRIBE_LIKELY:
                operations.append(subscribe())
            operations.append(Operation(pause_ms(), verb, path, args))
        return tuple(operations)

    def asked(
        self, random: Random, drawing: Drawing, seed: int, number: int, size: int
    ) -> Sequence[tuple[str, str, dict[str, Any]]]:
        """What a client asks for, by the author's workloads; by the types of the functions if there are none."""
        if self.declared.workloads:
            own = random.randrange(2**32)
            made: list[Asking] = drawn(own, self.declared.workloads, lambda stop: random.random() * stop, size)
            return [operation for asking in made for operation in asking.operations]
        mutations = functions_of(self.app, "mutation")
        return [(MUTATE, *call(random, drawing, mutations)) for _ in range(size)] if mutations else []


def call(random: Random, drawing: Drawing, functions: dict[str, Endpoint]) -> tuple[str, dict[str, Any]]:
    path = random.choice(list(functions))
    return path, drawing.arguments(functions[path])
