"""Small stores that run transactions side by side, at a level of isolation: histories with known faults."""

from __future__ import annotations

from random import Random

from attrs import Factory, define
from relive.simulations.isolation.transactions import APPEND, FAILED, OK, READ, UNKNOWN, WRITE, Step, Transaction, Value

SERIAL, SNAPSHOT, STALE, LOST, COMMITTED = "serial", "snapshot", "stale", "lost", "committed"
"""Validates reads and writes; only writes; nothing of readers, and they begin in the past; nothing at all; and reads
whatever is newest."""
KEYS = ("x", "y", "z")


@define
class Running:
    number: int
    begun: int
    snapshot: int
    wanted: list[tuple[str, str]]
    steps: list[Step] = Factory(list[Step])
    writes: dict[str, Value] = Factory(dict[str, Value])
    """What each key is for the transaction itself."""


@define
class Store:
    mode: str
    lists: bool
    random: Random
    versions: list[dict[str, Value]] = Factory(lambda: [{}])
    writers: dict[tuple[str, int], int] = Factory(dict[tuple[str, int], int])
    clock: int = 0
    values: int = 0
    newest: dict[str, int] = Factory(dict[str, int])
    """The version in which each key was written last."""

    def read(self, running: Running, key: str) -> Value:
        if key in running.writes:
            return running.writes[key]
        at = -1 if self.mode == COMMITTED else running.snapshot
        empty: Value = () if self.lists else None
        return self.versions[at].get(key, empty)

    def step(self, running: Running) -> None:
        kind, key = running.wanted[len(running.steps)]
        if kind == READ:
            running.steps.append(Step(READ, key, self.read(running, key)))
            return
        self.values += 1
        held = self.read(running, key)
        running.writes[key] = (*held, self.values) if isinstance(held, tuple) else self.values
        running.steps.append(Step(kind, key, self.values))

    def commits(self, running: Running) -> bool:
        looked = {step.key for step in running.steps}
        changed = {key for key, version in self.newest.items() if version > running.snapshot}
        if self.mode == SERIAL and changed & looked:
            return False
        if self.mode in (SNAPSHOT, STALE) and changed & running.writes.keys():
            return False
        if running.writes:
            self.versions.append({**self.versions[-1], **running.writes})
            self.newest |= dict.fromkeys(running.writes, len(self.versions) - 1)
        return True


def history(mode: str, seed: int, count: int = 40, at_once: int = 4, *, lists: bool = True) -> list[Transaction]:
    """Some transactions of a store; a few are refused, and of a few nobody hears."""
    random = Random(seed)
    store = Store(mode, lists, random)
    running: list[Running] = []
    done: dict[int, Transaction] = {}
    started = 0
    while started < count or running:
        store.clock += 1
        if started < count and len(running) < at_once and (not running or random.random() < 0.5):
            back = random.randrange(4) if mode == STALE else 0
            kinds = (READ, APPEND if lists else WRITE)
            wanted = [(random.choice(kinds), random.choice(KEYS)) for _ in range(random.randint(1, 4))]
            running.append(Running(started, store.clock, max(0, len(store.versions) - 1 - back), wanted))
            started += 1
            continue
        each = random.choice(running)
        if len(each.steps) < len(each.wanted):
            store.step(each)
            continue
        running.remove(each)
        status = OK if store.commits(each) else FAILED
        if random.random() < 0.05:
            status = UNKNOWN
        steps = [step for step in each.steps if status == OK or step.kind != READ]
        ended = store.clock if status == OK else None
        done[each.number] = Transaction(each.number, f"T{each.number}", each.begun, ended, status, tuple(steps))
    return [done[number] for number in range(count)]
