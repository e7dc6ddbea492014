"""`relive migrate`: run the migrations of a running server, and see how far they have come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..engine.limits import MIGRATION_BATCH_MAX
from .administration import Tree, ask, ask_lines, server_command
from .errors import MigrationFailed
from .output import print_json, say
from .progress import DocumentProgress
from .run import Target

ROUTE = "/api/relive/migrations"
LOOK_AGAIN_S = 0.1
COLUMNS = ("migration", "table", "state", "documents", "changed")

F = Callable[..., Any]


@click.group(no_args_is_help=False)
def migrate() -> None:
    """Migrations: functions that are given every stored document of a table.

    The order to change a schema: deploy one that old and new documents fit, run the migration, deploy
    the one that only new documents fit.
    """


@migrate.command("list")
@server_command
def list_migrations(target: Target, as_json: bool) -> None:
    """Show all migrations and how far each has come."""
    migrations = migrations_of(target)
    if as_json:
        print_json(migrations)
        return
    if not migrations:
        say("the deployed code has no migrations: decorate a function with @migration(Table)")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in COLUMNS[3:] else "left", overflow="fold")
    for each in migrations:
        table.add_row(*map(Text, row(each)))
    Console(soft_wrap=True).print(table)
    for each in migrations:
        if each["state"] == "failed":
            say(failure_text(each))


@migrate.command()
@click.argument("name", required=False)
@server_command
def status(target: Target, name: str | None, as_json: bool) -> None:
    """Show how far NAME has come, or the one that runs."""
    migrations = migrations_of(target)
    if name is None:
        found = [each for each in migrations if each["state"] == "running"]
    else:
        found = [each for each in migrations if name in (each["name"], each["name"].rpartition(":")[2])]
        if not found:
            raise click.UsageError(f"there is no migration {name!r}; `relive migrate list` shows those that there are")
    if as_json:
        print_json(found)
        return
    if not found:
        say("no migration is running")
    for each in found:
        click.echo(failure_text(each) if each["state"] == "failed" else state_text(each))


def run_options(command: F) -> F:
    for option in (
        click.option(
            "--batch",
            type=click.IntRange(1, MIGRATION_BATCH_MAX),
            default=None,
            metavar="N",
            help="Documents in one transaction. [default: what the migration says]",
        ),
        click.option("--restart", is_flag=True, help="Begin with the first document again."),
        click.option("--dry-run", is_flag=True, help="Change nothing; tell what would be changed, and what fails."),
        click.option("--detach", is_flag=True, help="Do not wait until it is done."),
    ):
        command = option(command)
    return command


@migrate.command("run")
@click.argument("name")
@run_options
@server_command
def run_migration(
    target: Target, name: str, batch: int | None, restart: bool, dry_run: bool, detach: bool, as_json: bool
) -> None:
    """Run NAME, or go on with it where it failed or was cancelled.

    It runs in the server, between the requests of clients, and goes on there if this command is
    interrupted. `relive migrate cancel NAME` stops it.
    """
    wanted = {"name": name, "restart": restart} | ({} if batch is None else {"batch": batch})
    if dry_run:
        show_rehearsal(rehearsed(target, wanted), as_json)
        return
    begun = ask(target, "POST", f"{ROUTE}/run", wanted)
    if detach:
        print_json(begun) if as_json else say(state_text(begun))
        return
    try:
        ended = followed(target, begun)
    except KeyboardInterrupt:
        say(f"{begun['name']} goes on in the server; `relive migrate cancel {begun['name']}` stops it")
        raise
    if as_json:
        print_json(ended)
    if ended["state"] != "done":
        raise MigrationFailed(failure_text(ended))
    if not as_json:
        say(state_text(ended))


@migrate.command()
@click.argument("name")
@server_command
def cancel(target: Target, name: str, as_json: bool) -> None:
    """Stop NAME; what it has done stays."""
    cancelled = ask(target, "POST", f"{ROUTE}/cancel", {"name": name})
    print_json(cancelled) if as_json else say(state_text(cancelled))


def migrations_of(target: Target) -> list[Tree]:
    migrations: list[Tree] = ask(target, "GET", ROUTE)["migrations"]
    return migrations


def followed(target: Target, begun: Tree) -> Tree:
    """Wait until it is not running any more; how it ended."""
    with DocumentProgress(begun["name"]) as progress:
        while True:
            (found,) = [each for each in migrations_of(target) if each["name"] == begun["name"]]
            progress.update(found["processed"], max(found["total"], found["processed"]))
            if found["state"] != "running":
                return found
            time.sleep(LOOK_AGAIN_S)


def rehearsed(target: Target, wanted: dict[str, object]) -> Tree:
    outcome: Tree = {}
    with DocumentProgress(f"{wanted['name']} (dry run)") as progress:
        for line in ask_lines(target, "POST", f"{ROUTE}/rehearse", wanted):
            outcome = line
            if "total" in line:
                progress.update(line["processed"], max(line["total"], line["processed"]))
    if "done" not in outcome:
        raise MigrationFailed(str(outcome.get("error", "the server stopped before the dry run was over")))
    return outcome


def show_rehearsal(outcome: Tree, as_json: bool) -> None:
    """Raises MigrationFailed if a document could not be migrated."""
    if as_json:
        print_json(outcome)
    else:
        click.echo(f"{outcome['name']}: {outcome['changed']:,} of {outcome['processed']:,} documents would be changed")
        for sample in outcome["samples"]:
            for write in sample["writes"]:
                click.echo(difference(write))
        for failure in outcome["failures"]:
            click.echo(f"{outcome['table']}/{failure['document']}: {failure['error']}")
    if outcome["failed"]:
        shown = len(outcome["failures"])
        more = "" if shown == outcome["failed"] else f", the first {shown} of them are shown"
        raise MigrationFailed(f"{outcome['name']} would fail at {outcome['failed']:,} document(s){more}")


def difference(write: Tree) -> str:
    """What would be written, field by field."""
    before, after = write["before"], write["after"]
    head = f"{write['table']}/{write['id']}"
    if before is None:
        return f"{head} would be created\n{lines_of('+', after)}"
    if after is None:
        return f"{head} would be deleted"
    lines = [head]
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if name not in after or (name in before and old != new):
            lines.append(lines_of("-", {name: old}))
        if name not in before or (name in after and old != new):
            lines.append(lines_of("+", {name: new}))
    return "\n".join(lines)


def lines_of(sign: str, fields: Tree) -> str:
    return "\n".join(f"  {sign} {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())


def row(migration: Tree) -> tuple[str, ...]:
    name = migration["name"] if migration["deployed"] else f"{migration['name']} (not deployed)"
    processed, total = migration["processed"], migration["total"]
    return (
        name,
        migration["table"],
        migration["state"],
        f"{processed:,} of {max(total, processed):,}",
        f"{migration['changed']:,}",
    )


def state_text(migration: Tree) -> str:
    _, table, state, documents, changed = row(migration)
    return f"{migration['name']} is {state}: {documents} documents of `{table}`, {changed} changed"


def failure_text(migration: Tree) -> str:
    where = f" at {migration['table']}/{migration['document']}" if migration["document"] else ""
    if migration["state"] != "failed":
        return state_text(migration)
    return (
        f"{migration['name']} failed{where} after {migration['processed']:,} documents: {migration['error']}\n"
        f"fix it, then go on with `relive migrate run {migration['name']}`"
    )
