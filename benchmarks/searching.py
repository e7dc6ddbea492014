"""Searches beside range reads of as many documents, as a process of its own: ``python -m benchmarks.searching``.

Arguments: how many texts of ten words, and seconds for each figure.  Words are as frequent as in language: the
n-th by frequency comes an n-th as often as the first.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from time import perf_counter

from relive.actors.tables import Tables
from relive.engine.data.shapes import shape_of
from relive.engine.data.table_codec import TableCodec
from relive.engine.transactions.overlay import Overlay
from relive.engine.transactions.range_query import Query, whole_table
from relive.engine.transactions.transaction import Transaction
from relive.log.entry import BEFORE_FIRST, LSN

from relive import Document, field, text_index

from .wire import WrongAnswer

WORDS = 20_000
WORDS_PER_TEXT = 10
TAKEN = 20
PLACES = {"most frequent": 0, "10th": 9, "1,000th": 999}
"""By frequency, of the words that are searched for."""


class Note(Document):
    body: str = field()
    by_body = text_index(body)


def filled(count: int) -> tuple[Tables, TableCodec, list[str]]:
    draw = random.Random(1)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(4, 9))) + "x" for _ in range(WORDS)]
    weights = [1 / (place + 1) for place in range(WORDS)]
    codec = TableCodec("notes", Note, shape_of(Note, ""), None)
    tables = Tables(lambda name: codec.definition, BEFORE_FIRST, {})
    table = tables.table("notes")
    for number in range(count):
        body = " ".join(draw.choices(words, weights, k=WORDS_PER_TEXT))
        version = codec.make({"_id": f"k{number:031}", "_creationTime": 1e12 + number, "body": body})
        table.take_in(version, LSN(1))
    table.order_texts()
    return tables, codec, words


def rate(call: Callable[[], object], seconds: float) -> float:
    start, calls = perf_counter(), 0
    while not calls or perf_counter() - start < seconds:
        call()
        calls += 1
    return calls / (perf_counter() - start)


def measure(count: int, seconds: float) -> dict[str, float]:
    tables, codec, words = filled(count)

    def notes() -> Query[Note]:
        return whole_table(Transaction(tables, tables.position, Overlay(tables)), codec)

    def listed() -> None:
        if sum(1 for _ in zip(notes().rows(), range(TAKEN), strict=False)) != TAKEN:
            raise WrongAnswer("a range read found too few documents")

    def searched(word: str) -> None:
        found = sum(1 for _ in zip(notes().search(Note.by_body, word).rows(), range(TAKEN), strict=False))
        if not found and count >= WORDS:
            raise WrongAnswer(f"nothing was found for {word}")

    figures = {"range": rate(listed, seconds)}
    for name, place in PLACES.items():
        figures[name] = rate(lambda word=words[place]: searched(word), seconds)  # type: ignore[misc]
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]))))
