"""`relive replay`: the state rebuilt from the log in two ways, and compared."""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.history.comparison import Compared, compare_states
from .log_files import named_in_full
from .options import data_option, json_option, traceback_option
from .output import print_json
from .progress import DocumentProgress
from .replaying import PROGRESS_AFTER_S, open_to_replay
from .statistics_text import table_of


@click.command()
@data_option
@json_option
@traceback_option
def replay(data: Path, as_json: bool) -> int:
    """Rebuild the state from the log in both ways, entry by entry and as on a start, and compare.

    Exit code 0: the same documents under the same keys. Exit code 1: the first difference of each
    table is shown.
    """
    replayable = open_to_replay(data)
    with DocumentProgress("replaying", after_s=PROGRESS_AFTER_S) as progress, named_in_full(replayable.storage):
        last = replayable.log.last
        tables = compare_states(replayable.log.reader, replayable.folder.secret, last, progress.update)
    if as_json:
        print_json({"ok": not any(each.problem for each in tables), "lsn": last, "tables": [*map(tree_of, tables)]})
    else:
        show_compared(last, tables)
    return 1 if any(each.problem for each in tables) else 0


def show_compared(last: int, tables: list[Compared]) -> None:
    from .log import console_of

    rows = [(each.table, f"{each.documents:,}", f"{each.keys:,}", each.problem or "the same") for each in tables]
    click.echo(f"after entry {last}, replayed entry by entry and as on a start:")
    console_of().print(table_of(("table", "documents", "index keys", "both are"), rows))


def tree_of(each: Compared) -> dict[str, object]:
    return {"table": each.table, "documents": each.documents, "keys": each.keys, "problem": each.problem or None}
