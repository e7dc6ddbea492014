"""The `relive` command: its subcommands, its exit codes, and how errors are shown.

A subcommand is imported when it is used or listed.  Whatever it raises becomes one message on
stderr and an exit code; a traceback is shown only if asked for.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click
from attrs import define

from ..engine.version import ENGINE_VERSION
from ..log.asserts import require_asserts
from .exit_codes import FAILED, INTERRUPTED
from .options import traceback_option
from .output import say

HELP = """\
relive: a reactive backend in Python, with a log of every change.

APP is a folder with schema.py and modules of functions. Results go to stdout, everything else to
stderr.

\b
Exit codes:
  0  done; for a server: stopped as asked
  1  failed; for `relive log verify`: the log is damaged, or came out otherwise
  2  wrong usage, or no such data folder, log or entry
  3  the data folder or the port is in use
  4  the app is refused: it does not load, or stored documents do not fit its schema
  5  the log, or a backup, is damaged
"""
COMMANDS = {
    "init": "init:init",
    "dev": "dev:dev",
    "serve": "serve:serve",
    "deploy": "deploy:deploy",
    "run": "run:run",
    "env": "env:env",
    "migrate": "migrate:migrate",
    "actions": "actions:actions",
    "jobs": "jobs:jobs",
    "logs": "logs:logs",
    "codegen": "codegen:codegen",
    "pause": "pause:pause",
    "resume": "pause:resume",
    "log": "log:log",
    "blame": "blame:blame",
    "why": "why:why",
    "replay": "replay:replay",
    "export": "export:export",
    "import": "importing:import_file",
    "fork": "fork:fork_command",
    "backup": "backup:backup",
    "restore": "restore:restore",
    "shadow": "shadow:shadow",
    "simulate": "simulate:simulate",
    "test": "from_log:test",
    "admin-key": "admin_key:admin_key",
}
"""Where each is: module and name."""


@define(eq=False)
class Shown:
    """What is shown of an error."""

    traceback: bool = False


class Commands(click.Group):
    """Imports a subcommand when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(f".{module}", __package__), name)
        assert isinstance(command, click.Command), cmd_name
        return command


@click.command(cls=Commands, help=HELP, invoke_without_command=True, context_settings={"max_content_width": 100})
@click.version_option(ENGINE_VERSION, message="relive %(version)s")
@traceback_option
@click.pass_context
def cli(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Run the command that the process was started with, and end the process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    shown = Shown()
    try:
        require_asserts()
        code = cli.main(list(arguments), prog_name="relive", standalone_mode=False, obj=shown)
        sys.stdout.flush()
    except click.ClickException as error:
        say(usage_text(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        from .failures import exit_code_of, plainest, text_of  # Every error of relive: too much to load beforehand.

        if shown.traceback:
            traceback.print_exception(error)
        cause = plainest(error)
        say(text_of(cause))
        return exit_code_of(cause)
    return code if isinstance(code, int) else 0


def usage_text(error: click.ClickException) -> str:
    text = error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return text
    return f"{text}{'' if text[-1:] in '.?!' else '.'} See `{context.command_path} --help`."
