"""Where a server spends its time in one row: the row's load, the server under cProfile.

cProfile makes calls dearer than lines, and sees the main thread only, which runs everything but the
writing of the log.  Trust its order, not its shares.
"""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Any

from rich.table import Table

from .processes import Processes
from .rows import Row
from .settings import Settings

WAITING = ("poll", "control")
"""What the event loop calls when it has nothing to do (epoll, kqueue)."""
PATH_PARTS = 3


def profile(row: Row, processes: Processes, settings: Settings) -> Path:
    """Measure a row once, its limits not; where the profile is."""
    processes.profile = processes.folder / "profile"
    for _ in row.measure(processes, settings):
        pass
    return processes.profile


def table(row: Row, path: Path, count: int, *, with_callees: bool) -> Table:
    """The functions that took most of the time in which the server did not wait."""
    # Function to calls that are not recursive, all calls, own time, time with callees, callers.
    entries: dict[tuple[str, int, str], Any] = marshal.loads(path.read_bytes())
    waiting = sum(values[2] for key, values in entries.items() if is_waiting(key))
    busy = [(key, values) for key, values in entries.items() if not is_waiting(key)]
    total = sum(values[2] for _, values in busy)
    shown = Table(
        title=f"{row.title}: {total:.2f} s of work, {waiting:.2f} s of waiting (start included)", title_justify="left"
    )
    for heading in ("own s", "share", "with callees s", "calls"):
        shown.add_column(heading, justify="right")
    shown.add_column("function", no_wrap=True)
    column = 3 if with_callees else 2
    for key, (_, calls, own, whole, _) in sorted(busy, key=lambda item: -item[1][column])[:count]:
        shown.add_row(f"{own:.3f}", f"{own / total:.1%}", f"{whole:.3f}", f"{calls:,}", place(*key))
    return shown


def is_waiting(key: tuple[str, int, str]) -> bool:
    file, _, name = key
    return file == "~" and any(f"method '{each}' of 'select." in name for each in WAITING)


def place(file: str, line: int, name: str) -> str:
    if file == "~":
        return name
    return f"{name}  {'/'.join(Path(file).parts[-PATH_PARTS:])}:{line}"


def sampling_hint(serve: str) -> str:
    return (
        "Without cProfile's distortion: pip install py-spy, then\n"
        f"  py-spy record -o flame.svg -- python {serve} benchmarks/app --data FOLDER --port PORT\n"
        "and a load of your own, or `py-spy top --pid PID` while a row runs."
    )
