"""`relive shadow`: the traffic of the past against code that is not deployed yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from ..engine.application.app import load_app
from ..engine.determinism.real import real_thread_time_ns
from ..engine.history.shadow import Cost, FunctionTally, Shadow, Shadowed
from ..log.entry import FIRST_LSN, LSN
from ..log.errors import NoSuchEntry
from .log_files import named_in_full
from .moments import Time, check_moment, lsn_of
from .options import app_argument, data_option, json_option, traceback_option
from .output import print_json
from .progress import DocumentProgress
from .replay_text import difference_tree
from .replaying import PROGRESS_AFTER_S, Replayable, limit_handlers, open_to_replay
from .statistics_text import size_text, table_of

HEADS = ("function", "same", "other writes", "other result", "new errors", "CPU a run", "documents read a run")


@click.command()
@app_argument
@data_option
@click.option("--since", default=None, callback=check_moment, metavar="LSN|TIME", help="Begin there. [default: 1]")
@click.option("--until", default=None, callback=check_moment, metavar="LSN|TIME", help="End there. [default: now]")
@json_option
@traceback_option
def shadow(app: Path, data: Path, since: LSN | Time | None, until: LSN | Time | None, as_json: bool) -> int:
    """Run the mutations of the log with the code of APP, and compare what they write.

    \b
    relive shadow --since 2026-09-20 chat

    Each runs on the state that it read then, with its arguments, clock, chance and identity; nothing is
    written, and the folder may be served meanwhile. What the code of then costs is measured beside it.
    Queries, and mutations that failed, are not in the log.

    Exit code 0: the same writes and results. Exit code 1: something differs. Exit code 4: APP does not
    load, or documents of then do not fit its schema.
    """
    replayable = open_to_replay(data)
    limit_handlers()
    first, last = range_of(replayable, since, until)
    new = load_app(app)
    with DocumentProgress("running", after_s=PROGRESS_AFTER_S) as progress, named_in_full(replayable.storage):
        work = Shadow(replayable.log.reader, replayable.folder.secret, real_thread_time_ns, progress.update)
        shadowed = work.run(new, first, last)
    if as_json:
        print_json(tree_of(shadowed))
    else:
        show(shadowed)
    return 0 if shadowed.is_same else 1


def range_of(replayable: Replayable, since: LSN | Time | None, until: LSN | Time | None) -> tuple[LSN, LSN]:
    """A time is between two entries: its range begins behind it.  Raises NoSuchEntry, BeforeHistory, NotYet."""
    last = lsn_of(replayable.log, until)
    first = FIRST_LSN
    if since is not None:
        first = lsn_of(replayable.log, since)
        if isinstance(since, Time) and replayable.log.reader.entry(first).ts < since.ns:
            first = LSN(first + 1)
    if first > last:
        raise NoSuchEntry(first, last)
    return first, last


def show(shadowed: Shadowed) -> None:
    from .log import console_of

    tallies = shadowed.functions.values()
    same, other = sum(each.same for each in tallies), sum(each.writes + each.results for each in tallies)
    errors = sum(each.errors for each in tallies)
    click.echo(
        f"entries {shadowed.first:,} to {shadowed.last:,}: {same + other + errors:,} mutations, "
        f"{same:,} the same, {other:,} different, {errors:,} with new errors"
    )
    if shadowed.functions:
        console_of().print(table_of(HEADS, [row(*item) for item in sorted(shadowed.functions.items())]))
    for why, count in shadowed.left_out.most_common():
        click.echo(f"left out: {count:,}, because {why}")
    for line in example_lines(shadowed):
        click.echo(line)


def row(name: str, tally: FunctionTally) -> tuple[str, ...]:
    counts = (tally.same, tally.writes, tally.results, tally.errors)
    cpu = f"{cpu_text(tally.before)} -> {cpu_text(tally.now)}"
    read = f"{read_text(tally.before)} -> {read_text(tally.now)}"
    return (name, *(f"{count:,}" for count in counts), cpu, read)


def cpu_text(cost: Cost) -> str:
    return f"{cost.cpu_ns / cost.runs / 1e6:,.2f} ms" if cost.runs else "?"


def read_text(cost: Cost) -> str:
    return f"{cost.documents_read / cost.runs:,.1f} ({size_text(cost.bytes_read // cost.runs)})" if cost.runs else "?"


def example_lines(shadowed: Shadowed) -> Iterator[str]:
    for each in shadowed.examples:
        yield f"entry {each.lsn}, {each.function}: {each.what}"
        yield f"  then  {each.recorded}"
        yield f"  now   {each.again}"


def tree_of(shadowed: Shadowed) -> object:
    return {
        "first": shadowed.first,
        "last": shadowed.last,
        "ok": shadowed.is_same,
        "functions": {name: tally_tree(tally) for name, tally in sorted(shadowed.functions.items())},
        "leftOut": dict(shadowed.left_out),
        "examples": [difference_tree(each) for each in shadowed.examples],
    }


def tally_tree(tally: FunctionTally) -> object:
    return {
        "same": tally.same,
        "otherWrites": tally.writes,
        "otherResults": tally.results,
        "newErrors": tally.errors,
        "before": cost_tree(tally.before),
        "now": cost_tree(tally.now),
    }


def cost_tree(cost: Cost) -> object:
    return {
        "runs": cost.runs,
        "cpuNs": cost.cpu_ns,
        "documentsRead": cost.documents_read,
        "bytesRead": cost.bytes_read,
    }
