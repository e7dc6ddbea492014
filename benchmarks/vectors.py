"""What a search for near vectors costs, and what it finds: ``python -m benchmarks.vectors [DOCUMENTS [DIMENSIONS]]``.

One process, in memory, over random vectors and over clustered ones (100 centres, and little around them).
A search is held against the bare product of all rows with one vector, in one piece.
Recall is the part of the ten that brute force with float64 finds, of all documents one by one; rates are the
best of three rounds, for other work on the machine comes and goes.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from relive.actors.comparison import Comparison
from relive.actors.directions import Direction
from relive.actors.table import Table
from relive.actors.vectors import Vectors
from relive.actors.version import Version
from relive.engine.data.schema import Document, field, vector_index
from relive.engine.data.shapes import object_shape
from relive.engine.data.table_codec import TableCodec
from relive.engine.data.vector_fields import Asked
from relive.engine.transactions.vector_search import ranked, score_of

DOCUMENTS = 20_000
DIMENSIONS = 1_536
CENTRES = 100
SPREAD = 0.3
SEARCHES = 20
NEAREST = 10
ROUNDS = 3
RARE = 1_000
"""One document in so many holds the value that a filter asks for."""


def kind_of(name: str, dimensions: int) -> type[Document]:
    kind, embedding = field(), field()
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__annotations__": {"kind": str, "embedding": list[float]},
        "kind": kind,
        "embedding": embedding,
        "near": vector_index(embedding, dimensions=dimensions, filters=(kind,)),
    }
    make: Any = type(Document)
    made: type[Document] = make(name, (Document,), namespace)
    return made


def vectors_of(name: str, documents: int, dimensions: int) -> NDArray[np.float64]:
    random = np.random.default_rng(1)
    if name == "random":
        return random.standard_normal((documents + SEARCHES, dimensions))
    centres = random.standard_normal((CENTRES, dimensions))
    around = SPREAD * random.standard_normal((documents + SEARCHES, dimensions))
    return centres[random.integers(0, CENTRES, documents + SEARCHES)] + around


def search(vectors: Vectors, codec: TableCodec, versions: dict[str, Version], asked: Asked) -> list[str]:
    """As `nearest` does, without a transaction."""
    known = codec.vector_indexes["near"]
    direction = Direction.of(asked.vector)
    comparison = Comparison.of(vectors, direction, asked.limit, asked.alternatives)
    while comparison.step():
        pass
    scores = {id: score_of(direction, known, versions[id]) for id in comparison.candidates()}
    return [id for id, _ in ranked(scores, asked.limit)]


def measure(name: str, documents: int, dimensions: int) -> None:
    cls = kind_of("Item", dimensions)
    codec = TableCodec("items", cls, object_shape(cls, ""), None)
    known = codec.vector_indexes["near"]
    numbers = vectors_of(name, documents, dimensions)
    table = Table.empty(codec.definition)
    for place in range(documents):
        id, kind = f"{place:08}", "rare" if place % RARE == 0 else "usual"
        fields: Any = {"_id": id, "_creationTime": 0.0, "kind": kind, "embedding": numbers[place].tolist()}
        table.versions[id] = codec.make(fields)
    begin = perf_counter()
    vectors = table.vectors("near")
    vectors.catch_up()
    filled = perf_counter() - begin
    wanted = numbers[documents:]
    lengths = np.linalg.norm(numbers[:documents], axis=1)

    def recall(filter: Any) -> float:
        found = 0
        for vector in wanted:
            scores = numbers[:documents] @ vector / lengths
            if filter is not None:
                scores[np.arange(documents) % RARE != 0] = -np.inf
            best = {f"{place:08}" for place in np.argsort(-scores)[:NEAREST]}
            asked = known.asked(vector.tolist(), NEAREST, filter)
            found += len(best & {*search(vectors, codec, table.versions, asked)})
        return found / (NEAREST * len(wanted))

    def milliseconds(filter: Any) -> float:
        rounds = []
        for _ in range(ROUNDS):
            begin = perf_counter()
            for vector in wanted:
                search(vectors, codec, table.versions, known.asked(vector.tolist(), NEAREST, filter))
            rounds.append((perf_counter() - begin) / len(wanted) * 1_000)
        return min(rounds)

    def product() -> float:
        """Milliseconds that the product of all rows with a vector takes by itself."""
        matrix, unit = np.concatenate(vectors.blocks)[:documents], vectors.blocks[0][0].copy()
        rounds = []
        for _ in range(SEARCHES):
            begin = perf_counter()
            matrix @ unit
            rounds.append((perf_counter() - begin) * 1_000)
        return min(rounds)

    rare, every, least = {"kind": "rare"}, milliseconds(None), product()
    print(f"{name}, {documents:,} vectors of {dimensions:,}")
    print(f"  recall of {NEAREST}: {recall(None):.3f}; with a filter that 1 in {RARE:,} fits: {recall(rare):.3f}")
    print(f"  a search: {every:.1f} ms, with that filter {milliseconds(rare):.2f} ms")
    print(f"  the product of all rows with one vector, by itself: {least:.1f} ms, ratio {every / least:.1f}")
    print(f"  memory: {sum(block.nbytes for block in vectors.blocks) / documents:,.0f} bytes for a vector")
    print(f"  the first search: {filled / documents * 1e6:.0f} µs for each document")


def main(documents: int = DOCUMENTS, dimensions: int = DIMENSIONS) -> None:
    for name in ("random", "clustered"):
        measure(name, documents, dimensions)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
