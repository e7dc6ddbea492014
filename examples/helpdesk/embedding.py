"""A vector for a text, without a model or a network: texts with the same words and word parts are near each other.

A real app asks an embedding model here, in an action, as `tickets.classify` does.
"""

from __future__ import annotations

import math
import zlib

DIMENSIONS = 256
PART_CHARACTERS = 4
TOPICS = {
    "network": "wifi wi-fi network internet connection vpn router slow offline",
    "printing": "printer print paper toner scanner page jam",
    "accounts": "password account login sign-in access locked user mail",
    "hardware": "laptop screen keyboard mouse battery monitor charger broken",
}


def embed(text: str) -> list[float]:
    """Never all zero, so that it has a direction."""
    numbers = [0.0] * DIMENSIONS
    for word in ["", *text.lower().split()]:
        padded = f"<{word}>"
        for start in range(max(1, len(padded) - PART_CHARACTERS + 1)):
            part = padded[start : start + PART_CHARACTERS]
            numbers[zlib.crc32(part.encode()) % DIMENSIONS] += 1.0
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


def topic_of(text: str) -> str:
    """The topic with the most of its words in the text; ``other`` if none has any."""
    words = {word.strip(".,;:!?") for word in text.lower().split()}
    shared = {topic: len(words & set(vocabulary.split())) for topic, vocabulary in TOPICS.items()}
    best = max(shared, key=lambda topic: shared[topic])
    return best if shared[best] else "other"
