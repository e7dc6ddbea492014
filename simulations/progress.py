"""How far a campaign is, on stderr if that is a terminal: seeds, seeds a second, probes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from attrs import define, field

from ..engine.determinism.real import real_monotonic_ns

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


@define(eq=False)
class Progress:
    total: int | None
    """Seeds; None if nobody knows."""
    probes: int
    """How many there are to reach."""
    started_ns: int = field(factory=real_monotonic_ns)
    bar: Bar | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self.bar = new_bar()
            self.bar.add_task("", total=self.total, rate=0.0, probes="")
            self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, seeds: int, reached: int) -> None:
        if self.bar is not None:
            rate = seeds / max((real_monotonic_ns() - self.started_ns) / 1e9, 1e-3)
            (task,) = self.bar.task_ids
            self.bar.update(task, completed=seeds, rate=rate, probes=f"probes {reached}/{self.probes}")


def new_bar() -> Bar:
    # Imported when it is needed: most runs are without a terminal.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("seeds"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f}/s  {task.fields[probes]}"),
        console=Console(stderr=True),
        transient=True,
    )
