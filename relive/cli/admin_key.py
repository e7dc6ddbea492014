"""`relive admin-key`: make, list and revoke the keys that open internal functions from elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from ..engine.admin_key import POWERS, Power
from ..engine.data_folder import DataFolder
from ..engine.determinism.real import real_clock_ns
from .options import data_option, json_option, traceback_option
from .output import print_json, say


@click.group(name="admin-key", no_args_is_help=False)
def admin_key() -> None:
    """Admin keys: what opens internal functions and administration from other machines.

    Only their hashes are kept, so a key is shown once, when it is made. Commands on the machine of the
    server need none: they use one that lives as long as the server.
    """


@admin_key.command()
@click.argument("name", default="default")
@data_option
@click.option(
    "--may",
    "powers",
    type=click.Choice(list(POWERS)),
    multiple=True,
    help="What it may do; again for more. Without this option: everything.",
)
@json_option
@traceback_option
def new(name: str, data: Path, powers: tuple[Power, ...], as_json: bool) -> None:
    """Make a key, and show it this once. NAME is what it is for.

    \b
    run      call every function, internal ones too, as anybody
    read     read every document, the log, its past, and what functions print
    write    import, pause, and cancel what runs or is scheduled
    deploy   deploy code and run migrations
    env      read and set environment variables
    """
    folder = DataFolder.read(data)
    may = tuple(dict.fromkeys(powers)) or tuple(POWERS)
    key = folder.new_admin_key(name, real_clock_ns(), may).key
    if as_json:
        print_json({"instanceName": folder.instance_name, "name": name, "may": list(may), "adminKey": key})
    else:
        click.echo(key)


@admin_key.command("list")
@data_option
@json_option
@traceback_option
def list_keys(data: Path, as_json: bool) -> None:
    """Show which keys there are, by their names."""
    keys = DataFolder.read(data).admin_keys()
    if as_json:
        print_json([{"name": key.name, "may": key.powers, "madeNs": key.made_ns} for key in keys])
    elif not keys:
        say("no admin keys were made: `relive admin-key new` does it")
    else:
        for key in keys:
            made = datetime.fromtimestamp(key.made_ns // 1_000_000_000, UTC)
            may = "may do everything" if len(key.powers) == len(POWERS) else f"may {', '.join(key.powers)}"
            click.echo(f"{key.name}  made {made:%Y-%m-%d %H:%M:%S} UTC  {may}")


@admin_key.command()
@click.argument("name")
@data_option
@json_option
@traceback_option
def revoke(name: str, data: Path, as_json: bool) -> None:
    """Make a key useless, at once, also at a server that runs."""
    DataFolder.read(data).revoke_admin_key(name)
    print_json({"revoked": name}) if as_json else say(f"the key {name} opens nothing any more")
