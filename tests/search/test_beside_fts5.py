"""Searches beside those of SQLite's FTS5, an index that others have made, as an oracle.

For words in Latin letters both are to find the same documents.  FTS5 takes its statistics from the whole table,
ours are of the documents found: where a search finds all of them the order is the same, else nearly.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.engine.data.schema import Document, field, text_index
from relive.engine.data.words import wanted_words
from relive.engine.transactions.context import MutationCtx, QueryCtx

from ..engine.bench import Bench, bench_of


class Text(Document):
    number: int
    body: str = field()
    by_body = text_index(body)


@define
class Both:
    ours: Bench
    sqlite: sqlite3.Connection

    def put(self, bodies: list[str]) -> None:
        async def fill(ctx: MutationCtx) -> None:
            for number, body in enumerate(bodies):
                await ctx.db.insert(Text(number=number, body=body))

        self.ours.write(fill)
        self.sqlite.executemany("INSERT INTO texts (rowid, body) VALUES (?, ?)", enumerate(bodies))

    def found(self, words: str) -> list[int]:
        """By our index, the most relevant first."""

        async def search(ctx: QueryCtx) -> list[int]:
            return [text.number for text in await ctx.db.query(Text).search(Text.by_body, words).take(1_000)]

        return self.ours.read(search)

    def scores(self, words: str) -> dict[int, float]:
        """By FTS5, the most relevant least."""
        _, wanted = wanted_words(words)
        asked = " OR ".join(f'"{one.word}"{" *" if one.begun else ""}' for one in wanted)
        if not asked:
            return {}
        return dict(self.sqlite.execute("SELECT rowid, bm25(texts) FROM texts WHERE texts MATCH ?", [asked]))


@contextmanager
def both_of() -> Iterator[Both]:
    """A new table of each."""
    with closing(sqlite3.connect(":memory:")) as sqlite:
        sqlite.execute("CREATE VIRTUAL TABLE texts USING fts5(body, tokenize='unicode61 remove_diacritics 2')")
        yield Both(bench_of(Text), sqlite)


@pytest.fixture
def both() -> Iterator[Both]:
    with both_of() as made:
        yield made


alphabet = st.sampled_from("abAB1zé ü.,-'\"!?\n")
some_texts = st.text(alphabet, max_size=30)


@settings(max_examples=100, deadline=None)
@given(st.lists(some_texts, max_size=12), st.lists(some_texts, min_size=1, max_size=4))
def test_both_find_the_same_documents(bodies: list[str], searches: list[str]) -> None:
    with both_of() as both:
        both.put(bodies)
        for words in searches:
            assert {*both.found(words)} == both.scores(words).keys()


def test_where_a_search_finds_all_documents_the_order_is_that_of_fts5(both: Both) -> None:
    generator = random.Random(1)
    both.put([" ".join(["word"] * generator.randint(1, 6) + ["filler"] * generator.randint(0, 30)) for _ in range(200)])
    scores, found = both.scores("word."), both.found("word")
    assert len(found) == 200
    in_our_order = [scores[number] for number in found]
    assert all(before <= after + 1e-12 for before, after in pairwise(in_our_order))
    assert in_our_order[0] < in_our_order[-1]


def test_where_it_finds_some_of_them_the_order_is_nearly_that_of_fts5(both: Both) -> None:
    generator = random.Random(2)
    # As frequent as in language: the n-th by frequency an n-th as often as the first.
    vocabulary = [f"w{number}x" for number in range(300)]
    rarely = [1 / (number + 1) for number in range(300)]
    both.put([" ".join(generator.choices(vocabulary, rarely, k=generator.randint(5, 60))) for _ in range(400)])
    for words in ("w9x", "w3x w40x", "w2x w25x w120x w200x"):
        scores, found = both.scores(words), both.found(words)
        assert {*found} == scores.keys()
        pairs = [(one, other) for place, one in enumerate(found) for other in found[place + 1 :]]
        agreed = sum(scores[one] <= scores[other] for one, other in pairs) / len(pairs)
        assert agreed > 0.9, (words, agreed)
        best = sorted(scores, key=lambda number: scores[number])[:10]
        assert len({*best} & {*found[:10]}) >= 8, words
