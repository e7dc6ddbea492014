"""What a search should give: every document gone through, no index, no ranges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen
from relive.engine.data.words import wanted_words, words_of
from relive.engine.transactions.search import rarity_of
from relive.protocol.order import sort_key


@frozen
class Match:
    """All that the relevance of one document depends on."""

    id: str
    newer: tuple[bytes, bytes]
    length: int
    counts: tuple[int, ...]
    """For each wanted word: two for each time that it is there, one for each longer word that begins so."""


def matches(documents: Iterable[Any], words: str, owner: str | None) -> list[Match]:
    """Of documents with `body` and `owner`."""
    _, wanted = wanted_words(words)
    found = []
    for document in documents:
        if owner is not None and document.owner != owner:
            continue
        there, length = words_of(document.body)
        counts = tuple(
            sum(
                count * (2 if word == one.word else 1)
                for word, count in there
                if word == one.word or (one.begun and word.startswith(one.word))
            )
            for one in wanted
        )
        if any(counts):
            newer = sort_key(document.creation_time), sort_key(document.id)
            found.append(Match(document.id, newer, length, counts))
    return sorted(found, key=lambda match: match.id)


def ranked(found: list[Match]) -> list[str]:
    """Ids, by BM25 with k1 = 1.2 and b = 0.75 over the documents found."""
    if not found:
        return []
    average = sum(match.length for match in found) / len(found)
    having = [sum(1 for match in found if match.counts[place]) for place in range(len(found[0].counts))]
    scored = []
    for match in found:
        score = 0.0
        for count, others in zip(match.counts, having, strict=True):
            if count:
                often, long = count / 2, 1 - 0.75 + 0.75 * (match.length / average)
                score += rarity_of(others, len(found)) * (often * (1.2 + 1) / (often + 1.2 * long))
        scored.append((score, match.newer, match.id))
    return [id for _, _, id in sorted(scored, reverse=True)]
