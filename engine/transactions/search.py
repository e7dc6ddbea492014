"""``ctx.db.query(T).search(T.by_text, "words")``: the documents that have some of the words, best first.

    what is wanted ──> ranges of the index ──> relevance ──> documents

Relevance is BM25 with the counts of the documents that the search finds, and no others: how many they are,
how many of them have a word, how long they are on average.  So it depends on nothing outside the ranges that
were read, and a live query is run again exactly when a document that it finds, or would find, comes, goes, or
has other words; and when a document that it has read changes in any way.

Invariants
    * The order follows from the documents found: ties go to the newer one, then to the greater id.
    * The arithmetic is exact or correctly rounded, so another machine comes to the same order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from decimal import Context, Decimal
from heapq import nlargest
from itertools import islice
from typing import Any, Generic, TypeVar

from attrs import define, evolve, field, frozen

from ...actors.version import Version
from ...log.entry import IndexKey, IndexName
from ..data.table_codec import TableCodec
from ..data.text_fields import LENGTH_BITS, LENGTH_MAX, TEXT_END, WEIGHT_BYTES, word_range
from ..data.words import Wanted, wanted_words
from ..errors import LimitReached, NotUnique
from ..limits import (
    SEARCH_BEGUN_KEYS_MAX,
    SEARCH_CHARS_MAX,
    SEARCH_KEYS_MAX,
    SEARCH_RESULTS_MAX,
    SEARCH_TERMS_MAX,
    SEARCH_WORDS_MAX,
)
from .pagination import Page, PaginationOptions, Position, fingerprint_of_parts, read_part
from .transaction import Transaction

T = TypeVar("T")

SATURATION = 1.2
"""How soon it makes no difference any more that a word comes once more: `k1` of BM25."""
LENGTH_MATTERS = 0.75
"""How much a long text counts less than a short one, from 0 to 1: `b` of BM25."""
WHOLE, BEGUN = 2, 1
"""What a word counts that is the wanted one, and one that only begins so."""
LOGARITHM = Context(prec=12)
LESS = "Look for fewer words"
MORE = "Look for longer or rarer words, or give the search filters"
RANKED_FIRST = 64
"""Most searches want no more; of many found, to sort all would take longer than to find them."""
MORE_RANKED = 8
PLACE_BYTES = 4
ID_PLACE = 9 + 1
"""Where the id begins in what a key ends with: behind the creation time, and its own tag."""


@define(eq=False)
class Found:
    """What a search has found.  A document goes by what its keys end with, its creation time and id."""

    lengths: dict[IndexKey, int] = field(factory=dict[IndexKey, int])
    """How many words each text has."""
    counts: list[dict[IndexKey, int]] = field(factory=list[dict[IndexKey, int]])
    """For each wanted word, what its places in each text count together."""

    def among(self, others: list[Found]) -> Found:
        """Of these documents, those that the others have found, too."""
        if not others:
            return self
        all = {*self.lengths}
        for other in others:
            all &= other.lengths.keys()
        lengths = {document: length for document, length in self.lengths.items() if document in all}
        counts = [{document: count for document, count in each.items() if document in all} for each in self.counts]
        return Found(lengths, counts)

    def ranked(self) -> Iterator[str]:
        """Ids, the most relevant first."""
        scores, given, wanted = self.scores(), 0, RANKED_FIRST
        while given < len(scores):
            best = nlargest(wanted, zip(scores.values(), scores, strict=True))
            yield from [document[ID_PLACE : -len(TEXT_END)].decode() for _, document in best[given:]]
            given, wanted = len(best), wanted * MORE_RANKED

    def scores(self) -> dict[IndexKey, float]:
        if not self.lengths:
            return {}
        lengths, scores = self.lengths, dict.fromkeys(self.lengths, 0.0)
        average = sum(lengths.values()) / len(lengths)
        for counts in self.counts:
            rarity = rarity_of(len(counts), len(lengths))
            for document, count in counts.items():
                often = count / WHOLE
                long = 1 - LENGTH_MATTERS + LENGTH_MATTERS * (lengths[document] / average)
                scores[document] += rarity * (often * (SATURATION + 1) / (often + SATURATION * long))
        return scores


def rarity_of(having: int, all: int) -> float:
    """How much a word says that ``having`` of ``all`` documents have.

    Not with `math.log`: that is as exact as the machine's library, and ours has to be the same anywhere.
    """
    ratio = 1 + (Decimal(all - having) + Decimal("0.5")) / (Decimal(having) + Decimal("0.5"))
    return float(LOGARITHM.ln(ratio))


def find(
    transaction: Transaction, index: IndexName, prefixes: tuple[IndexKey, ...], wanted: tuple[Wanted, ...]
) -> Found:
    """Those who have a wanted word under each of the prefixes.  Raises LimitReached."""
    looked_at = 0
    each: list[Found] = []
    for prefix in prefixes:
        found, places = find_under(transaction, index, prefix, wanted, SEARCH_KEYS_MAX - looked_at)
        looked_at += places
        each.append(found)
    return each[0].among(each[1:])


def find_under(
    transaction: Transaction, index: IndexName, prefix: IndexKey, wanted: tuple[Wanted, ...], places_max: int
) -> tuple[Found, int]:
    """Go through the ranges of the wanted words, and how many places those were.  Raises LimitReached."""
    found, looked_at = Found(), 0
    lengths = found.lengths
    for word in wanted:
        start, stop = word_range(prefix, word)
        whole_end = len(word_range(prefix, Wanted(word.word, False))[0])
        counts: dict[IndexKey, int] = {}
        found.counts.append(counts)
        keys: Iterable[IndexKey]
        if word.begun:
            at_most = min(SEARCH_BEGUN_KEYS_MAX, places_max - looked_at)
            keys = transaction.keys_first(index, start, stop, at_most)
        else:
            keys = transaction.keys(index, start, stop)
        for key in keys:
            looked_at += 1
            if looked_at > places_max:
                raise LimitReached("places in a text index looked at", SEARCH_KEYS_MAX + 1, SEARCH_KEYS_MAX, MORE)
            # Words hold no zero: the next one ends the word, and behind it and a tag is the weight.
            end = key.index(TEXT_END, len(prefix)) + len(TEXT_END)
            document = key[end + 1 + WEIGHT_BYTES :]
            weight = int.from_bytes(key[end + 1 : end + 1 + WEIGHT_BYTES])
            count = (weight >> LENGTH_BITS) * (WHOLE if end == whole_end else BEGUN)
            counts[document] = counts.get(document, 0) + count
            lengths[document] = weight & LENGTH_MAX
    return found, looked_at


def checked(text: object) -> tuple[Wanted, ...]:
    """What to look for.  Raises TypeError, LimitReached."""
    if not isinstance(text, str):
        raise TypeError(f"search() looks for words in a text, not {type(text).__name__}")
    if len(text) > SEARCH_CHARS_MAX:
        raise LimitReached("characters to search for", len(text), SEARCH_CHARS_MAX, LESS)
    words, wanted = wanted_words(text)
    if words > SEARCH_WORDS_MAX:
        raise LimitReached("words to search for", words, SEARCH_WORDS_MAX, LESS)
    if len(wanted) > SEARCH_TERMS_MAX:
        raise LimitReached("pairs of characters to search for", len(wanted), SEARCH_TERMS_MAX, LESS)
    return wanted


@frozen(eq=False, repr=False)
class SearchQuery(Generic[T]):
    """The documents of one table that have some of the words, the most relevant first; immutable."""

    transaction: Transaction
    codec: TableCodec
    index_name: IndexName
    prefixes: tuple[IndexKey, ...]
    wanted: tuple[Wanted, ...]
    tests: tuple[Callable[[T], bool], ...] = ()
    shown: None = None
    """Pages give documents as they are."""

    def __repr__(self) -> str:
        """Printed when a way to read it was forgotten; of what it works with, nothing may show."""
        return f"<search in {self.index_name}, not read yet>"

    def filter(self, test: Callable[[T], bool], /) -> SearchQuery[T]:
        """Only documents for which ``test`` is true.  All that are looked at count as read, and as results."""
        return evolve(self, tests=(*self.tests, test))

    def rows(self) -> Iterator[T]:
        """Raises LimitReached for more than 1,024 documents."""
        transaction = self.transaction
        for place, version in enumerate(self.versions(self.find().ranked()), 1):
            if place > SEARCH_RESULTS_MAX:
                remedy = f"take() fewer, or paginate(). {MORE}"
                raise LimitReached("results of a search", place, SEARCH_RESULTS_MAX, remedy)
            if version is None:
                continue
            document: T = version.document  # type: ignore[assignment]
            if self.tests and not all(test(document) for test in self.tests):
                continue
            transaction.handed_out[version.id] = version
            yield document

    def find(self) -> Found:
        return find(self.transaction, self.index_name, self.prefixes, self.wanted)

    def versions(self, ids: Iterable[str]) -> Iterator[Version | None]:
        """Documents that were found, which count as read; None for one that is not there any more."""
        transaction, table = self.transaction, self.codec.name
        for id in ids:
            transaction.points[table, id] = None
            # Written meanwhile, by whoever goes through the results: it is given as it is now.
            version = transaction.overlay.find(table, id)
            if version is not None:
                transaction.usage.read(version.size)
            yield version

    async def collect(self) -> list[T]:
        """All of them, which may be 1,024.  Raises LimitReached if there are more."""
        return list(self.rows())

    async def take(self, count: int, /) -> list[T]:
        """The ``count`` most relevant, or fewer if there are no more; of 1,024 at most."""
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ValueError(f"take() needs a count of 0 or more, not {count!r}")
        taken: list[T] = []
        if count:
            for document in self.rows():
                taken.append(document)
                if len(taken) == count:
                    break
        return taken

    async def first(self) -> T | None:
        """The most relevant, or None."""
        return next(self.rows(), None)

    async def unique(self) -> T | None:
        """The only one, or None.  Raises NotUnique, with both ids, if there are two."""
        found: list[Any] = await self.take(2)
        if len(found) > 1:
            raise NotUnique(self.codec.name, found[0].id, found[1].id)
        return found[0] if found else None

    async def count(self) -> int:
        """How many there are.  Without a `filter` none of them is read, and 1,024 is no limit."""
        if self.tests:
            return sum(1 for _ in self.rows())
        return len(self.find().lengths)

    async def exists(self) -> bool:
        """Whether there is any.  Without a `filter` none of them is read."""
        if self.tests:
            return await self.first() is not None
        return bool(self.find().lengths)

    async def paginate(self, options: PaginationOptions, /) -> Page[T]:
        """One page, the most relevant first; 1,024 is no limit.

        Pages that are watched side by side fit together: a page is so many results from a place on, whatever
        they are.  A page that is asked for later starts at its place as of then.

        Raises InvalidCursor for a cursor of another search, ValueError for counts below 1.
        """
        return read_part(self, self.fingerprint(), Places(self), options)

    def fingerprint(self) -> bytes:
        """What makes a place mean the same."""
        made = self.codec.text_indexes[self.index_name.index].made
        words = [b"%d" % word.begun + word.word.encode() for word in self.wanted]
        named = (self.index_name.table, self.index_name.index, repr((made.text, made.filters)))
        parts = (b"search", *[part.encode() for part in named], b"%d" % len(self.tests))
        return fingerprint_of_parts(*parts, b"%d" % len(self.prefixes), *self.prefixes, *words)

    async def __aiter__(self) -> AsyncIterator[T]:
        for document in self.rows():
            yield document


@define(eq=False)
class Places:
    """The part of a search's results that a page may read; a position is how many results are up to there."""

    query: SearchQuery[Any]
    start: int = 0
    stop: int | None = None

    def after(self, position: Position) -> None:
        self.start = max(self.start, int.from_bytes(position))

    def up_to(self, position: Position) -> None:
        place = int.from_bytes(position)
        self.stop = place if self.stop is None else min(self.stop, place)

    def scan(self) -> Iterator[tuple[Position, Version]]:
        ids = islice(
            self.query.find().ranked(), self.start, max(self.start, self.stop) if self.stop is not None else None
        )
        versions = self.query.versions(ids)
        for place, version in enumerate(versions, self.start + 1):
            if version is not None:
                yield place.to_bytes(PLACE_BYTES), version


def searched(
    transaction: Transaction,
    codec: TableCodec,
    name: str,
    words: str,
    asked: Mapping[int, object],
    tests: tuple[Callable[[T], bool], ...],
) -> SearchQuery[T]:
    """A search in the index of that name; ``asked`` are values of filter fields, by position."""
    prefixes = codec.text_indexes[name].prefixes(asked)
    return SearchQuery(transaction, codec, IndexName(codec.name, name), prefixes, checked(words), tests)
