"""Which ranges hold this key?  An interval tree for the live queries of one index.

A treap ordered by (start, stop), each node with the greatest stop below it: a stab visits only
subtrees that can reach the key.  Priorities are hashes of the range, so the shape depends on the
ranges alone.  Ranges of a single key (a read by id) stand in a dictionary instead.

Reference: Cormen et al., Introduction to Algorithms, 3rd ed., section 14.3 (interval trees).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Generic, TypeVar

from attrs import Factory, define

from ..log.entry import IndexKey, KeyRange

T = TypeVar("T")

INFINITY = b"\xff"
"""Above every index key: keys begin with a type tag, and tags are small."""


@define(eq=False)
class Node(Generic[T]):
    start: IndexKey
    stop: IndexKey
    priority: bytes
    owners: dict[T, None]
    """A dictionary for its order: what is woken must not depend on hashes."""
    stop_max: IndexKey
    left: Node[T] | None = None
    right: Node[T] | None = None

    def update(self) -> None:
        highest = self.stop
        if self.left is not None and self.left.stop_max > highest:
            highest = self.left.stop_max
        if self.right is not None and self.right.stop_max > highest:
            highest = self.right.stop_max
        self.stop_max = highest


@define(eq=False)
class Intervals(Generic[T]):
    """A set of (range, owner) pairs over one index, to be stabbed with keys."""

    root: Node[T] | None = None
    points: dict[IndexKey, dict[T, None]] = Factory(dict)

    def add(self, key_range: KeyRange, owner: T) -> None:
        start, stop = bounds(key_range)
        if stop == start + b"\0":
            self.points.setdefault(start, {})[owner] = None
        else:
            self.root = insert(self.root, start, stop, owner)

    def discard(self, key_range: KeyRange, owner: T) -> None:
        start, stop = bounds(key_range)
        if stop == start + b"\0":
            owners = self.points[start]
            del owners[owner]
            if not owners:
                del self.points[start]
        else:
            self.root = remove(self.root, start, stop, owner)

    def stab(self, key: IndexKey) -> dict[T, None]:
        """Owners of every range with ``start <= key < stop``, each once."""
        found: dict[T, None] = dict(self.points.get(key, {}))
        if self.root is not None:
            for node in self.around(key):
                found.update(node.owners)
        return found

    def crossed(self, old: IndexKey | None, new: IndexKey | None) -> dict[T, None]:
        """Owners of every range that holds exactly one of the two keys, each once."""
        if old == new:
            return {}
        if old is None or new is None:
            key = new if old is None else old
            return {} if key is None else self.stab(key)
        found: dict[T, None] = {}
        for key in (old, new):
            found.update(self.points.get(key, {}))
        were, are = self.around(old), self.around(new)
        for node in (*were, *are):
            if (node in were) is not (node in are):
                found.update(node.owners)
        return found

    def around(self, key: IndexKey) -> dict[Node[T], None]:
        """Every node of the tree whose range holds the key."""
        found: dict[Node[T], None] = {}
        stack = [self.root]
        while stack:
            node = stack.pop()
            if node is None or node.stop_max <= key:
                continue
            stack.append(node.left)
            if node.start <= key:
                if key < node.stop:
                    found[node] = None
                stack.append(node.right)
        return found

    def ranges(self) -> Iterator[tuple[IndexKey, IndexKey, T]]:
        """Everything held, in no particular order; for tests."""
        for start, owners in self.points.items():
            yield from ((start, start + b"\0", owner) for owner in owners)
        stack = [self.root]
        while stack:
            node = stack.pop()
            if node is not None:
                yield from ((node.start, node.stop, owner) for owner in node.owners)
                stack += [node.left, node.right]

    def check(self) -> None:
        check_node(self.root)


def bounds(key_range: KeyRange) -> tuple[IndexKey, IndexKey]:
    return key_range.start, INFINITY if key_range.stop is None else key_range.stop


def insert(node: Node[T] | None, start: IndexKey, stop: IndexKey, owner: T) -> Node[T]:
    if node is None:
        priority = blake2b(start + b"\xff" + stop, digest_size=8).digest()
        return Node(start, stop, priority, {owner: None}, stop)
    if (start, stop) == (node.start, node.stop):
        node.owners[owner] = None
        return node
    if (start, stop) < (node.start, node.stop):
        node.left = insert(node.left, start, stop, owner)
        if node.left.priority > node.priority:
            return rotate_right(node)
    else:
        node.right = insert(node.right, start, stop, owner)
        if node.right.priority > node.priority:
            return rotate_left(node)
    node.update()
    return node


def remove(node: Node[T] | None, start: IndexKey, stop: IndexKey, owner: T) -> Node[T] | None:
    assert node is not None, "a range that was never added"
    if (start, stop) == (node.start, node.stop):
        del node.owners[owner]
        return node if node.owners else merge(node.left, node.right)
    if (start, stop) < (node.start, node.stop):
        node.left = remove(node.left, start, stop, owner)
    else:
        node.right = remove(node.right, start, stop, owner)
    node.update()
    return node


def merge(left: Node[T] | None, right: Node[T] | None) -> Node[T] | None:
    """One tree of two, every range of ``left`` being before those of ``right``."""
    if left is None:
        return right
    if right is None:
        return left
    if left.priority > right.priority:
        left.right = merge(left.right, right)
        left.update()
        return left
    right.left = merge(left, right.left)
    right.update()
    return right


def rotate_right(node: Node[T]) -> Node[T]:
    top = node.left
    assert top is not None
    node.left, top.right = top.right, node
    node.update()
    top.update()
    return top


def rotate_left(node: Node[T]) -> Node[T]:
    top = node.right
    assert top is not None
    node.right, top.left = top.left, node
    node.update()
    top.update()
    return top


def check_node(node: Node[T] | None) -> None:
    if node is None:
        return
    assert node.owners, "a range without owner"
    for child, before in ((node.left, True), (node.right, False)):
        if child is not None:
            assert child.priority <= node.priority
            assert ((child.start, child.stop) < (node.start, node.stop)) is before
        check_node(child)
    below = [child.stop_max for child in (node.left, node.right) if child is not None]
    assert node.stop_max == max([node.stop, *below]), "a stab would miss a range, or look for one in vain"
