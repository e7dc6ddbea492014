"""A progress bar on stderr, if that is a terminal and the work takes long."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from attrs import define, field

from ..engine.determinism.real import real_monotonic_ns

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


@define(eq=False)
class LogProgress:
    """Bytes of the log, of how many.  Use it as a context, and give ``update`` to whoever reads."""

    what: str
    after_s: float
    """Work that is done sooner shows nothing."""
    started_ns: int = field(factory=real_monotonic_ns)
    bar: Progress | None = None

    def __enter__(self) -> LogProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, done: int, total: int | None) -> None:
        if self.bar is None:
            if not sys.stderr.isatty() or real_monotonic_ns() - self.started_ns < self.after_s * 1e9:
                return
            self.bar = self.new_bar()
            self.bar.add_task(self.what, total=total)
            self.bar.start()
        for task in self.bar.task_ids:
            self.bar.update(task, completed=done, total=total)

    def new_bar(self) -> Progress:
        from rich.progress import DownloadColumn

        return bar_with(DownloadColumn())


@define(eq=False)
class ByteProgress(LogProgress):
    """Bytes on their way, perhaps of nobody knows how many."""

    after_s: float = 0.3


@define(eq=False)
class DocumentProgress(LogProgress):
    """Documents, of how many."""

    after_s: float = 0.3

    def new_bar(self) -> Progress:
        from rich.progress import MofNCompleteColumn

        return bar_with(MofNCompleteColumn())


def bar_with(count: ProgressColumn) -> Progress:
    # Imported when it is needed: most servers start without a bar.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        count,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
