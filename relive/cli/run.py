"""`relive run`: call a function of a running server."""

from __future__ import annotations

import json as plain_json
import re
import sys
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx
from attrs import field, frozen

from ..engine.data_folder import DataFolder
from ..engine.errors import DataFolderInvalid
from ..engine.version import ENGINE_VERSION
from ..log.entry import LSN
from ..protocol import json, paths
from ..protocol.errors import InvalidPath, InvalidValue
from ..protocol.paths import FunctionPath
from .errors import CallFailed, RequestRefused, ServerUnreachable
from .moments import Time, check_moment
from .options import HOST, PORT, data_option, json_option, traceback_option
from .output import readable

CONNECT_S_MAX = 5.0
ANSWER_S_MAX = 300.0
FORMAT = "convex_encoded_json"
HIDDEN = re.compile(r"\[Request ID: ([0-9a-f]+)\] Server Error")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@frozen
class Target:
    """A server, and what we may do there."""

    url: str
    given_key: str | None = field(repr=False)
    folder: DataFolder | None = None
    """Whose server it is, if that is known."""

    @property
    def admin_key(self) -> str | None:
        """The one that was given, or that of the server as it runs now: after a restart it is another."""
        if self.given_key is not None or self.folder is None:
            return self.given_key
        return self.folder.local_key


def check_url(context: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"write it as http://{HOST}:{PORT}, not {url!r}", context, parameter)
    return url.rstrip("/")


def check_identity(context: click.Context, parameter: click.Parameter, text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    try:
        tree = json.parse(text)
    except InvalidValue as error:
        raise click.BadParameter(str(error), context, parameter) from None
    if not isinstance(tree, dict):
        raise click.BadParameter('it is a JSON object, as \'{"subject": "ada"}\'', context, parameter)
    return tree


@click.command()
@click.argument("function")
@click.argument("arguments", default="{}")
@data_option
@click.option(
    "--url",
    default=None,
    callback=check_url,
    help=f"The server. [default: the one of the data folder, or http://{HOST}:{PORT}]",
)
@click.option("--watch", is_flag=True, help="Stay, and show every new result of a query.")
@click.option(
    "--at",
    default=None,
    callback=check_moment,
    metavar="LSN|TIME",
    help="Run a query as of then, from the data folder.",
)
@click.option(
    "--code", type=click.Choice(("then", "now")), default=None, help="With --at: whose code runs. [default: then]"
)
@click.option(
    "--identity",
    default=None,
    callback=check_identity,
    metavar="JSON",
    help='Act as somebody, for functions that ask: \'{"subject": "ada"}\'. Needs the admin key.',
)
@json_option
@traceback_option
@click.pass_context
def run(
    context: click.Context,
    function: str,
    arguments: str,
    data: Path,
    url: str | None,
    watch: bool,
    at: LSN | Time | None,
    code: str | None,
    identity: dict[str, object] | None,
    as_json: bool,
) -> int:
    """Call FUNCTION, as module:name, with ARGUMENTS, a JSON object; - reads them from stdin.

    \b
    relive run tasks:add '{"title": "Try relive"}'
    relive run tasks:unfinished --watch
    relive run tasks:unfinished --at 2026-09-20T14:03:00Z

    With the admin key of the data folder internal functions can be called too. The key is sent to
    another --url only if --data is given as well.
    """
    path, tree = path_of(function), arguments_of(arguments)
    if at is not None:
        if identity is not None:
            raise click.UsageError("--identity is for a server that runs, and does not go with --at")
        if watch or url is not None:
            raise click.UsageError("--at reads the data folder: it goes with neither --watch nor --url")
        from .past import run_at  # Much to import.

        return run_at(data, path, tree, at, code or "then", as_json)
    if code is not None:
        raise click.UsageError("--code belongs to --at")
    is_data_given = context.get_parameter_source("data") is not click.core.ParameterSource.DEFAULT
    target = target_of(data, is_data_given, url)
    if identity is not None and target.admin_key is None:
        raise click.UsageError("--identity needs the admin key: give --data, the folder that the server serves")
    if watch:
        from .watching import watch_query

        watch_query(target.url, lambda: target.admin_key, identity, path, tree, as_json)
        return 0
    answer = call(target, path, tree, identity)
    return show(str(path), answer, as_json)


def path_of(function: str) -> FunctionPath:
    try:
        return paths.parse(function)
    except InvalidPath as error:
        raise click.UsageError(str(error)) from None


def arguments_of(text: str) -> dict[str, object]:
    """``-`` is what stdin says."""
    if text == "-":
        text = sys.stdin.read()
    try:
        tree = json.parse(text)
        json.from_json(tree)
    except InvalidValue as error:
        raise click.UsageError(f"ARGUMENTS: {error}") from None
    if not isinstance(tree, dict):
        raise click.UsageError('ARGUMENTS must be a JSON object of named values, as \'{"title": "x"}\'')
    return tree


def target_of(data: Path, is_data_given: bool, url: str | None) -> Target:
    """Where to go.  A key found by chance in the current folder is not shown to a server named by --url."""
    folder = None
    if is_data_given or url is None:
        try:
            folder = DataFolder.read(data)
        except DataFolderInvalid:
            if is_data_given:
                raise
    found = folder.url if folder is not None else None
    return Target(url or found or f"http://{HOST}:{PORT}", None, folder)


def call(
    target: Target, path: FunctionPath, arguments: dict[str, object], identity: dict[str, object] | None = None
) -> str:
    """The server's answer, a JSON text.  Raises ServerUnreachable, RequestRefused."""
    headers = {"Convex-Client": f"relive-{ENGINE_VERSION}"}
    body: dict[str, object] = {"args": arguments, "format": FORMAT}
    if target.admin_key is not None:
        acting = f":{b64encode(json.dump(identity)).decode()}" if identity is not None else ""
        headers["Authorization"] = f"Convex {target.admin_key}{acting}"
        route = "/api/function"
        body["path"] = str(path)
    else:
        # Takes any kind of public function.
        route = f"/api/run/{path.module}/{path.function}"
    try:
        answer = httpx.post(
            target.url + route,
            content=json.dump(body),
            headers={**headers, "Content-Type": "application/json"},
            timeout=httpx.Timeout(ANSWER_S_MAX, connect=CONNECT_S_MAX),
            trust_env=urlsplit(target.url).hostname not in LOCAL_HOSTS,  # no proxy on the way to ourselves
        )
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServerUnreachable(target.url, str(error) or type(error).__name__) from error
    if answer.status_code != 200:
        raise refusal(target.url, answer)
    return answer.text


def refusal(url: str, answer: httpx.Response) -> RequestRefused:
    try:
        problem = plain_json.loads(answer.text)
        return RequestRefused(url, str(problem["code"]), str(problem["message"]))
    except (ValueError, KeyError, TypeError):
        return RequestRefused(url, f"HTTP {answer.status_code}", "it does not seem to be a relive server")


def show(function: str, text: str, as_json: bool) -> int:
    """Print the answer; the exit code.  Raises CallFailed."""
    answer = plain_json.loads(text)
    if as_json:
        click.echo(text)
        return 0 if answer["status"] == "success" else 1
    for line in answer.get("logLines", []):
        click.echo(line, err=True)
    if answer["status"] != "success":
        raise CallFailed(function, explained(str(answer["errorMessage"])))
    click.echo(readable(json.from_json(answer["value"])))
    return 0


def explained(message: str) -> str:
    """What a server keeps from clients, it tells holders of its admin key."""
    match = HIDDEN.fullmatch(message)
    return (
        f"{message}; there, `relive logs --no-follow --request {match[1]}` shows why" if match is not None else message
    )
