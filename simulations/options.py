"""Options that commands that simulate have in common."""

from __future__ import annotations

from typing import Any, Final

import click

from .plan import (
    CRASH,
    CRASH_AT_CHANGE,
    CUT,
    DELAY,
    DISK_FULL,
    DUPLICATE,
    FAULTS,
    HALF_OPEN,
    KILL,
    MISREAD,
    ROT_CHECKPOINT,
    ROT_LOG,
    STALL,
    SYNC_FAILS,
    SYNC_LIES,
    WRITE_FAILS,
)

HASH_SEED: Final = 1
"""Under which campaigns run, so that a seed is the same tomorrow."""


class Share(click.ParamType[float]):
    """A share of something: ``5%`` or ``0.05``."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{text!r} is no share; say 5% or 0.05", param, ctx)
        return share


GROUPS: Final = {
    "all": FAULTS,
    "none": (),
    "crashes": (CRASH, CRASH_AT_CHANGE, KILL),
    "network": (CUT, HALF_OPEN, STALL, DELAY, DUPLICATE),
    "disk": (SYNC_FAILS, WRITE_FAILS, DISK_FULL, SYNC_LIES, ROT_LOG, ROT_CHECKPOINT, MISREAD),
}
"""What several kinds of faults are called together."""


def fault_kinds(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """Kinds and groups with commas in between, in the order in which there are kinds."""
    named = {kind for name in text.split(",") if name for kind in GROUPS.get(name, (name,))}
    unknown = sorted(named - set(FAULTS))
    return (*(kind for kind in FAULTS if kind in named), *unknown)
