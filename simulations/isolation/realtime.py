"""Who was done before whom began.

    ended ──> point ──> point ──> begun

A point in time stands for all that had ended by then, so there are as many edges as transactions, not as many as pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

from .graph import REALTIME, Graph
from .transactions import FAILED, OK, Transaction


def add_realtime(transactions: Sequence[Transaction], graph: Graph) -> None:
    """What is unknown has never ended, and may still happen."""
    moments: list[tuple[int, bool, int]] = []
    for transaction in transactions:
        if transaction.status == FAILED:
            continue
        moments.append((transaction.begun, True, transaction.number))
        if transaction.status == OK and transaction.ended is not None:
            moments.append((transaction.ended, False, transaction.number))
    point: int | None = None
    has_begun = True
    for _, begins, number in sorted(moments):
        if begins:
            if point is not None:
                graph.link(point, number, REALTIME, "")
            has_begun = True
            continue
        if has_begun or point is None:
            before, point, has_begun = point, graph.point(), False
            if before is not None:
                graph.link(before, point, REALTIME, "")
        graph.link(number, point, REALTIME, "")
