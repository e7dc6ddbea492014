"""One hash seed for each deployment, so that sets of text have the same order whenever a handler runs.

CPython hashes text with a seed that differs from process to process unless ``PYTHONHASHSEED`` is set
when it starts.  The deployment's seed is chosen once at random and kept with the data: stable for
replay, unknown to those who would send colliding keys.
"""

from __future__ import annotations

import os
import sys

from .errors import HashSeedUnavailable

SEED_MAX = 2**32 - 1
VARIABLE = "PYTHONHASHSEED"
KEEP_VARIABLE = "RELIVE_KEEP_HASH_SEED"
"""Set to anything, it makes ``ensure`` do nothing: tests and debuggers must stay in their process."""


def from_entropy(entropy: bytes) -> int:
    """A new deployment's seed, from at least 4 random bytes; never 0, which would make hashes predictable."""
    assert len(entropy) >= 4, len(entropy)
    return int.from_bytes(entropy, "big") % SEED_MAX + 1


def is_active(seed: int) -> bool:
    """Was this process started with ``seed``?"""
    return os.environ.get(VARIABLE) == str(seed) and not sys.flags.ignore_environment


def ensure(seed: int) -> None:
    """Return if this process has ``seed``; otherwise start the same command over with it, and never return.

    Call it before anything holds a lock or runs a task.  Raises HashSeedUnavailable.
    """
    assert 0 < seed <= SEED_MAX, seed
    if is_active(seed) or os.environ.get(KEEP_VARIABLE):
        return
    if sys.flags.ignore_environment:
        raise HashSeedUnavailable(seed, "Python was started with -E or -I, which ignores the variable")
    if not sys.executable:
        raise HashSeedUnavailable(seed, "the path of the Python executable is unknown")
    _start_over({**os.environ, VARIABLE: str(seed)})


def _start_over(environment: dict[str, str]) -> None:
    # orig_argv is what the interpreter was given: `-m relive ...`, a console script, options and all.
    command = [sys.executable, *sys.orig_argv[1:]]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # there is none under pythonw
            stream.flush()
    if sys.platform == "win32":  # where exec returns to the shell while the new process is still running
        import subprocess

        raise SystemExit(subprocess.call(command, env=environment))
    os.execve(sys.executable, command, environment)
