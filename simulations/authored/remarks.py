"""What is not wrong yet, and will be with more data or more people: worth a line, and no failure.

Each is said once for a function, with the most telling case of a campaign's runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from ...engine.execution.executions import Execution
from ...log.entry import KeyRange
from ..run import Run
from ..subject import REMARK
from .replayed import Replayed

DOCUMENTS_MIN: Final = 4
"""A function that has read so many, and a range without an end, will read more."""
STORM_RUNS_MIN: Final = 8
STORM_SHARE: Final = 0.5
"""A mutation that has to run again so often is in a storm."""
NEAR_A_LIMIT: Final = "near a limit"


def note(run: Run, replayed: Replayed) -> None:
    """Into the probes of the run."""
    for text in dict.fromkeys([*storms(run.executions), *limits(run.executions), *unbounded(run, replayed)]):
        run.trace.probe(f"{REMARK}{text}")


def storms(executions: Iterable[Execution]) -> Iterator[str]:
    ran, again = Counter[str](), Counter[str]()
    for each in executions:
        if each.kind == "mutation":
            ran[each.path] += 1
            again[each.path] += each.retries
    for path, count in sorted(ran.items()):
        if count >= STORM_RUNS_MIN and again[path] > count * STORM_SHARE:
            yield (
                f"{path} meets conflicts again and again when it runs beside itself: it reads what others write; "
                "read a narrower range, or use ctx.db.merge"
            )


def limits(executions: Iterable[Execution]) -> Iterator[str]:
    for each in executions:
        if any(NEAR_A_LIMIT in line for line in each.log_lines):
            yield f"{each.path} has used more than 80 % of what one transaction may"


def unbounded(run: Run, replayed: Replayed) -> Iterator[str]:
    """Functions that have read a whole table, of those that there were."""
    read: dict[str, tuple[KeyRange, ...]] = dict(replayed.read_by)
    for entry in run.entries:
        if entry.function in replayed.app.endpoints:
            read[entry.function] = (*read.get(entry.function, ()), *entry.reads)
    sizes = {name: len(table.versions) for name, table in replayed.replica.tables.by_name.items()}
    for path, ranges in sorted(read.items()):
        for each in ranges:
            table = each.index.table
            is_whole = not each.start and each.stop is None and not each.keys_only
            if is_whole and not table.startswith("_") and sizes.get(table, 0) >= DOCUMENTS_MIN:
                yield (
                    f"{path} reads all of the table {table}: with more documents it reads more, up to the limit; "
                    "use an index and `take`, or pages"
                )
                break
