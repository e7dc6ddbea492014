"""`relive logs`: what the functions of a running server print, and why they fail."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import click

from ..engine.limits import EXECUTIONS_MAX
from .administration import Tree, ask, server_command
from .errors import ServerUnreachable
from .execution_text import KINDS, LEVELS, Filter, lines_of
from .output import print_json, say
from .run import Target

ROUTE = "/api/stream_function_logs"
HISTORY = 50
RETRY_S_MIN = 0.2
RETRY_S_MAX = 5.0


@click.command()
@click.option(
    "--history",
    type=click.IntRange(0, EXECUTIONS_MAX),
    default=HISTORY,
    show_default=True,
    metavar="N",
    help="So many of the newest executions first.",
)
@click.option("--no-follow", is_flag=True, help="Only those, then end.")
@click.option("--function", default=None, metavar="PATTERN", help="Only functions like messages:* or */tasks:add.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only such functions; may be repeated.")
@click.option("--level", type=click.Choice(LEVELS), default=LEVELS[0], help="Only lines as serious as this.")
@click.option("--errors", is_flag=True, help="Only executions that failed.")
@click.option(
    "--request", default=None, metavar="ID", help="Only the request that an error names, or its first digits."
)
@click.option("--success", is_flag=True, help="A line for each execution that succeeded, too.")
@server_command
def logs(
    target: Target,
    history: int,
    no_follow: bool,
    function: str | None,
    kinds: tuple[str, ...],
    level: str,
    errors: bool,
    request: str | None,
    success: bool,
    as_json: bool,
) -> None:
    """Show what functions print, and why they fail: what happened lately, then what happens.

    \b
    relive logs --errors
    relive logs --function 'messages:*' --level warn
    relive logs --history 10000 --no-follow --request 0f3a61c29d18e7b4

    The server remembers its newest executions until it ends; what mutations did stays in the log of
    the data folder, see `relive log show`. With --json, one execution on each line, complete.
    """
    wanted = Filter(function, kinds, request, errors, level, silent=success or as_json)
    # All that the server remembers, for most of it may not be wanted.
    tree = ask(target, "GET", f"{ROUTE}?cursor=0&limit={EXECUTIONS_MAX if history else 0}")
    past = [found for entry in tree["entries"] if (found := wanted.of(entry)) is not None]
    for entry in past[len(past) - min(history, len(past)) :]:
        show(entry, success, as_json)
    if no_follow:
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            follow(target, tree["newCursor"], wanted, success, as_json)
    finally:
        signal.signal(signal.SIGTERM, previous)


def follow(target: Target, cursor: float, wanted: Filter, success: bool, as_json: bool) -> None:
    """Show what ends after the cursor, for ever, also if the server is started again."""
    failures = 0
    while True:
        try:
            tree = ask(target, "GET", f"{ROUTE}?cursor={cursor!r}{'&limit=0' if failures else ''}")
        except ServerUnreachable as error:
            if not failures:
                say(f"the connection to {target.url} was lost ({error.problem}); trying again")
            time.sleep(min(RETRY_S_MIN * 2**failures, RETRY_S_MAX))
            failures += 1
            continue
        if failures:
            # That answer only told that the server is back; nothing has been missed.
            say(f"connected to {target.url} again")
            failures = 0
            continue
        cursor = tree["newCursor"]
        for entry in tree["entries"]:
            if (found := wanted.of(entry)) is not None:
                show(found, success, as_json)


def show(entry: Tree, success: bool, as_json: bool) -> None:
    if as_json:
        print_json(entry)
        return
    for line in lines_of(entry, success=success):
        click.echo(line, color=False if os.environ.get("NO_COLOR") else None)
