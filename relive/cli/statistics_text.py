"""How much a log holds, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from attrs import frozen
from rich.table import Table
from rich.text import Text

from ..engine.history.statistics import Statistics, TableTally, Tally
from ..log.checkpoint import CheckpointFile, checkpoint_names
from ..log.entry import LSN
from ..log.errors import Malformed
from ..log.storage import Storage
from .entry_text import time_text

FUNCTIONS_SHOWN_MAX = 20
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size_text(size: int) -> str:
    """Bytes, in the unit in which they are read best."""
    shown, unit = float(size), 0
    while shown >= 1024 and unit < len(UNITS) - 1:
        shown, unit = shown / 1024, unit + 1
    return f"{shown:,.1f} {UNITS[unit]}" if unit else f"{size} B"


def statistics_tables(statistics: Statistics) -> Iterator[str | Table]:
    """What to print, one below the other."""
    total = statistics.total
    if not total.entries:
        yield "there are no entries"
        return
    growth = statistics.growth_per_day
    a_day = "; too young to tell its growth" if growth is None else f"; {size_text(growth)} a day"
    yield f"{total.entries:,} entries, {size_text(total.size)}{a_day}"
    yield f"from {time_text(statistics.first)} to {time_text(statistics.last)} UTC"
    yield ""
    yield table_of(
        ("table", "documents", "current", "versions", "deleted", "old versions", "kept for", "beyond", "dropped"),
        (table_row(name, tally) for name, tally in by_size(statistics.tables)),
    )
    yield ""
    yield table_of(("kind", "entries", "size"), (tally_row(*item) for item in by_tally(statistics.kinds)))
    beyond = sum(tally.beyond_size for tally in statistics.tables.values())
    if beyond:
        yield ""
        yield f"{size_text(beyond)} of old versions are beyond retention: `relive log compact` drops them"
    functions = by_tally(statistics.functions)
    if functions:
        yield ""
        shown = functions[:FUNCTIONS_SHOWN_MAX]
        yield table_of(("function", "entries", "size"), (tally_row(*item) for item in shown))
        if len(functions) > len(shown):
            yield f"and {len(functions) - len(shown)} more; --json shows all"


@frozen
class CheckpointSeen:
    """A checkpoint beside the log."""

    name: str
    lsn: LSN | None
    """None if it is damaged."""
    size: int
    age_s: float | None
    """Seconds since the last entry that it covers."""
    problem: str

    def tree(self) -> object:
        return {
            "name": self.name,
            "lsn": self.lsn,
            "bytes": self.size,
            "ageSeconds": self.age_s,
            "problem": self.problem or None,
        }


def checkpoints_of(storage: Storage, now_ns: int) -> list[CheckpointSeen]:
    """Every checkpoint, the oldest first; only their beginnings are read."""
    seen = []
    for name in checkpoint_names(storage):
        lsn, age_s, problem, size = None, None, "", 0
        try:
            size = storage.size(name)
            file = CheckpointFile.open(storage, name)
            file.check_fits()
            lsn, age_s = file.checkpoint.lsn, max(0, now_ns - file.checkpoint.ts) / 1e9
        except Malformed as error:
            problem = error.problem
        except OSError as error:  # It may have been removed just now.
            problem = error.strerror or str(error)
        seen.append(CheckpointSeen(name, lsn, size, age_s, problem))
    return seen


def checkpoint_lines(seen: list[CheckpointSeen]) -> Iterator[str]:
    yield ""
    if not seen:
        yield "no checkpoint: a start reads the whole log"
    for each in seen:
        if each.problem:
            yield f"checkpoint {each.name}: not used, {each.problem}"
        else:
            age = timedelta(seconds=round(each.age_s or 0))
            yield f"checkpoint of entry {each.lsn:,}: {size_text(each.size)}, its last entry was made {age} ago"


def by_size(tables: Mapping[str, TableTally]) -> list[tuple[str, TableTally]]:
    return sorted(tables.items(), key=lambda item: (-item[1].written, item[0]))


def by_tally(tallies: Mapping[str, Tally]) -> list[tuple[str, Tally]]:
    return sorted(tallies.items(), key=lambda item: (-item[1].size, item[0]))


def table_row(name: str, tally: TableTally) -> tuple[str, ...]:
    return (
        name,
        f"{tally.documents:,}",
        size_text(tally.current_size),
        f"{tally.versions:,}",
        f"{tally.tombstones:,}",
        size_text(tally.old_size),
        "ever" if tally.history_days is None else f"{tally.history_days:g} days",
        size_text(tally.beyond_size),
        f"{tally.dropped:,}",
    )


def tally_row(name: str, tally: Tally) -> tuple[str, ...]:
    return (name, f"{tally.entries:,}", size_text(tally.size))


def table_of(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=bool(place), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def statistics_tree(statistics: Statistics) -> dict[str, object]:
    """All of it as JSON; sizes in bytes, times in nanoseconds."""
    return {
        "entries": statistics.total.entries,
        "bytes": statistics.total.size,
        "first": statistics.first,
        "last": statistics.last,
        "bytesPerDay": statistics.growth_per_day,
        "tables": {
            name: {
                "documents": tally.documents,
                "versions": tally.versions,
                "tombstones": tally.tombstones,
                "currentBytes": tally.current_size,
                "oldBytes": tally.old_size,
                "historyDays": tally.history_days,
                "beyondVersions": tally.beyond,
                "beyondBytes": tally.beyond_size,
                "droppedVersions": tally.dropped,
            }
            for name, tally in by_size(statistics.tables)
        },
        "kinds": tallies_tree(statistics.kinds),
        "functions": tallies_tree(statistics.functions),
    }


def tallies_tree(tallies: Mapping[str, Tally]) -> object:
    return {name: {"entries": tally.entries, "bytes": tally.size} for name, tally in by_tally(tallies)}
