"""The vectors of one index of a table, side by side as float32, so that comparing one with all takes few products.

    documents ──> pending ──> rows, in blocks ──> `comparison` ──> candidates ──> exact scores, ranked

A follower of its table that is made when somebody first searches (`Table.vectors`), and catches up then: a
commit only notes that a document is to be looked at, a start and a deploy do nothing at all.

Invariants
    * A document is pending, or in a row, or has no vector; with nothing pending the rows are as the table.
    * Every row holds a vector of length 1.
    * There are as many blocks as the rows need: room comes and goes with them, and no row is ever copied for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b

import numpy as np
from attrs import Factory, define
from numpy.typing import NDArray

from ..log.entry import IndexKey
from .definition import VectorDefinition
from .directions import ROUNDING, Floats, scaled, unit_of
from .version import Version, looked_into

Alternative = Sequence[tuple[int, IndexKey]]
"""Filter fields by position, with the key of what each has to hold."""

BLOCK_NUMBERS = 1 << 18
"""Of one product, 1 MB: of larger ones BLAS makes several threads, which is ten times slower while others use
the machine, and not twice as fast while nobody does."""
DIGEST_BYTES = 16
CODES_FIRST = 64


@define(eq=False)
class Codes:
    """Small numbers for the values that one filter field holds, as long as some document holds them."""

    of_rows: NDArray[np.int32]
    known: dict[IndexKey, tuple[int, int]] = Factory(dict[IndexKey, tuple[int, int]])
    """By key of the value: its number, and how many rows have it."""
    keys: dict[int, IndexKey] = Factory(dict[int, IndexKey])
    free: list[int] = Factory(list[int])
    """Numbers that were given out once, and belong to no value now."""

    def take(self, row: int, key: IndexKey) -> None:
        """For the row behind the last one."""
        if row == len(self.of_rows):
            self.of_rows = grown(self.of_rows, max(CODES_FIRST, row + row // 2))
        if key not in self.known:
            number = self.free.pop() if self.free else len(self.keys)
            self.known[key], self.keys[number] = (number, 0), key
        code, rows = self.known[key]
        self.known[key] = code, rows + 1
        self.of_rows[row] = code

    def give_back(self, row: int) -> None:
        key = self.keys[int(self.of_rows[row])]
        code, rows = self.known[key]
        if rows > 1:
            self.known[key] = code, rows - 1
        else:
            del self.known[key], self.keys[code]
            self.free.append(code)

    def mask(self, key: IndexKey, rows: int) -> NDArray[np.bool_]:
        # No row has -1.
        mask: NDArray[np.bool_] = self.of_rows[:rows] == self.known.get(key, (-1, 0))[0]
        return mask


@define(eq=False)
class Vectors:
    definition: VectorDefinition
    per_block: int
    pending: dict[str, Version]
    """Documents to look at; those of them that stand in a row stand there as they were."""
    rows: dict[str, int]
    ids: list[str]
    """Of the rows."""
    digests: list[bytes]
    """Of the vectors in the rows: equal vectors have equal ones."""
    blocks: list[NDArray[np.float32]]
    """Of `per_block` rows each."""
    codes: tuple[Codes, ...]
    """One for each filter field."""
    generation: int = 0
    """Counts changes: whoever compares bit by bit has to begin again then, for rows have moved."""

    @classmethod
    def of(cls, definition: VectorDefinition, versions: dict[str, Version]) -> Vectors:
        codes = tuple([Codes(np.zeros(0, np.int32)) for _ in range(definition.filters)])
        return cls(definition, max(1, BLOCK_NUMBERS // definition.dimensions), dict(versions), {}, [], [], [], codes)

    def move(self, id: str, version: Version | None) -> None:
        """A document is another one, or (None) is no more."""
        self.generation += 1
        if version is not None:
            self.pending[id] = version
            return
        self.pending.pop(id, None)
        self.drop(id)

    def catch_up(self, at_most: int | None = None) -> bool:
        """Look at some documents; False if none is pending any more."""
        pending = self.pending
        for _ in range(len(pending) if at_most is None else min(at_most, len(pending))):
            # The newest first: what was taken from the front of a dictionary is gone through each time.
            id, version = pending.popitem()
            try:
                self.look_at(id, looked_into(version))
            except BaseException:
                pending[id] = version  # Whatever interrupts leaves it to be done again.
                raise
        return bool(pending)

    def look_at(self, id: str, document: object) -> None:
        vector = self.definition.vector_of(document)
        if vector is None:
            self.drop(id)
        else:
            self.put(id, vector, self.definition.filters_of(document))

    def put(self, id: str, vector: Sequence[float], filters: tuple[IndexKey, ...]) -> None:
        self.drop(id)
        row, numbers = len(self.ids), scaled(vector)
        if row == len(self.blocks) * self.per_block:
            self.blocks.append(np.zeros((self.per_block, self.definition.dimensions), np.float32))
        self.at(row)[:] = unit_of(numbers)
        for codes, key in zip(self.codes, filters, strict=True):
            codes.take(row, key)
        self.rows[id] = row
        self.ids.append(id)
        self.digests.append(digest_of(numbers))

    def at(self, row: int) -> NDArray[np.float32]:
        block, place = divmod(row, self.per_block)
        found: NDArray[np.float32] = self.blocks[block][place]
        return found

    def drop(self, id: str) -> None:
        """The last row takes its place."""
        row = self.rows.pop(id, None)
        if row is None:
            return
        last = len(self.ids) - 1
        for codes in self.codes:
            codes.give_back(row)
            codes.of_rows[row] = codes.of_rows[last]
        moved, digest = self.ids.pop(), self.digests.pop()
        if moved != id:
            self.at(row)[:] = self.at(last)
            self.rows[moved], self.ids[row], self.digests[row] = row, moved, digest
        if last % self.per_block == 0:
            self.blocks.pop()

    def matching(self, alternatives: Sequence[Alternative], excluded: Collection[str]) -> NDArray[np.intp]:
        """The rows that fit one of the alternatives, any of them if there is none, and are not excluded."""
        count = len(self.ids)
        mask = np.zeros(count, np.bool_) if alternatives else np.ones(count, np.bool_)
        for alternative in alternatives:
            fits = np.ones(count, np.bool_)
            for position, key in alternative:
                fits &= self.codes[position].mask(key, count)
            mask |= fits
        mask[[self.rows[id] for id in excluded if id in self.rows]] = False
        return np.flatnonzero(mask)

    def check(self, versions: dict[str, Version]) -> None:
        """That it holds the vectors of these documents, but for those that are pending."""
        assert all(versions[id] is version for id, version in self.pending.items())
        assert [self.rows[id] for id in self.ids] == [*range(len(self.rows))]
        for id, version in versions.items():
            document = looked_into(version)
            vector = self.definition.vector_of(document)
            if id in self.pending:
                continue
            assert (vector is None) == (id not in self.rows), id
            if vector is not None:
                row = self.rows[id]
                assert np.allclose(self.at(row), unit_of(scaled(vector)), rtol=0, atol=ROUNDING), id
                assert self.digests[row] == digest_of(scaled(vector)), id
                keys = tuple([codes.keys[int(codes.of_rows[row])] for codes in self.codes])
                assert keys == self.definition.filters_of(document), id
        assert self.rows.keys() <= versions.keys()
        assert len(self.digests) == len(self.ids)
        assert len(self.blocks) == -(-len(self.ids) // self.per_block)
        for codes in self.codes:
            assert sum(rows for _, rows in codes.known.values()) == len(self.ids)
            assert {code: key for key, (code, _) in codes.known.items()} == codes.keys
            assert sorted([*codes.free, *codes.keys]) == [*range(len(codes.free) + len(codes.keys))]


def digest_of(numbers: Floats) -> bytes:
    return blake2b(numbers.tobytes(), digest_size=DIGEST_BYTES).digest()


def grown(array: NDArray, rows: int) -> NDArray:  # type: ignore[type-arg]
    """The same with room for so many rows."""
    larger = np.zeros((rows, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
