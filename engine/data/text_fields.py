"""The keys under which documents stand in a text index, and the ranges in which a search finds them.

    [which filters] [their values] [word] [weight] [creation time] [id]

A document has a key for each of its words and each choice of filters, so whatever a search asks for, those
who fit stand next to one another, and what it has read is ranges like any other.  With many filter fields there
would be too many choices: then it has a key for each word and each field, and of what a search asks for it reads
the ranges one by one.

Invariants
    * The range of a wanted word holds exactly the documents that have it among the words that are held, and
      whose filters are as asked.
    * A document has at most `TEXT_KEYS_MAX` keys in an index.
    * The keys of a document in there change if, and only if, something changes that relevance depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from attrs import field, frozen

from ...log.entry import IndexKey
from ...protocol.order import sort_key
from ...protocol.values import Int64
from ..errors import AppInvalid
from ..limits import INDEXES_PER_TABLE_MAX, TEXT_FILTERS_CHOSEN_MAX, TEXT_KEYS_MAX
from .index_fields import IndexField, class_name, declared_indexes, index_field, key_of, key_of_bound
from .schema import Document
from .shapes import LiteralOf, Scalar, Shape, variants_of
from .text_indexes import TextIndex
from .words import Wanted, words_of

Choice = tuple[int, ...]
"""Positions of filter fields, ascending."""

LENGTH_BITS = 16
LENGTH_MAX = (1 << LENGTH_BITS) - 1
COUNT_MAX = (1 << 15) - 1
WEIGHT_BYTES = 4
"""Of a weight in a key, behind its tag: one and more times 2 to the 16, and less than 2 to the 31."""
TEXT_END = b"\0"
"""Ends the key of any text, a word and an id among them."""
BEYOND_WORD = b"\xff"
"""No word in UTF-8 has this byte; and behind the end of a word comes a smaller one."""


def choices(count: int) -> list[Choice]:
    """Those that documents stand under: all, or of many filter fields only each alone, and none."""
    most = count if count <= TEXT_FILTERS_CHOSEN_MAX else 1
    return [choice for size in range(most + 1) for choice in combinations(range(count), size)]


def choice_key(choice: Choice) -> IndexKey:
    return sort_key(Int64(sum(1 << position for position in choice)))


def weight_key(count: int, length: int) -> bytes:
    """How often a word is in a text, and how many words the text has."""
    key = sort_key(Int64(min(count, COUNT_MAX) << LENGTH_BITS | min(length, LENGTH_MAX)))
    assert len(key) == WEIGHT_BYTES + 1
    return key


@frozen(eq=False)
class TableTextIndex:
    """A text index as the deployed code declares it."""

    made: TextIndex
    text: IndexField
    filters: tuple[IndexField, ...]
    choices: list[tuple[Choice, IndexKey]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        made = [(choice, choice_key(choice)) for choice in choices(len(self.filters))]
        object.__setattr__(self, "choices", made)

    @property
    def name(self) -> str:
        return self.made.name

    def keys(self, document: Any, suffix: IndexKey) -> tuple[IndexKey, ...]:
        """Those of a document; ``suffix`` is its creation time and id."""
        text = self.text.get(document)
        if not isinstance(text, str):
            return ()
        counts, length = words_of(text)
        if not counts:
            return ()
        values = [key_of(filtered.get(document)) for filtered in self.filters]
        prefixes = [start + b"".join([values[place] for place in choice]) for choice, start in self.choices]
        ends = [
            sort_key(word) + weight_key(count, length) + suffix
            for word, count in counts[: TEXT_KEYS_MAX // len(prefixes)]
        ]
        return tuple([prefix + end for prefix in prefixes for end in ends])

    def prefixes(self, asked: Mapping[int, object]) -> tuple[IndexKey, ...]:
        """What the keys begin with whose filters, by position, hold these values; of several, documents that
        stand under each."""
        values = {place: key_of_bound(self.filters[place].comparable(asked[place])) for place in sorted(asked)}
        together: list[Choice] = [tuple(values)]
        if len(values) > 1 and len(self.filters) > TEXT_FILTERS_CHOSEN_MAX:
            together = [(place,) for place in values]
        return tuple([choice_key(choice) + b"".join([values[place] for place in choice]) for choice in together])


def word_range(prefix: IndexKey, wanted: Wanted) -> tuple[IndexKey, IndexKey]:
    """Where the documents stand that have a word."""
    key = sort_key(wanted.word)
    if wanted.begun:
        return prefix + key.removesuffix(TEXT_END), prefix + key.removesuffix(TEXT_END) + BEYOND_WORD
    return prefix + key, prefix + key + BEYOND_WORD


def declared_text_indexes(cls: type[Document]) -> dict[str, TextIndex]:
    """Every text index that a table declares, by name, those of its variants included.  Raises AppInvalid."""
    declared: dict[str, TextIndex] = {}
    others = declared_indexes(cls)
    for owner in (cls, *cls.__variants__.values()):
        for name, made in owner.__text_indexes__.items():
            if declared.setdefault(name, made) is not made or name in others:
                raise AppInvalid(class_name(owner), f"two indexes of table `{cls.__table__}` are called `{name}`")
    if len(declared) + len(others) > INDEXES_PER_TABLE_MAX:
        raise AppInvalid(class_name(cls), f"a table has at most {INDEXES_PER_TABLE_MAX} indexes")
    return declared


def table_text_indexes(cls: type[Document], shape: Shape) -> dict[str, TableTextIndex]:
    """The same, with where their fields are found.  Raises AppInvalid."""
    return {name: table_text_index(made, shape) for name, made in declared_text_indexes(cls).items()}


def table_text_index(made: TextIndex, shape: Shape) -> TableTextIndex:
    assert made.table is not None, made
    where = f"{class_name(made.table)}.{made.name}"
    text, held = index_field(shape, made.text, where)
    if not any(holds_text(part) for part in variants_of(held)):
        raise AppInvalid(where, f"`{'.'.join(made.text)}` never holds text")
    return TableTextIndex(made, text, tuple(index_field(shape, path, where)[0] for path in made.filters))


def holds_text(shape: Shape) -> bool:
    if isinstance(shape, LiteralOf):
        return isinstance(shape.value, str)
    return shape in (Scalar("string"), Scalar("any"))
