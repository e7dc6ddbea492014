"""``python -m tests.simulations.pythons PYTHON...``: the same plans, the same traces, with every version of Python.

Each PYTHON is an interpreter that has relive installed.  Prints one digest for each, and exits with 1 if they differ.
"""

from __future__ import annotations

import subprocess
import sys

PRINT_DIGESTS = """
import logging
import sys
from relive.simulations.run import run
from relive.simulations.swarm import generate
logging.disable()
print(f"{sys.version_info[0]}.{sys.version_info[1]}", *[run(generate(seed)).digest() for seed in range(12)])
"""
HASH_SEED = "1"


def digests(python: str) -> tuple[str, list[str]]:
    """Which version it is, and what the traces of some seeds come to."""
    command = [python, "-c", PRINT_DIGESTS]
    environment = {"PYTHONHASHSEED": HASH_SEED}
    printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return printed[0], printed[1:]


def main() -> int:
    found = dict(map(digests, sys.argv[1:]))
    for version, all_of_it in found.items():
        print(f"Python {version}: {len(all_of_it)} traces, the first {all_of_it[0][:16]}")
    differing = [seed for seed, each in enumerate(zip(*found.values(), strict=True)) if len(set(each)) > 1]
    if differing:
        print(f"seeds {differing} do not give the same trace with every version", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
