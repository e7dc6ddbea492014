"""``ctx.vector_search(T.by_embedding, vector)``: the documents whose vectors point in the nearest direction.

    what is asked ──> ranges of the read set ──> candidates ──> exact scores ──> ids, nearest first

Every vector that fits the filters is compared: nothing is left out, however few fit.  In a query or mutation
that happens in one go, and there is a limit to it; an action goes through them in steps, between which others
have their turn, and begins again if the table has changed meanwhile.

Invariants
    * The result is that of one moment: the transaction's, its own writes included.
    * The read set covers each change that could make it another, and no change of other fields.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from ...actors.table import Table
from ...actors.version import Version
from ..data.schema import Id
from ..data.table_codec import TableCodec
from ..data.vector_fields import Asked, TableVectorIndex
from ..data.vector_indexes import VectorIndexOf
from ..determinism.gate import engine_section
from ..errors import IndexUnknown, LimitReached
from ..limits import VECTOR_NUMBERS_COMPARED_MAX
from .transaction import Transaction

if TYPE_CHECKING:
    from ...actors.directions import Direction

D_co = TypeVar("D_co", covariant=True)

PER_TURN = 20
"""Documents that an action looks at for the first time, between one turn of the others and the next: 4 ms."""
SCORES_PER_TURN = 50
"""Candidates whose exact scores an action finds in between: 5 ms."""
BEGUN_AGAIN_MAX = 3
"""How often an action begins again because something was written meanwhile; then nobody has a turn."""
REMEDY = "Give it a filter that fewer documents fit, or search in an action"


class Nearest(NamedTuple, Generic[D_co]):
    """One result of a search."""

    id: Id[D_co]
    score: float
    """The cosine of the angle between the two vectors: 1 in the same direction, -1 in the opposite one."""


def known_index(codec: TableCodec, index: VectorIndexOf[Any]) -> TableVectorIndex:
    """Raises IndexUnknown if the table has no such index."""
    known = codec.vector_indexes.get(index.name)
    if known is None:
        raise IndexUnknown(codec.name, repr(index), tuple(codec.vector_indexes))
    return known


def same_index(codec: TableCodec, index: VectorIndexOf[Any]) -> TableVectorIndex:
    """Raises IndexUnknown, also for one of that name that belongs to another class."""
    known = known_index(codec, index)
    if known.made is not index:
        raise IndexUnknown(codec.name, repr(index), tuple(codec.vector_indexes))
    return known


def nearest(transaction: Transaction, codec: TableCodec, known: TableVectorIndex, asked: Asked) -> list[Nearest[Any]]:
    """In a transaction.  Raises LimitReached."""
    for key_range in known.ranges(codec.name, asked):
        transaction.usage.ranged(len(key_range.start) + len(key_range.stop or b""))
        transaction.counted[key_range] = None
    overlay = transaction.overlay
    staged = {id: change.new for (table, id), change in overlay.staged.items() if table == codec.name}
    own = {id: version for id, version in staged.items() if version is not None and fits(known, asked, version)}
    vectors = overlay.tables.table(codec.name).vectors(known.name)
    with engine_section:  # It loads a library, and must not be interrupted half-way.
        from ...actors.comparison import Comparison
        from ...actors.directions import Direction

        vectors.catch_up()
        direction = Direction.of(asked.vector)
        comparison = Comparison.of(vectors, direction, asked.limit, asked.alternatives, staged)
        compared = (len(comparison.rows) + len(own)) * len(asked.vector)
        if compared > VECTOR_NUMBERS_COMPARED_MAX:
            raise LimitReached("numbers of vectors compared", compared, VECTOR_NUMBERS_COMPARED_MAX, REMEDY)
        while comparison.step():
            pass
        ids = comparison.candidates()
    versions = {id: overlay.tables.table(codec.name).versions[id] for id in ids} | own
    return ranked({id: score_of(direction, known, version) for id, version in versions.items()}, asked.limit)


async def nearest_of_table(
    find: Callable[[], tuple[Table, TableVectorIndex]],
    ask: Callable[[TableVectorIndex], Asked],
    pause: Callable[[], Awaitable[None]],
) -> list[Nearest[Any]]:
    """In an action: of one moment, that at which all was compared.  ``find`` gives the table as it is by then."""
    from ...actors.comparison import Comparison
    from ...actors.directions import Direction

    begun_again = 0
    while True:
        table, known = find()
        asked = ask(known)
        vectors = table.vectors(known.name)
        while vectors.catch_up(PER_TURN):
            await pause()
        if find()[0] is not table:
            continue  # Another version was deployed meanwhile.
        direction, generation = Direction.of(asked.vector), vectors.generation
        comparison = Comparison.of(vectors, direction, asked.limit, asked.alternatives)
        # Once the rows have moved, there is nothing to go on with.
        while vectors.generation == generation and comparison.step():
            if begun_again < BEGUN_AGAIN_MAX:
                await pause()
        if vectors.generation == generation and find()[0] is table:
            break
        begun_again += 1
    versions = {id: table.versions[id] for id in comparison.candidates()}
    scores: dict[str, float] = {}
    for id, version in versions.items():
        scores[id] = score_of(direction, known, version)
        if len(scores) % SCORES_PER_TURN == 0:
            await pause()
    return ranked(scores, asked.limit)


def fits(known: TableVectorIndex, asked: Asked, version: Version) -> bool:
    """Whether a document that this transaction has written is to be compared."""
    if known.vector_of(version.document) is None:
        return False
    keys = known.filters_of(version.document)
    alternatives = asked.alternatives
    return not alternatives or any(all(keys[place] == key for place, key in terms) for terms in alternatives)


def score_of(direction: Direction, known: TableVectorIndex, version: Version) -> float:
    vector = known.vector_of(version.document)
    assert vector is not None, version.id
    return direction.score(vector)


def ranked(scores: Mapping[str, float], limit: int) -> list[Nearest[Any]]:
    """The nearest first; of those that are equally near, the smaller id."""
    best = nsmallest(limit, scores, key=lambda id: (-scores[id], id))
    return [Nearest(cast("Id[Any]", id), scores[id]) for id in best]
