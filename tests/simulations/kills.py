"""How many seeds each planted bug needs, counted from seed 0, and written down in `kills.toml`.

    python -m tests.simulations.kills          count anew, when the plans of seeds have changed

The tests try the seed that is written down first: they are quick while it is true, and still true when it is not,
because they go on with all of the first 300.
"""

from __future__ import annotations

import logging
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from relive.simulations.campaign import search

from . import planted_jobs, planted_more
from .planted import BUGS

assert planted_jobs, "it plants"
assert planted_more, "it plants"
FILE = Path(__file__).resolve().parent / "kills.toml"
SEEDS_MAX: Final = 300


def known() -> dict[str, int]:
    """By bug, the first seed that found it."""
    with FILE.open("rb") as file:
        return tomllib.load(file)


def seeds_for(name: str) -> Iterator[int]:
    """The first 300, the one that is known to do it before all others."""
    first = known().get(name, 0)
    assert first < SEEDS_MAX, first
    yield first
    yield from (seed for seed in range(SEEDS_MAX) if seed != first)


def counted(name: str) -> int | None:
    bug = BUGS[name]
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        failures = search(range(SEEDS_MAX), kinds=bug.kinds).failures
    return failures[0].seed if failures else None


def main() -> int:
    """Exit code 1 if one of them lives."""
    logging.disable()
    lines = ["# By planted bug: the first seed that finds it.  Written by `python -m tests.simulations.kills`."]
    alive = []
    for name in BUGS:
        seed = counted(name)
        print(f"{name}: {seed}", flush=True)
        if seed is None:
            alive.append(name)
        else:
            lines.append(f'"{name}" = {seed}')
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main())
