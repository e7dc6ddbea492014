"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

HOST = "127.0.0.1"
PORT = 3210
DATA = ".relive"

F = TypeVar("F", bound=Callable[..., Any])


def folder_type() -> click.Path:
    return click.Path(file_okay=False, path_type=Path)


def show_traceback(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.obj.traceback = True


def traceback_option(command: F) -> F:
    return click.option(
        "--traceback",
        is_flag=True,
        expose_value=False,
        callback=show_traceback,
        help="Show where an error came from.",
    )(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")(command)


def data_option(command: F) -> F:
    return click.option(
        "--data", type=folder_type(), default=DATA, show_default=True, metavar="DIR", help="The data folder."
    )(command)


def app_argument(command: F) -> F:
    return click.argument("app", type=folder_type())(command)


def optional_app_argument(command: F) -> F:
    return click.argument("app", type=folder_type(), required=False)(command)


def server_options(command: F) -> F:
    """What `serve` and `dev` have in common."""
    for option in (
        json_option,
        click.option(
            "--debug",
            is_flag=True,
            help="For debuggers: let functions do anything, and take any time. Not for production.",
        ),
        click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 is any."),
        click.option(
            "--site-port",
            type=click.IntRange(0, 65535),
            default=None,
            help="Where HTTP actions are served. [default: one more than --port, if it is free]",
        ),
        click.option(
            "--public-url",
            metavar="URL",
            default=None,
            help="Under which address clients reach the server, such as that of a proxy; addresses of files use it.",
        ),
        click.option(
            "--files",
            metavar="PLACE",
            default=None,
            help="Where files are kept: s3://BUCKET or s3://BUCKET/PREFIX. [default: in the data folder]",
        ),
        click.option("--host", default=HOST, show_default=True, help="The address to listen on."),
        data_option,
    ):
        command = option(command)
    return traceback_option(command)
