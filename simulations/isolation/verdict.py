"""Everything that is wrong with a history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve

from .appends import Appends
from .cycles import cycles
from .graph import Graph
from .realtime import add_realtime
from .registers import Registers
from .transactions import APPEND, Anomaly, Step, Transaction


def anomalies(transactions: Sequence[Transaction]) -> Iterator[Anomaly]:
    """Of a history of lists and registers together: a transaction may read and write both."""
    assert [each.number for each in transactions] == list(range(len(transactions)))
    graph = Graph(len(transactions))
    yield from Appends([only(each, lists=True) for each in transactions], graph).infer()
    yield from Registers([only(each, lists=False) for each in transactions], graph).infer()
    add_realtime(transactions, graph)
    yield from cycles(transactions, graph)


def only(transaction: Transaction, *, lists: bool) -> Transaction:
    """What it did with lists, or with registers."""
    return evolve(transaction, steps=tuple(step for step in transaction.steps if is_of_list(step) is lists))


def is_of_list(step: Step) -> bool:
    return step.kind == APPEND or isinstance(step.value, tuple)
