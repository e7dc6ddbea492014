"""`relive replay`: the state rebuilt from the log in two ways, and compared."""

from __future__ import annotations

from pathlib import Path

import click
from attrs import asdict, frozen

from ..engine.history.comparison import Compared, compare_states
from ..engine.history.digests import Look, TableDigest, done
from ..engine.history.replica import Replica
from ..log.entry import LSN
from .administration import ask
from .errors import ServerUnreachable
from .log_files import named_in_full, open_log
from .options import data_option, json_option, traceback_option
from .output import print_json
from .progress import DocumentProgress
from .replaying import PROGRESS_AFTER_S, Replayable, open_to_replay
from .run import Target
from .statistics_text import table_of

STATE_ROUTE = "/api/past/state"


@click.command()
@data_option
@json_option
@traceback_option
def replay(data: Path, as_json: bool) -> int:
    """Rebuild the state from the log in both ways, entry by entry and as on a start, and compare.

    If the folder is being served, what the server has is compared too.

    Exit code 0: the same documents under the same keys. Exit code 1: the first difference of each
    table is shown.
    """
    replayable = open_to_replay(data)
    with DocumentProgress("replaying", after_s=PROGRESS_AFTER_S) as progress, named_in_full(replayable.storage):
        last = replayable.log.last
        tables = compare_states(replayable.log.reader, replayable.folder.secret, last, progress.update)
        served = compare_served(replayable)
    bad = any(each.problem for each in tables) or (served is not None and bool(served.problems))
    if as_json:
        tree = {"ok": not bad, "lsn": last, "tables": [*map(tree_of, tables)]}
        print_json(tree | {"served": None if served is None else {"lsn": served.lsn, "problems": served.problems}})
    else:
        show_compared(last, tables)
        click.echo(served_text(served))
    return 1 if bad else 0


@frozen
class Served:
    """What a running server has, compared with the log."""

    lsn: LSN
    problems: dict[str, str]
    """The first difference, by table."""


def compare_served(replayable: Replayable) -> Served | None:
    """None if the folder is not being served.  Raises RequestRefused."""
    folder = replayable.folder
    target = Target(folder.url or "", None, folder)
    if folder.url is None or target.admin_key is None:
        return None
    try:
        said = ask(target, "POST", STATE_ROUTE, {})
        look, found = rebuilt(replayable, LSN(said["lsn"])), dict[str, TableDigest]()
        done(look.slices(found))
        problems: dict[str, str] = {}
        for name in sorted({*found, *said["tables"]}):
            own = asdict(found[name]) if name in found else None
            if own != said["tables"].get(name):
                problems[name] = first_difference(replayable, target, name)
    except ServerUnreachable:
        return None  # A crash left its address.
    return Served(LSN(said["lsn"]), problems)


def rebuilt(replayable: Replayable, lsn: LSN) -> Look:
    """The same of the log as it is by now: the server has gone on."""
    replica = Replica.at(open_log(replayable.storage).reader, replayable.folder.secret, lsn)
    return Look.at(replica.tables, replica.codecs)


def first_difference(replayable: Replayable, target: Target, table: str) -> str:
    said = ask(target, "POST", STATE_ROUTE, {"table": table})
    own: dict[str, str] = {}
    done(rebuilt(replayable, LSN(said["lsn"])).documents(table, own))
    served = said["documents"]
    for id in {**own, **served}:
        if own.get(id) != served.get(id):
            if id not in own:
                return f"{id} is served, but not in the log"
            return f"{id} is another one" if id in served else f"{id} is in the log, but not served"
    return "an index has other keys"


def served_text(served: Served | None) -> str:
    if served is None:
        return "the folder is not being served: there is nothing more to compare"
    if not served.problems:
        return f"the server has the same as of entry {served.lsn}"
    lines = [f"the server has something else as of entry {served.lsn}:"]
    return "\n".join([*lines, *(f"  {table}: {problem}" for table, problem in served.problems.items())])


def show_compared(last: int, tables: list[Compared]) -> None:
    from .log import console_of

    rows = [(each.table, f"{each.documents:,}", f"{each.keys:,}", each.problem or "the same") for each in tables]
    click.echo(f"after entry {last}, replayed entry by entry and as on a start:")
    console_of().print(table_of(("table", "documents", "index keys", "both are"), rows))


def tree_of(each: Compared) -> dict[str, object]:
    return {"table": each.table, "documents": each.documents, "keys": each.keys, "problem": each.problem or None}
