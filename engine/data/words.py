"""The words of a text, as a text index holds them and as a search asks for them.

    "Crème brûlée!"  ──> creme, brulee
    "東京都"          ──> 東京, 京都, 都

Upper and lower case are the same, and so are a letter with and without its accents, and the wide, narrow,
circled and ligated forms of a character (Unicode's compatibility forms).  A word is letters, digits and the
marks on them; a symbol such as an emoji is a word of its own.  Scripts that put no spaces between words -
Chinese, Japanese, Thai, Lao, Khmer, Burmese - and Korean, which puts endings onto them, are cut into pairs
of neighbours, and the last character alone: so every character begins one of the words.

Invariants
    * Words depend on the text and on Python's version of Unicode, and on nothing else.
    * A word is not empty, has at most `WORD_CHARS_MAX` characters, and none of them is a zero.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache

from attrs import frozen

from ..limits import TEXT_CHARS_MAX, WORD_CHARS_MAX

ASCII_WORD = re.compile(r"[a-z0-9]+")
KINDS_KEPT = 65_536
"""Characters of which the kind is remembered."""
TEXTS_KEPT = 64
"""Texts of which the words are remembered: most changes of a document leave its text as it was."""


class Kind(Enum):
    WORD = auto()
    """A letter, a digit, or a mark on one."""
    UNSPACED = auto()
    """Of a script that does not put spaces between words."""
    ALONE = auto()
    """A symbol."""
    NOTHING = auto()
    """Not there: it only says how its neighbours are drawn."""
    BETWEEN = auto()


UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul, in parts
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),
    (0x3021, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x3130, 0x318F),
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA960, 0xA97F),
    (0xAA60, 0xAA7F),
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
UNSPACED_STARTS = [start for start, _ in UNSPACED_BLOCKS]
ACCENTS = ((0x0300, 0x036F), (0x0591, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670))
"""Of Latin, Greek and Cyrillic; points of Hebrew and Arabic.  Marks of other scripts make other words."""
UNSEEN = frozenset("\u00ad\u034f\u061c\u180e\u200c\u200d\u200e\u200f\u2060\ufeff")
VARIANTS = ((0xFE00, 0xFE0F), (0xE0000, 0xE01EF), (0x1F3FB, 0x1F3FF))
"""Selectors of how a character is drawn, tags, and colours of skin."""


@lru_cache(KINDS_KEPT)
def kind_of(character: str) -> Kind:
    code = ord(character)
    if character in UNSEEN or within(code, ACCENTS) or within(code, VARIANTS):
        return Kind.NOTHING
    category = unicodedata.category(character)
    if category[0] in "LNM":
        place = bisect_right(UNSPACED_STARTS, code) - 1
        unspaced = place >= 0 and code <= UNSPACED_BLOCKS[place][1]
        return Kind.UNSPACED if unspaced else Kind.WORD
    return Kind.ALONE if category == "So" else Kind.BETWEEN


def within(code: int, blocks: tuple[tuple[int, int], ...]) -> bool:
    return any(start <= code <= stop for start, stop in blocks)


@frozen
class Run:
    """Neighbours of one kind: a word, a symbol, or text without spaces."""

    text: str
    unspaced: bool


def runs(text: str) -> Iterator[Run]:
    """What there is between spaces and punctuation, in its order."""
    if text.isascii():
        for word in ASCII_WORD.findall(text.lower()):
            yield Run(word[:WORD_CHARS_MAX], False)
        return
    held: list[str] = []
    held_kind = Kind.BETWEEN
    for character in folded(text):
        kind = kind_of(character)
        if kind is Kind.NOTHING:
            continue
        if held and (kind is not held_kind or kind is Kind.ALONE):
            yield run_of(held, held_kind)
            held = []
        if kind is not Kind.BETWEEN:
            held.append(character)
        held_kind = kind
    if held:
        yield run_of(held, held_kind)


def run_of(characters: list[str], kind: Kind) -> Run:
    unspaced = kind is Kind.UNSPACED
    return Run("".join(characters if unspaced else characters[:WORD_CHARS_MAX]), unspaced)


def folded(text: str) -> str:
    """Without what makes no difference: case, accents, forms of the same character."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join([character for character in apart if not within(ord(character), ACCENTS)])
    # What is left belongs together: syllables of Hangul, kana with their marks.
    return unicodedata.normalize("NFC", kept)


@lru_cache(TEXTS_KEPT)
def words_of(text: str) -> tuple[tuple[tuple[str, int], ...], int]:
    """The words of a stored text, each with how often it is there; and how many there are together."""
    counts: dict[str, int] = {}
    for run in runs(text[:TEXT_CHARS_MAX]):
        for word in pairs(run.text) if run.unspaced else (run.text,):
            counts[word] = counts.get(word, 0) + 1
    return tuple(counts.items()), sum(counts.values())


def pairs(run: str) -> list[str]:
    return [run[place : place + 2] for place in range(len(run))]


@frozen
class Wanted:
    """A word to look for; ``begun``: any word that begins so."""

    word: str
    begun: bool


def wanted_words(text: str) -> tuple[int, tuple[Wanted, ...]]:
    """How many words somebody typed, and what to look for: the last as the beginning of a word."""
    found = list(runs(text))
    wanted: dict[Wanted, None] = {}
    for run in found:
        # One character alone stands in no pair: it is looked for at the beginning of all pairs.
        words = (pairs(run.text)[:-1] or [run.text]) if run.unspaced else [run.text]
        for word in words:
            begun = (run is found[-1] and word is words[-1]) or (run.unspaced and len(run.text) == 1)
            wanted[Wanted(word, begun)] = None
    return len(found), tuple(item for item in wanted if item.begun or Wanted(item.word, True) not in wanted)
