"""`relive env`: environment variables of a running server, which its functions read as ``ctx.env``."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import click
from dotenv.parser import parse_stream

from .administration import ask, server_command
from .errors import VariableMissing
from .output import print_json, say
from .run import Target

PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
"""Values that need no quotes in a .env file."""
LIST = "/api/list_environment_variables"
UPDATE = "/api/update_environment_variables"


@click.group(no_args_is_help=False)
def env() -> None:
    """Environment variables: what functions read as ctx.env["NAME"].

    They belong to the database: set once, they stay over restarts and deploys, and live queries that
    looked at one run again when it is changed.
    """


@env.command("list")
@click.option("--names", is_flag=True, help="Without the values, which may be secrets.")
@server_command
def list_variables(target: Target, names: bool, as_json: bool) -> None:
    """Show all variables, as NAME=value; the output can be read again with `set --file`."""
    variables = variables_of(target)
    if as_json:
        print_json(sorted(variables) if names else variables)
    elif not variables:
        say("no environment variables are set")
    else:
        for name, value in variables.items():
            click.echo(name if names else f"{name}={quoted(value)}")


@env.command()
@click.argument("name")
@server_command
def get(target: Target, name: str, as_json: bool) -> None:
    """Show the value of NAME."""
    value = variables_of(target).get(name)
    if value is None:
        raise VariableMissing(name)
    print_json({"name": name, "value": value}) if as_json else click.echo(value)


@env.command("set")
@click.argument("name", required=False)
@click.argument("value", required=False)
@click.option(
    "--file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Set all of a .env file; - is stdin.",
)
@server_command
def set_variables(target: Target, name: str | None, value: str | None, file: Path | None, as_json: bool) -> None:
    """Set NAME to VALUE, or all that --file holds.

    \b
    relive env set LEVEL debug
    relive env set LEVEL=debug
    relive env set API_KEY < key.txt      # other users of the machine do not see it
    relive env set --file .env

    All changes are made at once, or none.
    """
    if (name is None) == (file is None):
        raise click.UsageError("name one variable, or a file with --file")
    change(target, values_of(file) if file is not None else one_value(str(name), value), as_json)


@env.command()
@click.argument("names", nargs=-1, required=True)
@server_command
def remove(target: Target, names: tuple[str, ...], as_json: bool) -> None:
    """Remove variables."""
    change(target, dict.fromkeys(names), as_json)


def variables_of(target: Target) -> dict[str, str]:
    variables: dict[str, str] = ask(target, "GET", LIST)["environmentVariables"]
    return variables


def change(target: Target, values: dict[str, str | None], as_json: bool) -> None:
    changes = [{"name": name, "value": value} for name, value in values.items()]
    answer = ask(target, "POST", UPDATE, {"changes": changes})
    if as_json:
        print_json({"changed": answer["changed"]})
        return
    verbs = {"removed" if value is None else "set" for value in values.values()}
    same = len(values) - answer["changed"]
    note = f" ({same} had that value already)" if same and verbs == {"set"} else ""
    note = f" ({same} were not set)" if same and verbs == {"removed"} else note
    say(f"{' and '.join(sorted(verbs))}: {', '.join(values)}{note}")


def one_value(name: str, value: str | None) -> dict[str, str | None]:
    head, sign, tail = name.partition("=")
    if sign and value is not None:
        raise click.UsageError("write NAME=VALUE or NAME VALUE, not both; quote a value that holds spaces")
    if sign:
        return {head: tail}
    if value is None:
        if sys.stdin.isatty():
            value = str(click.prompt(f"value of {name}", hide_input=True, err=True))
        else:
            # One end of line belongs to the file, not to the value.
            value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    return {name: value}


def values_of(file: Path) -> dict[str, str | None]:
    """What a .env file sets.  A later line wins over an earlier one."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file}: not UTF-8 text: {error}") from None
    values: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise click.UsageError(f"{file}, line {binding.original.line}: write NAME=value")
        if binding.key is not None:
            values[binding.key] = binding.value
    if not values:
        raise click.UsageError(f"{file} sets no variables")
    return values


def quoted(value: str) -> str:
    """As a .env file has it, to be read again."""
    if PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
