"""Plans from seeds: each enables some of the workloads, some of the faults and some odd knobs, at random.

A plan that has everything finds less than many that each leave something out: faults hide one another, and a
queue that is never full hides what happens when it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from .plan import (
    CHECKPOINT_DIES,
    CLOCK,
    CRASH,
    CRASH_AT_CHANGE,
    CUT,
    DELAY,
    DEPLOY,
    DISK_FULL,
    FAULTS,
    FOLLOWER,
    HALF_OPEN,
    MIGRATE,
    MORE,
    MUTATE,
    SPLIT,
    STALL,
    SUBSCRIBE,
    SYNC_LIES,
    UNSUBSCRIBE,
    Fault,
    Knobs,
    Operation,
    Plan,
)
from .randomness import stream
from .schedule import ONE, PCT, SHUFFLE
from .workloads.catalog import WORKLOADS
from .workloads.drawing import Drawing

WARM_UP_MS = 40
CHAOS_MS_MAX = 400
CLIENTS_MAX = 4
OPERATIONS_MAX = 24
FAULTS_MAX = 14
WORKLOAD_LIKELY = 0.3
MORE_LIKELY = 0.6
DEPLOY_LIKELY = 0.6
VERSIONED = "items"
"""The workload that tells versions of the app apart."""
FULL_STACK_LIKELY = 0.25
CALLS_LIKELY = 0.5
"""Of these."""
BUGGIFY_LIKELY = 0.8
PAGED = "pages"
"""The workload whose clients ask for more."""


def generate(seed: int, kinds: Iterable[str] = FAULTS, clients_max: int = CLIENTS_MAX) -> Plan:
    """The plan of a seed; ``kinds`` are the faults that it may have."""
    random = stream(seed, "plan")
    clients = 1 + int(random.random() * clients_max)
    chaos_ms = WARM_UP_MS + int(random.random() * CHAOS_MS_MAX)
    enabled = sorted(kind for kind in kinds if random.random() < 0.4)
    faults = [draw_fault(random, enabled, clients, chaos_ms) for _ in range(int(random.random() * FAULTS_MAX))]
    workloads = [name for name in WORKLOADS if random.random() < WORKLOAD_LIKELY] or [random.choice(sorted(WORKLOADS))]
    drawing = Drawing(random)
    pause_ms_max = random.choice((0, 2, 10, 30))
    operations = [draw_client(random, drawing, workloads, pause_ms_max) for _ in range(clients)]
    if VERSIONED in workloads:
        operations[0] = with_deploys(random, operations[0])
    return Plan(
        seed,
        random.choice((SHUFFLE, SHUFFLE, ONE, PCT)),
        draw_knobs(random),
        tuple(operations),
        tuple(sorted((fault for fault in faults if fault is not None), key=lambda fault: fault.at_ms)),
    )


def draw_knobs(random: Random) -> Knobs:
    """Each is odd in one plan of three."""
    plain = Knobs()

    def odd(usual: int, *others: int) -> int:
        return random.choice(others) if random.random() < 0.34 else usual

    return Knobs(
        latency_ms_max=odd(plain.latency_ms_max, 0, 1, 30),
        sync_ms_max=odd(plain.sync_ms_max, 0, 10, 50),
        page_bytes=random.choice((16, 64, 512, 4096)),
        window=odd(plain.window, 1, 2),
        restart_ms=odd(plain.restart_ms, 1, 200),
        reconnect_ms=odd(plain.reconnect_ms, 1, 100),
        pipelined=random.random() < 0.6,
        clock_step_ns=odd(0, 1_000, 500_000, 3_000_000),
        segment_bytes=odd(plain.segment_bytes, 2_048, 8_192),
        follower_lag=odd(plain.follower_lag, 1, 3, 10),
        full_stack=random.random() < FULL_STACK_LIKELY,
        calls=random.random() < CALLS_LIKELY,
        checkpoint_ms=random.choice((0, 0, 10, 40)),
        buggify=random.random() < BUGGIFY_LIKELY,
    )


def draw_client(random: Random, drawing: Drawing, workloads: list[str], pause_ms_max: int) -> tuple[Operation, ...]:
    operations: list[Operation] = []
    for position in range(2 + int(random.random() * OPERATIONS_MAX)):
        workload = WORKLOADS[random.choice(workloads)]
        pause_ms = int(random.random() * (pause_ms_max + 1))
        chance = random.random()
        if position < 2 or chance < 0.12:
            operations.append(Operation(pause_ms, SUBSCRIBE, *workload.query(drawing)))
        elif chance < 0.18:
            operations.append(Operation(pause_ms, UNSUBSCRIBE, "", {}))
        elif chance < 0.45 and PAGED in workloads:
            more = random.random() < MORE_LIKELY
            path, args = WORKLOADS[PAGED].query(drawing) if more else ("", {})
            operations.append(Operation(pause_ms, MORE if more else SPLIT, path, args))
        else:
            operations.append(Operation(pause_ms, MUTATE, *workload.mutation(drawing)))
    return tuple(operations)


def with_deploys(random: Random, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Other versions of the app in between, the older first, and perhaps a migration, which not every version has."""
    asked = [Operation(0, DEPLOY, "", {"version": version}) for version in (2, 3) if random.random() < DEPLOY_LIKELY]
    if random.random() < DEPLOY_LIKELY:
        asked.append(Operation(0, MIGRATE, "", {}))
    mixed = list(operations)
    place = 0
    for operation in asked:
        place += int(random.random() * (len(mixed) - place + 1))
        mixed.insert(place, operation)
        place += 1
    return tuple(mixed)


def draw_fault(random: Random, enabled: list[str], clients: int, chaos_ms: int) -> Fault | None:
    at_ms = WARM_UP_MS + int(random.random() * (chaos_ms - WARM_UP_MS + 1))
    target = int(random.random() * clients)
    chance = random.random()
    if not enabled:
        return None
    kind = random.choice(enabled)
    amounts = {
        CRASH: (0, 50, 90, 100)[int(chance * 4)],
        CRASH_AT_CHANGE: int(chance * 8),
        DISK_FULL: int(chance * 3_000),
        HALF_OPEN: int(chance * 100),
        STALL: int(chance * 200),
        CLOCK: int((chance - 0.5) * 200_000),
        CUT: 0,
        SYNC_LIES: 1 + int(chance * 4),
        FOLLOWER: 1 + int(chance * 5),
        CHECKPOINT_DIES: int(chance * 6),
        DELAY: int(chance * 150),
    }
    return Fault(at_ms, kind, target, amounts.get(kind, 0))
