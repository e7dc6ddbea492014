"""`relive run --watch`: show each new result of a live query."""

from __future__ import annotations

import signal
from collections.abc import Callable

import click
import trio

from ..engine.determinism.real import real_entropy
from ..engine.server.formats import failure_json, success_json
from ..protocol import json
from ..protocol.messages import QueryFailed, QueryUpdated
from ..protocol.paths import FunctionPath
from .live import LiveClient
from .output import readable, say


def watch_query(
    url: str,
    admin_key: Callable[[], str | None],
    acting_as: dict[str, object] | None,
    path: FunctionPath,
    arguments: dict[str, object],
    as_json: bool,
) -> None:
    """Show results until SIGINT or SIGTERM.  Raises ServerUnreachable if there is no server at first."""

    def show(result: QueryUpdated | QueryFailed) -> None:
        show_json(result) if as_json else show_text(str(path), result)

    client = LiveClient(url, admin_key, acting_as, str(path), arguments, show, say, real_entropy)
    trio.run(until_signal, client)


async def until_signal(client: LiveClient) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.run)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                break
        nursery.cancel_scope.cancel()


def show_text(function: str, result: QueryUpdated | QueryFailed) -> None:
    for line in result.log_lines:
        click.echo(line, err=True)
    if isinstance(result, QueryUpdated):
        click.echo(readable(json.decode(result.value)))
    else:
        say(f"{function} failed: {result.message}")


def show_json(result: QueryUpdated | QueryFailed) -> None:
    """In the form in which HTTP answers."""
    if isinstance(result, QueryUpdated):
        answer = success_json(result.value, result.log_lines)
    else:
        answer = failure_json(result.message, result.error_data, result.log_lines)
    click.echo(answer.decode())
