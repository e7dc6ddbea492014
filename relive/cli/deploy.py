"""`relive deploy`: have a running server serve another version of its app."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from ..engine.application.app import App, load_app
from .administration import Tree, ask_lines, server_command
from .errors import DeployFailed, DeployRefused, ServerUnreachable
from .options import app_argument
from .output import print_json, say
from .progress import DocumentProgress
from .run import Target

ROUTE = "/api/relive/deploy"
CODE_DIGITS = 12
REFUSED = ("AppInvalid", "SchemaMismatch")
"""Failures that the app is to blame for."""
LOST = "the connection to {} was lost before the deploy had ended: see what is served, and deploy again if need be"
KINDS = {"tables": "table", "indexes": "index", "functions": "function", "crons": "cron", "modules": "module"}


@click.command()
@app_argument
@click.option("--dry-run", is_flag=True, help="Check the code and all stored documents, and change nothing.")
@server_command
def deploy(app: Path, dry_run: bool, target: Target, as_json: bool) -> None:
    """Have a running server serve APP.

    The old code serves until every stored document was read with the new code and fits; then tables,
    indexes and functions switch in one entry of the log, and live queries run again. If anything is
    wrong, nothing changes. What is deployed is served after a restart too, if `relive serve` is given
    no APP. A table that APP does not define keeps its documents.

    To end the command before the switch is to cancel the deploy.
    """
    loaded = load_app(app)
    for warning in loaded.warnings:
        say(warning)
    ended = followed(target, loaded, dry_run)
    if as_json:
        print_json(ended)
    if ended["state"] == "failed":
        raise (DeployRefused if ended["code"] in REFUSED else DeployFailed)(ended["code"], ended["message"])
    if not as_json:
        for line in text_of(loaded, ended):
            click.echo(line)


def followed(target: Target, app: App, dry_run: bool) -> Tree:
    """Deploy, and wait for the end; what the server says of it, all states in one.

    Raises DeployFailed if it is not known, ServerUnreachable, RequestRefused.
    """
    source = {name: text.decode() for name, text in app.bundle.source.items()}
    wanted = {"app": app.name, "source": source, "dryRun": dry_run}
    said: Tree = {}
    with DocumentProgress("checking documents") as progress:
        try:
            for line in ask_lines(target, "POST", ROUTE, wanted):
                said |= line
                if line["state"] == "pending" and line["total"]:
                    progress.update(line["checked"], line["total"])
        except ServerUnreachable as error:
            if not said:
                raise
            raise DeployFailed("ConnectionLost", LOST.format(target.url)) from error
    if said.get("state") not in ("validated", "active", "failed") or (said["state"] == "validated" and not dry_run):
        raise DeployFailed("ConnectionLost", LOST.format(target.url))
    if said.get("total") is None:
        said.pop("total", None)  # There was nothing to check.
    about = {"app": app.name, "dryRun": dry_run} | said
    # The code of a failure says which it is, and not what runs.
    return about if said["state"] == "failed" else {"app": app.name, "code": app.code.hex()} | about


def text_of(app: App, ended: Tree) -> Iterator[str]:
    name = f"{app.name} {app.code.hex()[:CODE_DIGITS]}"
    checked = f"{ended['checked']:,} stored documents fit"
    if ended["state"] == "validated":
        yield f"{name} could be deployed: {checked}; it would change"
    elif ended["entry"] is None:
        yield f"{name} is what is served already; nothing was deployed"
        return
    else:
        yield f"deployed {name} as entry {ended['entry']}: {checked}; changed"
    yield from changes_text(ended["changes"])


def changes_text(changes: Tree) -> Iterable[str]:
    for kinds, kind in KINDS.items():
        for each in changes[kinds]["added"]:
            yield f"  + {kind} {each['name']} {shown(kind, each['is'])}".rstrip()
        for each in changes[kinds]["removed"]:
            note = "(its documents stay)" if kind == "table" else shown(kind, each["was"])
            yield f"  - {kind} {each['name']} {note}".rstrip()
        for each in changes[kinds]["changed"]:
            became = f"{each['was']} -> {each['is']}" if kind != "module" else ""
            yield f"  ~ {kind} {each['name']} {became}".rstrip()


def shown(kind: str, look: str) -> str:
    """What says something to a reader; the hash of a module does not."""
    return "" if kind == "module" else look
