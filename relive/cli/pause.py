"""`relive pause` and `relive resume`: stop all functions of a running server, and let them run again."""

from __future__ import annotations

import click

from .administration import ask, server_command
from .output import print_json
from .run import Target

CHANGE = "/api/change_deployment_state"


@click.command()
@server_command
def pause(target: Target, as_json: bool) -> None:
    """Stop all functions: every call is answered with an error until `relive resume`.

    Deploys, environment variables and migrations go on working.
    """
    change(target, "paused", as_json)


@click.command()
@server_command
def resume(target: Target, as_json: bool) -> None:
    """Let functions run again after `relive pause`."""
    change(target, "running", as_json)


def change(target: Target, state: str, as_json: bool) -> None:
    answer = ask(target, "POST", CHANGE, {"newState": state})
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{target.url} is {state}" if answer["changed"] else f"{target.url} was {state} already")
