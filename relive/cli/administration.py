"""What commands have in common that administer a running server.

They need the admin key: the one they are given, or that of the data folder, which is sent to another
``--url`` only if ``--data`` is given as well.
"""

from __future__ import annotations

import json as plain_json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx

from ..engine.version import ENGINE_VERSION
from .errors import ServerUnreachable
from .options import HOST, PORT, data_option, json_option, traceback_option
from .run import ANSWER_S_MAX, CONNECT_S_MAX, LOCAL_HOSTS, Target, check_url, refusal, target_of

KEY_VARIABLE = "RELIVE_ADMIN_KEY"
Tree = dict[str, Any]


def server_command(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say where the server is; the command is given ``target`` and ``as_json``."""

    @wraps(command)
    def run(*, target: Target, **options: Any) -> Any:
        if target.admin_key is None:
            problem = f"this needs the admin key: name the data folder with --data, or set {KEY_VARIABLE}"
            raise click.UsageError(problem)
        return command(target=target, **options)

    return server_or_folder_command(run)


def server_or_folder_command(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for commands that can do without a server (`server_of`); the key may be missing."""

    @data_option
    @click.option(
        "--url",
        default=None,
        callback=check_url,
        help=f"The server. [default: the one of the data folder, or http://{HOST}:{PORT}]",
    )
    @click.option(
        "--admin-key",
        default=None,
        envvar=KEY_VARIABLE,
        metavar="KEY",
        help=f"The server's admin key. [default: ${KEY_VARIABLE}, or the one of the data folder]",
    )
    @json_option
    @traceback_option
    @click.pass_context
    @wraps(command)
    def run(context: click.Context, /, *, data: Path, url: str | None, admin_key: str | None, **options: Any) -> Any:
        is_data_given = context.get_parameter_source("data") is not click.core.ParameterSource.DEFAULT
        target = target_of(data, is_data_given, url)
        if admin_key is not None:
            target = Target(target.url, admin_key)
        return command(target=target, **options)

    return run


def ask(target: Target, method: str, route: str, body: object = None) -> Tree:
    """The server's answer, a JSON object.  Raises ServerUnreachable, RequestRefused."""
    with answering(target, method, route, body) as response:
        response.read()
        tree: Tree = plain_json.loads(response.text)
    return tree


def ask_lines(target: Target, method: str, route: str, body: object = None) -> Iterator[Tree]:
    """The same of an answer that comes bit by bit: one JSON object on each line."""
    with answering(target, method, route, body) as response:
        for line in response.iter_lines():
            yield plain_json.loads(line)


def server_of(context: click.Context, target: Target) -> Target | None:
    """The server to ask: one that was named, or one that answers for the data folder; None if there is none.

    Raises RequestRefused if the key is wrong.
    """
    if context.params["url"] is None and target.admin_key is None:
        return None
    if target.admin_key is None:
        raise click.UsageError(f"this needs the admin key: name the data folder with --data, or set {KEY_VARIABLE}")
    try:
        ask(target, "GET", "/api/check_admin_key")
    except ServerUnreachable:
        if context.params["url"] is not None:
            raise
        return None
    return target


@contextmanager
def answering(
    target: Target, method: str, route: str, body: object, content: Iterable[bytes] | None = None
) -> Iterator[httpx.Response]:
    """``body`` is sent as JSON, or ``content`` as it is."""
    headers = {"Convex-Client": f"relive-{ENGINE_VERSION}", "Authorization": f"Convex {target.admin_key}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        with httpx.stream(
            method,
            target.url + route,
            content=content if body is None else plain_json.dumps(body).encode(),
            headers=headers,
            timeout=httpx.Timeout(ANSWER_S_MAX, connect=CONNECT_S_MAX),
            trust_env=urlsplit(target.url).hostname not in LOCAL_HOSTS,  # no proxy on the way to ourselves
        ) as response:
            if response.status_code != 200:
                response.read()
                raise refusal(target.url, response)
            yield response
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServerUnreachable(target.url, str(error) or type(error).__name__) from error
