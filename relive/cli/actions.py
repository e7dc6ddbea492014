"""`relive actions`: durable actions of a running server, and how far each has come."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .administration import Tree, ask, server_command
from .entry_text import time_text
from .output import print_json, say
from .run import Target

ROUTE = "/api/relive/actions"
COLUMNS = ("id", "action", "state", "runs", "started (UTC)")
STEP_COLUMNS = ("step", "name", "state", "failed attempts", "result")
RESULT_CHARS_SHOWN = 60


@click.group(no_args_is_help=False)
def actions() -> None:
    """Durable actions: those that go on after a crash, and their steps."""


@actions.command("list")
@server_command
def list_actions(target: Target, as_json: bool) -> None:
    """Show all durable actions: first those that have not ended."""
    found: list[Tree] = ask(target, "GET", ROUTE)["actions"]
    if as_json:
        print_json(found)
        return
    if not found:
        say("no durable action was ever started: decorate a function with @action(durable=True), and call it")
        return
    rows = [
        (each["id"], each["function"], state_text(each), f"{each['runs']:g}", moment(each["started"])) for each in found
    ]
    show(COLUMNS, rows)


@actions.command("show")
@click.argument("id")
@server_command
def show_action(target: Target, id: str, as_json: bool) -> None:
    """Show one durable action, with its steps."""
    found = ask(target, "GET", f"{ROUTE}/{quote(id, safe='')}")
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['function']} {json.dumps(found['args'])}: {state_text(found)}, begun {found['runs']:g} times")
    if found["error"]:
        click.echo(found["error"])
    elif found["state"] == "done":
        click.echo(f"gave {json.dumps(found['result'])}")
    show(
        STEP_COLUMNS,
        [
            (f"{each['position'] + 1:g}", each["name"], state_text(each), f"{each['attempts']:g}", outcome_text(each))
            for each in found["steps"]
        ],
    )


@actions.command()
@click.argument("id")
@server_command
def cancel(target: Target, id: str, as_json: bool) -> None:
    """Cancel a durable action; the steps that it has done stay done."""
    cancelled = ask(target, "POST", f"{ROUTE}/{quote(id, safe='')}/cancel", {})
    print_json(cancelled) if as_json else say(f"{cancelled['function']} {id} is cancelled")


def show(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name == "id")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(soft_wrap=True).print(table)


def state_text(each: Tree) -> str:
    if each["state"] == "waiting" and each["until"] is not None:
        return f"waiting until {moment(each['until'])}"
    return str(each["state"])


def outcome_text(step: Tree) -> str:
    text = step["error"].partition("\n")[0] if step["error"] else json.dumps(step["result"])
    return text if len(text) <= RESULT_CHARS_SHOWN else f"{text[:RESULT_CHARS_SHOWN]}..."


def moment(ms: float) -> str:
    return time_text(round(ms * 1e6))
