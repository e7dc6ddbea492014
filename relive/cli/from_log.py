"""`relive test from-log`: a pytest file that reproduces one request."""

from __future__ import annotations

from pathlib import Path
from pprint import pformat

import click

from ..engine.data.system_tables import EnvironmentVariable
from ..engine.recorded import Recorded, recorded_from
from ..log.entry import LSN
from .errors import FileExists
from .log_files import named_in_full
from .options import data_option, json_option, traceback_option
from .output import print_json, say
from .replaying import limit_handlers, open_to_replay

WIDTH = 96
INDENT = " " * 8
TEMPLATE = '''\
"""Entry {lsn}, {function}: run again as the log has recorded it.

Made by `relive test from-log`.  It passes while the function writes and returns what it did then.
"""

from relive.testing import run_recorded


def test_entry_{lsn}_{name}() -> None:
    run = run_recorded(
        {app!r},  # the app's folder
        {function!r},
        {args},
        clock_ns={clock_ns},
        committed_ns={committed_ns},
        seed={seed!r},
        request_id={request_id!r},
        identity={identity},
        session={session!r},
        documents={documents},
    )

    assert run.result == {result}
    assert run.writes == {writes}
'''


@click.group(name="test", no_args_is_help=False)
def test() -> None:
    """Make tests of what has happened."""


@test.command(name="from-log")
@click.argument("lsn", type=click.IntRange(1))
@data_option
@click.option("--app", default=None, metavar="DIR", help="The app's folder, as the test names it. [default: its name]")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="A new file, not stdout."
)
@json_option
@traceback_option
def from_log(lsn: int, data: Path, app: str | None, output: Path | None, as_json: bool) -> None:
    """Write a pytest file that reproduces the request of entry LSN.

    \b
    relive test from-log 812344 -o tests/test_downgrade.py

    With the documents that it read, its arguments, clock, chance and identity; it asserts what was written
    and returned. The values of documents stand in the file: look before you share it.
    """
    replayable = open_to_replay(data)
    limit_handlers()
    with named_in_full(replayable.storage):
        recorded = recorded_from(replayable.log.reader, replayable.folder.secret, LSN(lsn))
    text = text_of(recorded, app or recorded.app)
    if EnvironmentVariable.__table__ in recorded.documents:
        say("the test holds the values of environment variables that the function has read")
    if output is None:
        print_json({"lsn": lsn, "test": text}) if as_json else click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise FileExists(str(output)) from None
    print_json({"lsn": lsn, "file": str(output)}) if as_json else click.echo(f"{output}: entry {lsn} as a test")


def text_of(recorded: Recorded, app: str) -> str:
    return TEMPLATE.format(
        lsn=recorded.lsn,
        name=recorded.function.replace("/", "_").replace(":", "_"),
        app=app,
        function=recorded.function,
        args=literal(recorded.args),
        clock_ns=recorded.clock_ns,
        committed_ns=recorded.committed_ns,
        seed=recorded.seed,
        request_id=recorded.request_id,
        identity=literal(recorded.identity),
        session=recorded.session,
        documents=literal(recorded.documents),
        result=literal(recorded.outcome.result, INDENT[:4]),
        writes=literal(recorded.outcome.writes, INDENT[:4]),
    )


def literal(tree: object, indent: str = INDENT) -> str:
    return pformat(tree, width=WIDTH, sort_dicts=False).replace("\n", f"\n{indent}")
