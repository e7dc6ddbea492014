"""Figures as a table for people, and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence

from rich.table import Table

from .figures import MS, RATE, SECONDS, Figure


def table(figures: Sequence[Figure]) -> Table:
    shown = Table(title="relive, and its limits on this machine", title_justify="left")
    for heading, right in (
        ("row", False),
        ("figure", False),
        ("median", True),
        ("limit", True),
        ("ratio", True),
        ("aim", False),
        ("typical round", False),
    ):
        shown.add_column(heading, justify="right" if right else "left", no_wrap=heading in ("row", "median"))
    row = ""
    for figure in figures:
        if row and figure.row != row:
            shown.add_section()
        name = figure.row if figure.row != row else ""
        row = figure.row
        shown.add_row(name, figure.name, amount(figure.value, figure.unit), *compared(figure), figure.note)
    return shown


def compared(figure: Figure) -> tuple[str, str, str]:
    if figure.limit_value is None or figure.ratio is None:
        return "", "", ""
    aim = ""
    if figure.aim is not None:
        aim = f"{figure.aim} [green]met[/]" if figure.aim_met else f"{figure.aim} [red]missed[/]"
    return f"{amount(figure.limit_value, figure.unit)} [dim]{figure.limit}[/]", f"{figure.ratio:.2f}", aim


def amount(value: float, unit: str) -> str:
    if unit == RATE:
        return f"{value:,.0f}/s"
    if value < 0.01 and unit == SECONDS:
        return f"{value * 1e3:.2f} {MS}"
    return f"{value:.2f} {unit}" if unit == MS or value < 10 else f"{value:.1f} {unit}"


def as_json(figures: Sequence[Figure], load_before: float) -> str:
    machine = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": load_before,
    }
    return json.dumps({"machine": machine, "figures": [plain(figure) for figure in figures]}, indent=2)


def plain(figure: Figure) -> dict[str, object]:
    return {
        "row": figure.row,
        "figure": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "limit": None if figure.limit is None else str(figure.limit),
        "limit_value": figure.limit_value,
        "ratio": figure.ratio,
        "aim": None if figure.aim is None else str(figure.aim),
        "aim_met": figure.aim_met,
        "rounds": figure.rounds,
        "note": figure.note,
    }
