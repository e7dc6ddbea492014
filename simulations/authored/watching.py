"""A campaign done again whenever the app changes: the failing plan first, because that is what is being mended."""

from __future__ import annotations

from pathlib import Path

import click
from watchfiles import watch as changes_in

from ..command import Settings, execute
from .campaign import Authored, loaded


def watch(maker: Authored, settings: Settings) -> int:
    """Until it is interrupted; the exit code of the last campaign."""
    folders = [maker.folder, *([maker.file] if maker.file is not None else [])]
    code = execute(maker, settings)
    try:
        for changes in changes_in(*folders, raise_interrupt=True):
            if any(Path(path).suffix == ".py" for _, path in changes):
                click.echo("\nchanged; simulating again", err=True)
                loaded.cache_clear()
                code = execute(maker, settings)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    return code
