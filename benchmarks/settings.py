"""How long and how large: the sizes of a run."""

from __future__ import annotations

from attrs import frozen


@frozen
class Settings:
    seconds: float = 2.5
    """For each figure, in each round."""
    rounds: int = 3
    documents: int = 100_000
    """In the folder of the server that is restarted."""
    subscribers: int = 200


QUICK = Settings(seconds=1.0, rounds=1, documents=20_000)
