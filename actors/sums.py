"""Sums, least and greatest numbers of any range of an index, in time that grows with the logarithm of its size.

A treap in the order of the keys: each node knows the totals of everything below it.  Priorities are hashes of
the keys, so the shape depends on the keys alone.

Invariants
    * The same documents have the same totals, whatever their history: numbers are added exactly, and rounded
      once, when somebody asks.
    * Keys are those of the index, and each counts with what its version holds.

Reference: Seidel and Aragon, Randomized Search Trees, Algorithmica 16 (1996).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from math import inf, isfinite, isnan, nan
from typing import NamedTuple

from attrs import define

from ..log.entry import IndexKey
from ..protocol.order import sort_key

Number = int | float

FRACTION_BITS = 1074
"""Every finite float is a whole number of 2 to the power of minus so much."""


class Totals(NamedTuple):
    """Of any number of numbers; of none, as it stands."""

    whole: int = 0
    """Of the integers."""
    fraction: int = 0
    """Of the floats, in units of the smallest one."""
    undefined: int = 0
    """How many are NaN; those are neither least nor greatest."""
    positive: int = 0
    """How many are infinite."""
    negative: int = 0
    least: Number | None = None
    greatest: Number | None = None

    def plus(self, other: Totals) -> Totals:
        if other is NOTHING:
            return self
        if self is NOTHING:
            return other
        return Totals(
            self.whole + other.whole,
            self.fraction + other.fraction,
            self.undefined + other.undefined,
            self.positive + other.positive,
            self.negative + other.negative,
            lesser(self.least, other.least),
            greater(self.greatest, other.greatest),
        )

    def exactly(self) -> int:
        """The sum of integers."""
        assert self[1:5] == (0, 0, 0, 0), self
        return self.whole

    def rounded(self) -> float:
        """The float that is nearest to the sum; infinite if it is too large for any."""
        if self.undefined or (self.positive and self.negative):
            return nan
        if self.positive or self.negative:
            return inf if self.positive else -inf
        units = (self.whole << FRACTION_BITS) + self.fraction
        try:
            # Python divides whole numbers exactly and rounds once.
            return units / (1 << FRACTION_BITS)
        except OverflowError:
            return inf if units > 0 else -inf


NOTHING = Totals()


def totals_of(number: Number | None) -> Totals:
    """Of one number, or of none."""
    if number is None:
        return NOTHING
    if isinstance(number, int):
        return Totals(whole=int(number), least=number, greatest=number)
    if isfinite(number):
        numerator, denominator = number.as_integer_ratio()
        units = numerator << (FRACTION_BITS - denominator.bit_length() + 1)
        return Totals(fraction=units, least=number, greatest=number)
    if isnan(number):
        return Totals(undefined=1)
    return Totals(positive=int(number > 0), negative=int(number < 0), least=number, greatest=number)


def tie(number: Number) -> tuple[bytes, str]:
    """Tells apart numbers that are equal: 0.0 and -0.0, 1 and 1.0."""
    return sort_key(number), type(number).__name__


def lesser(a: Number | None, b: Number | None) -> Number | None:
    """Of two that are equal, as 0.0 and -0.0, the one that sorts first: which it is must not depend on their order."""
    if a is None:
        return b
    if b is None or a < b:
        return a
    return b if b < a else min(a, b, key=tie)


def greater(a: Number | None, b: Number | None) -> Number | None:
    if a is None:
        return b
    if b is None or a > b:
        return a
    return b if b > a else max(a, b, key=tie)


@define(eq=False)
class Node:
    key: IndexKey
    own: Totals
    priority: bytes
    below: Totals
    """With its own."""
    left: Node | None = None
    right: Node | None = None

    def update(self) -> None:
        below = self.own
        if self.left is not None:
            below = below.plus(self.left.below)
        if self.right is not None:
            below = below.plus(self.right.below)
        self.below = below


@define(eq=False)
class Sums:
    number_of: Callable[[object], Number | None]
    """What a document adds; None if it has no number there."""
    root: Node | None = None

    def of(self, document: object) -> Totals:
        return totals_of(self.number_of(document))

    def fill(self, documents: Iterable[tuple[IndexKey, object]]) -> None:
        """From nothing, in the order of keys: in one pass, where one by one would take a search each."""
        assert self.root is None
        spine: list[Node] = []
        """The nodes on the right edge, from the root down."""
        for key, document in documents:
            node = node_of(key, self.of(document))
            last = None
            while spine and spine[-1].priority < node.priority:
                last = spine.pop()
                last.update()
            node.left = last
            if spine:
                spine[-1].right = node
            spine.append(node)
        for node in reversed(spine):
            node.update()
        self.root = spine[0] if spine else None

    def add(self, key: IndexKey, document: object) -> None:
        """A document under a key under which there is none."""
        self.root = insert(self.root, key, self.of(document))

    def replace(self, key: IndexKey, document: object) -> None:
        """Another document in place of the one under a key."""
        assert self.root is not None, "a key that was never put"
        replace(self.root, key, self.of(document))

    def remove(self, key: IndexKey) -> None:
        self.root = remove(self.root, key)

    def within(self, start: IndexKey, stop: IndexKey | None) -> Totals:
        """Of the keys with ``start <= key < stop``; ``stop`` None is without end."""
        return within(self.root, start, stop)

    def check(self, documents: Iterable[tuple[IndexKey, object]]) -> None:
        """That it holds these documents, and that each node's totals are right."""
        found: list[tuple[IndexKey, Totals]] = []
        check_node(self.root, found)
        assert found == [(key, self.of(document)) for key, document in documents]


def node_of(key: IndexKey, own: Totals) -> Node:
    return Node(key, own, blake2b(key, digest_size=8).digest(), own)


def insert(node: Node | None, key: IndexKey, own: Totals) -> Node:
    if node is None:
        return node_of(key, own)
    assert key != node.key, "a key that is there already"
    if key < node.key:
        node.left = insert(node.left, key, own)
        if node.left.priority > node.priority:
            return rotate_right(node)
    else:
        node.right = insert(node.right, key, own)
        if node.right.priority > node.priority:
            return rotate_left(node)
    node.below = node.below.plus(own)
    return node


def replace(node: Node, key: IndexKey, own: Totals) -> None:
    if key == node.key:
        node.own = own
    else:
        child = node.left if key < node.key else node.right
        assert child is not None, "a key that was never put"
        replace(child, key, own)
    node.update()


def remove(node: Node | None, key: IndexKey) -> Node | None:
    assert node is not None, "a key that was never put"
    if key == node.key:
        return joined(node.left, node.right)
    if key < node.key:
        node.left = remove(node.left, key)
    else:
        node.right = remove(node.right, key)
    node.update()
    return node


def joined(left: Node | None, right: Node | None) -> Node | None:
    """One tree of two, every key of ``left`` being before those of ``right``."""
    if left is None or right is None:
        return right if left is None else left
    if left.priority > right.priority:
        left.right = joined(left.right, right)
        left.update()
        return left
    right.left = joined(left, right.left)
    right.update()
    return right


def rotate_right(node: Node) -> Node:
    top = node.left
    assert top is not None
    node.left, top.right = top.right, node
    node.update()
    top.update()
    return top


def rotate_left(node: Node) -> Node:
    top = node.right
    assert top is not None
    node.right, top.left = top.left, node
    node.update()
    top.update()
    return top


def within(node: Node | None, start: IndexKey | None, stop: IndexKey | None) -> Totals:
    """Of the keys of a subtree that are in bounds; None is no bound."""
    if node is None:
        return NOTHING
    if start is None and stop is None:
        return node.below
    if start is not None and node.key < start:
        return within(node.right, start, stop)
    if stop is not None and node.key >= stop:
        return within(node.left, start, stop)
    return within(node.left, start, None).plus(node.own).plus(within(node.right, None, stop))


def check_node(node: Node | None, found: list[tuple[IndexKey, Totals]]) -> None:
    if node is None:
        return
    for child in (node.left, node.right):
        assert child is None or child.priority < node.priority, "a child above its parent"
    check_node(node.left, found)
    found.append((node.key, node.own))
    check_node(node.right, found)
    below = node.below
    node.update()
    assert repr(node.below) == repr(below), (node.key, below, node.below)
