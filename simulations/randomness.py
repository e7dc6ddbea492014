"""One stream of randomness for each thing that needs some, all from one seed.

A draw from one stream never shifts another, so that a plan with one fault less stays the same plan.
"""

from __future__ import annotations

from hashlib import blake2b
from random import Random

SEED_BYTES = 16


def stream(seed: int, name: str) -> Random:
    digest = blake2b(f"{seed}/{name}".encode(), digest_size=SEED_BYTES).digest()
    return Random(int.from_bytes(digest, "little"))
