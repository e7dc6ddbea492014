"""Options that commands that simulate have in common."""

from __future__ import annotations

from typing import Any, Final

import click

from .plan import FAULTS

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


def fault_kinds(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """``all``, ``none``, or kinds with commas in between."""
    if text in ("all", "none"):
        return FAULTS if text == "all" else ()
    return tuple(kind for kind in text.split(",") if kind)
