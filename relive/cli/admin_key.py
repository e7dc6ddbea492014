"""`relive admin-key`: make, list and revoke the keys that open internal functions from elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

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
@json_option
@traceback_option
def new(name: str, data: Path, as_json: bool) -> None:
    """Make a key, and show it this once. NAME is what it is for."""
    folder = DataFolder.read(data)
    key = folder.new_admin_key(name, real_clock_ns()).key
    if as_json:
        print_json({"instanceName": folder.instance_name, "name": name, "adminKey": key})
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
        print_json([{"name": key.name, "madeNs": key.made_ns} for key in keys])
    elif not keys:
        say("no admin keys were made: `relive admin-key new` does it")
    else:
        for key in keys:
            made = datetime.fromtimestamp(key.made_ns // 1_000_000_000, UTC)
            click.echo(f"{key.name}  made {made:%Y-%m-%d %H:%M:%S} UTC")


@admin_key.command()
@click.argument("name")
@data_option
@json_option
@traceback_option
def revoke(name: str, data: Path, as_json: bool) -> None:
    """Make a key useless, at once, also at a server that runs."""
    DataFolder.read(data).revoke_admin_key(name)
    print_json({"revoked": name}) if as_json else say(f"the key {name} opens nothing any more")
