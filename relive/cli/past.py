"""`relive run --at`: a query as of any moment, from the data folder.

Whether it is being served or not; nothing is written.
"""

from __future__ import annotations

from pathlib import Path

import click

from ..engine.application.app import App
from ..engine.deployment.deploy import deployed_app
from ..engine.history.past_query import Asked, ask
from ..engine.history.replica import Replica
from ..engine.history.starting import state_at
from ..log.entry import LSN
from ..protocol import json
from ..protocol.paths import FunctionPath
from .errors import CallFailed
from .log_files import named_in_full
from .moments import Moment, Time, moment_of
from .output import print_json, readable
from .replaying import Replayable, limit_handlers, open_to_replay


def run_at(
    data: Path, path: FunctionPath, arguments: dict[str, object], at: LSN | Time, code: str, as_json: bool
) -> int:
    """Run a query as of a moment, with the code of ``then`` or ``now``.  Raises CallFailed and others."""
    replayable = open_to_replay(data)
    asked, _ = asked_at(replayable, path, arguments, at, code)
    for line in asked.lines if not as_json else ():
        click.echo(line, err=True)
    if as_json:
        print_json(answer_tree(asked))
        return 0 if asked.value is not None else 1
    click.echo(readable(json.decode(value_of(asked, path))))
    return 0


def asked_at(
    replayable: Replayable,
    path: FunctionPath,
    arguments: dict[str, object],
    at: LSN | Time | None,
    code: str,
) -> tuple[Asked, Moment]:
    limit_handlers()
    with named_in_full(replayable.storage):
        moment = moment_of(replayable, at)
        app = newest_app(replayable) if code == "now" else None
        replica = Replica.at(replayable.log.reader, replayable.folder.secret, moment.lsn, app)
        return ask(replica, str(path), arguments, moment.ts), moment


def newest_app(replayable: Replayable) -> App:
    """What was deployed last.  Raises AppInvalid if it does not load here."""
    return deployed_app(state_at(replayable.log.reader, replayable.log.last).deployment)


def value_of(asked: Asked, path: FunctionPath) -> bytes:
    if asked.value is None:
        raise CallFailed(str(path), asked.problem)
    return asked.value


def answer_tree(asked: Asked) -> dict[str, object]:
    """In the form in which HTTP answers."""
    lines = list(asked.lines)
    if asked.value is None:
        data = {} if asked.data is None else {"errorData": json.parse(asked.data)}
        return {"status": "error", "errorMessage": asked.problem, "logLines": lines} | data
    return {"status": "success", "value": json.parse(asked.value), "logLines": lines}
