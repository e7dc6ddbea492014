"""Histories of registers: every write is of another value, but one value does not tell what was before it.

Known is only that nothing comes before the first write, and that a transaction that reads and then writes a register
put its value right behind the one that it read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import Factory, define

from .cycles import components
from .graph import RW, WR, WW, Graph
from .transactions import FAILED, OK, READ, WRITE, Anomaly, Transaction, Value

Version = tuple[str, Value]
"""A key and a value; None before the first write."""


@define(eq=False)
class Registers:
    transactions: Sequence[Transaction]
    graph: Graph
    writers: dict[Version, Transaction] = Factory(dict[Version, Transaction])
    overwritten: dict[Version, Transaction] = Factory(dict[Version, Transaction])
    """Values that the same transaction wrote another one over."""
    readers: dict[Version, list[Transaction]] = Factory(dict[Version, list[Transaction]])
    followers: dict[Version, dict[Version, None]] = Factory(dict[Version, dict[Version, None]])
    """Versions that come somewhere after a version."""

    def infer(self) -> Iterator[Anomaly]:
        """What is wrong by itself; the rest goes into the graph."""
        self.find_writers()
        for transaction in self.transactions:
            if transaction.status == OK:
                yield from self.look_inside(transaction)
        yield from self.check_orders()
        self.link_all()

    def find_writers(self) -> None:
        for transaction in self.transactions:
            newest: dict[str, Value] = {}
            for step in transaction.steps:
                if step.kind == WRITE:
                    self.writers[step.key, step.value] = transaction
                    if step.key in newest:
                        self.overwritten[step.key, newest[step.key]] = transaction
                    newest[step.key] = step.value
            if transaction.status != FAILED:
                for key, value in newest.items():
                    self.followers.setdefault((key, None), {})[key, value] = None

    def look_inside(self, transaction: Transaction) -> Iterator[Anomaly]:
        known: dict[str, Value] = {}
        read: dict[str, Value] = {}
        for step in transaction.steps:
            if step.kind == READ:
                if step.key in known and known[step.key] != step.value:
                    yield Anomaly("internal", f"{transaction} does not see what it read or wrote itself")
                if step.key not in known:
                    read[step.key] = step.value
                    yield from self.look_at(transaction, step.key, step.value)
            known[step.key] = step.value
        for key, value in read.items():
            if known[key] != value and self.writers.get((key, known[key])) is transaction:
                self.followers.setdefault((key, value), {})[key, known[key]] = None

    def look_at(self, transaction: Transaction, key: str, value: Value) -> Iterator[Anomaly]:
        self.readers.setdefault((key, value), []).append(transaction)
        writer = self.writers.get((key, value))
        if value is None:
            return
        if writer is None:
            yield Anomaly("phantom", f"{transaction} finds {value} in {key}, which nobody wrote")
        elif writer.status == FAILED:
            yield Anomaly("G1a", f"{transaction} finds {value} in {key}, which {writer} wrote, and that failed")
        elif writer is transaction:
            yield Anomaly("internal", f"{transaction} finds {value} in {key} before it writes it")
        elif (key, value) in self.overwritten:
            yield Anomaly("G1b", f"{transaction} finds {value} in {key}, in the middle of {writer}")

    def check_orders(self) -> Iterator[Anomaly]:
        """No version may come after itself."""
        numbers = {version: number for number, version in enumerate(self.versions())}
        graph = Graph(len(numbers))
        for before, afters in self.followers.items():
            for after in afters:
                graph.link(numbers[before], numbers[after], WW, "")
        for component in components(graph, range(len(numbers)), WW):
            names = [f"{key} = {value}" for (key, value), number in numbers.items() if number in component]
            yield Anomaly("cyclic versions", f"each of {', '.join(names)} comes after the others")

    def versions(self) -> Iterator[Version]:
        yield from dict.fromkeys([*self.followers, *(after for afters in self.followers.values() for after in afters)])

    def link_all(self) -> None:
        for (key, value), readers in self.readers.items():
            writer = self.writers.get((key, value)) if value is not None else None
            for reader in readers:
                if writer is not None:
                    reason = f"it finds {value} in {key}, which that wrote"
                    self.graph.link(writer.number, reader.number, WR, reason)
        for before, afters in self.followers.items():
            for after in afters:
                self.link_versions(before, after)

    def link_versions(self, before: Version, after: Version) -> None:
        (key, old), (_, new) = before, after
        second = self.writers[after]
        first = self.writers.get(before) if old is not None else None
        if first is not None:
            reason = f"it wrote {new} to {key} over {old}, which that wrote"
            self.graph.link(first.number, second.number, WW, reason)
        for reader in self.readers.get(before, ()):
            reason = f"it wrote {new} to {key}, which that found to be {old}"
            self.graph.link(reader.number, second.number, RW, reason)
