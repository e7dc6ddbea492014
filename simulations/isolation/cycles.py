"""Cycles in who must come before whom: no order satisfies them.

    G0        writes alone
    G1c       writes and reads of what was written
    G-single  one read of what was overwritten
    G2-item   several of them

The worst of a component is told, with the shortest way round that is found; ``-realtime`` if it needs the clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from .graph import REALTIME, RW, WR, WW, Graph
from .transactions import Anomaly, Transaction

CLASSES = (
    ("G0", WW, WW),
    ("G1c", WR, WW | WR),
    ("G-single", RW, WW | WR),
    ("G2-item", RW, WW | WR | RW),
)
"""Name, a kind that the cycle has, and the kinds that the rest of it may have."""
STARTS_MAX = 200
"""Edges of a component from which a way round is looked for, for each class."""


def cycles(transactions: Sequence[Transaction], graph: Graph) -> Iterator[Anomaly]:
    """The worst cycle of each component; without the clock, if there is one without."""
    for component in components(graph, range(graph.size), WW | WR | RW | REALTIME):
        for name, extra in (("", 0), ("-realtime", REALTIME)):
            found = worst(graph, component, extra)
            if found is not None:
                kind, nodes = found
                yield Anomaly(kind + name, words(transactions, graph, nodes))
                break


def worst(graph: Graph, component: set[int], extra: int) -> tuple[str, list[int]] | None:
    for name, needed, allowed in CLASSES:
        starts = [(node, after) for node in sorted(component) for after in graph.after(node, needed)]
        ways = (
            way(graph, after, node, allowed | extra, component)
            for node, after in [each for each in starts if each[1] in component][:STARTS_MAX]
        )
        shortest = min((each for each in ways if each is not None), key=len, default=None)
        if shortest is not None:
            return name, [shortest[-1], *shortest]
    return None


def way(graph: Graph, start: int, end: int, kinds: int, within: set[int]) -> list[int] | None:
    """The shortest from one node to another; None if there is none."""
    parents: dict[int, int | None] = {start: None}
    queue = deque([start])
    while queue:
        node: int | None = queue.popleft()
        if node == end:
            path: list[int] = []
            while node is not None:
                path.append(node)
                node = parents[node]
            return path[::-1]
        assert node is not None
        for after in graph.after(node, kinds):
            if after in within and after not in parents:
                parents[after] = node
                queue.append(after)
    return None


def components(graph: Graph, nodes: Iterable[int], kinds: int) -> Iterator[set[int]]:
    """Strongly connected ones of more than one node, after Tarjan, without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in nodes:
        if root in index:
            continue
        work = [(root, iter(graph.after(root, kinds)))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(graph.after(target, kinds))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = popped(stack, on_stack, node)
                    if len(component) > 1:
                        yield component


def popped(stack: list[int], on_stack: set[int], node: int) -> set[int]:
    component: set[int] = set()
    while node not in component:
        component.add(stack.pop())
    on_stack -= component
    return component


def words(transactions: Sequence[Transaction], graph: Graph, nodes: list[int]) -> str:
    """``T1 < T2 because ...`` round the cycle, and who they are; points in time are passed over."""
    count = len(transactions)
    names: dict[int, str] = {}
    for node in nodes:
        if node < count:
            names.setdefault(node, f"T{len(names) + 1}")
    lines = [f"{name} is {transactions[node]}" for node, name in names.items()]
    for before, after in pairwise(around(nodes, count)):
        reason = next(
            (graph.reasons[before, after, kind] for kind in (WW, WR, RW) if is_linked(graph, before, after, kind)), ""
        )
        lines.append(f"{names[before]} < {names[after]} because {reason or 'that had ended before it began'}")
    return "; ".join(lines)


def is_linked(graph: Graph, before: int, after: int, kind: int) -> bool:
    return bool(graph.edges.get(before, {}).get(after, 0) & kind)


def around(nodes: list[int], count: int) -> list[int]:
    """The cycle from one transaction to itself."""
    real = [node for node in nodes[:-1] if node < count]
    return [*real, real[0]]
