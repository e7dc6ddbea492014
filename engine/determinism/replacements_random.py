"""Randomness: inside a handler everything that is drawn comes from the run's seed.

``random.*`` draws from ``Run.random``; ``os.urandom``, and with it ``secrets``, ``uuid4`` and
``SystemRandom``, draws from ``Run.entropy``, which clients cannot predict.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable

from .gate import GATE, active_run
from .patching import Function, forbid, replace
from .remedies import Remedy

_GENERATOR_METHODS = (
    *("random", "randrange", "randint", "choice", "choices", "sample", "shuffle", "uniform", "triangular"),
    *("betavariate", "binomialvariate", "expovariate", "gammavariate", "gauss", "lognormvariate"),
    *("normalvariate", "vonmisesvariate", "paretovariate", "weibullvariate", "getrandbits", "randbytes"),
    *("getstate", "setstate"),
)
_UUIDS_OF_THIS_MACHINE = ("uuid1", "uuid6", "uuid7", "getnode")
"""uuid7 counts in a module-level variable, so it differs from run to run even with a frozen clock."""


def install() -> None:
    for name in _GENERATOR_METHODS:
        replace(random, name, _from_run(name))
    replace(random, "seed", _seed_of_module)
    replace(random.Random, "seed", _seed_of_generator)
    replace(os, "urandom", _urandom)
    replace(os, "getrandom", _urandom)
    random._urandom = os.urandom  # type: ignore[attr-defined]  # SystemRandom took it under this name
    for name in _UUIDS_OF_THIS_MACHINE:
        replace(uuid, name, forbid(f"uuid.{name}()", Remedy.IDENTIFIER))


def _from_run(name: str) -> Callable[[Function], Function]:
    def make(original: Function) -> Function:
        def draw(*args: object, **kwargs: object) -> object:
            if GATE.run is None or (run := active_run()) is None:
                return original(*args, **kwargs)
            return getattr(run.random, name)(*args, **kwargs)

        return draw

    return make


def _seed_of_module(original: Function) -> Function:
    def seed(a: object = None, version: int = 2) -> object:
        run = active_run()
        if run is None:
            return original(a, version)
        if a is not None:  # seeding from the system again: keep the run's seed
            run.random.seed(a, version)  # type: ignore[arg-type]
        return None

    return seed


def _seed_of_generator(original: Function) -> Function:
    """``random.Random()`` without a seed: draw one from the run."""

    def seed(self: random.Random, a: object = None, version: int = 2) -> object:
        if a is None and (run := active_run()) is not None:
            a = run.random.getrandbits(128)
        return original(self, a, version)

    return seed


def _urandom(original: Function) -> Function:
    def urandom(size: int, *flags: int) -> object:
        if GATE.run is None or (run := active_run()) is None:
            return original(size, *flags)
        return run.entropy(size)

    return urandom
