"""A progress bar on stderr, if that is a terminal and the work takes long."""

from __future__ import annotations

from attrs import define, field
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..engine.determinism.real import real_monotonic_ns


def stderr_console() -> Console:
    return Console(stderr=True)


@define(eq=False)
class LogProgress:
    """Bytes of the log, of how many.  Use it as a context, and give ``update`` to whoever reads."""

    what: str
    after_s: float
    """Work that is done sooner shows nothing."""
    console: Console = field(factory=stderr_console)
    started_ns: int = field(factory=real_monotonic_ns)
    bar: Progress | None = None
    task: TaskID = TaskID(0)

    def __enter__(self) -> LogProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, done: int, total: int) -> None:
        if self.bar is None:
            if not self.console.is_terminal or real_monotonic_ns() - self.started_ns < self.after_s * 1e9:
                return
            self.bar = bytes_bar(self.console)
            self.task = self.bar.add_task(self.what, total=total)
            self.bar.start()
        self.bar.update(self.task, completed=done, total=total)


def bytes_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
