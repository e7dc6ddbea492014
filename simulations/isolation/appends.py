"""Histories of lists: every append is of another value, so a list tells who appended before whom.

The longest list that anybody read is the order of the versions of a key; every other one must be a beginning of it.
What nobody read comes after all that was, in an order that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import Factory, define

from .graph import RW, WR, WW, Graph
from .transactions import APPEND, FAILED, OK, READ, Anomaly, Transaction

Place = tuple[str, int]
"""A key and a value."""


@define(eq=False)
class Appends:
    transactions: Sequence[Transaction]
    graph: Graph
    writers: dict[Place, Transaction] = Factory(dict[Place, Transaction])
    overwritten: dict[Place, Transaction] = Factory(dict[Place, Transaction])
    """Values to which the same transaction has appended another."""
    longest: dict[str, tuple[int, ...]] = Factory(dict[str, tuple[int, ...]])
    lists: dict[tuple[str, tuple[int, ...]], list[Transaction]] = Factory(
        dict[tuple[str, tuple[int, ...]], list[Transaction]]
    )
    """By key and list: those who read it before they appended themselves."""

    def infer(self) -> Iterator[Anomaly]:
        """What is wrong by itself; the rest goes into the graph."""
        self.find_writers()
        for transaction in self.transactions:
            if transaction.status == OK:
                yield from self.look_inside(transaction)
        yield from self.compare_orders()
        self.link_all()

    def find_writers(self) -> None:
        for transaction in self.transactions:
            newest: dict[str, int] = {}
            for step in transaction.steps:
                if step.kind == APPEND:
                    assert isinstance(step.value, int)
                    self.writers[step.key, step.value] = transaction
                    if step.key in newest:
                        self.overwritten[step.key, newest[step.key]] = transaction
                    newest[step.key] = step.value

    def look_inside(self, transaction: Transaction) -> Iterator[Anomaly]:
        """What a transaction reads must agree with what it has read and appended before."""
        known: dict[str, tuple[int, ...]] = {}
        appended: dict[str, tuple[int, ...]] = {}
        for step in transaction.steps:
            own = appended.get(step.key, ())
            if step.kind == APPEND:
                assert isinstance(step.value, int)
                appended[step.key] = (*own, step.value)
            elif step.kind == READ:
                assert isinstance(step.value, tuple)
                found = step.value
                before = found[: len(found) - len(own)]
                if found[len(before) :] != own or (step.key in known and before != known[step.key]):
                    yield Anomaly("internal", f"{transaction} does not see what it read or appended itself")
                known[step.key] = before
                yield from self.look_at(transaction, step.key, before)

    def look_at(self, transaction: Transaction, key: str, found: tuple[int, ...]) -> Iterator[Anomaly]:
        """A list as others left it."""
        self.lists.setdefault((key, found), []).append(transaction)
        if len(found) > len(self.longest.get(key, ())):
            self.longest[key] = found
        if len(set(found)) < len(found):
            yield Anomaly("duplicate", f"{transaction} finds a value twice")
        for value in found:
            writer = self.writers.get((key, value))
            if writer is None:
                yield Anomaly("phantom", f"{transaction} finds {value} in {key}, which nobody appended")
            elif writer.status == FAILED:
                yield Anomaly("G1a", f"{transaction} finds {value} in {key}, which {writer} appended, and that failed")
            elif writer is transaction:
                yield Anomaly("internal", f"{transaction} finds {value} in {key} before it appends it")
        writer = self.overwritten.get((key, found[-1])) if found else None
        if writer is not None and writer is not transaction:
            yield Anomaly("G1b", f"{transaction} finds {found[-1]} at the end of {key}, in the middle of {writer}")

    def compare_orders(self) -> Iterator[Anomaly]:
        for (key, found), readers in self.lists.items():
            longest = self.longest.get(key, ())
            if found != longest[: len(found)]:
                text = f"{readers[0]} finds {list(found)} in {key}, which is no beginning of {list(longest)}"
                yield Anomaly("incompatible order", text)

    def link_all(self) -> None:
        for (key, found), readers in self.lists.items():
            writer = self.writers.get((key, found[-1])) if found else None
            for reader in readers:
                if writer is not None:
                    reason = f"it finds {found[-1]} in {key}, which that appended"
                    self.graph.link(writer.number, reader.number, WR, reason)
        places = {(key, value): at for key, values in self.longest.items() for at, value in enumerate(values)}
        for (key, value), writer in self.writers.items():
            if writer.status == FAILED:
                continue
            longest = self.longest.get(key, ())
            at = places.get((key, value), len(longest))
            self.link_after(writer, key, value, longest[:at])

    def link_after(self, writer: Transaction, key: str, value: int, before: tuple[int, ...]) -> None:
        """It appended to that list: after who made it, and after who read it."""
        previous = self.writers.get((key, before[-1])) if before else None
        if previous is not None:
            reason = f"it appended {value} to {key} behind {before[-1]}, which that appended"
            self.graph.link(previous.number, writer.number, WW, reason)
        for reader in self.lists.get((key, before), ()):
            reason = f"it appended {value} to {key}, which that did not find there"
            self.graph.link(reader.number, writer.number, RW, reason)
