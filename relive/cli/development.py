"""What `relive dev` does beside serving: watch, deploy, generate types, show what functions print."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import click
import trio
from attrs import define
from watchfiles import Change, awatch

from ..actors.errors import CommitterFailed
from ..engine.application.app import App
from ..engine.application.bundle import belongs
from ..engine.codegen import files
from ..engine.database import Database
from ..engine.deployment.reloader import Reloader
from ..engine.execution.executions import Executions
from ..engine.server.log_routes import entry_of
from ..protocol.errors import ReliveError
from .execution_text import lines_of
from .output import say

LOOK_AGAIN_MS = 1_000
"""Not every file system tells of changes, and none of those made before the watch began."""
DEBOUNCE_MS = 100
"""Files that are saved together are deployed together."""
CODE_DIGITS = 12


@define(eq=False)
class Development:
    app: Path
    codegen: Path | None
    problem: str = ""
    """Why the newest source is not deployed, so that it is said once."""

    def deployed(self, app: App) -> None:
        """Bring the types up to date, if there are to be any."""
        if self.codegen is None:
            return
        changed = files.write(app, self.codegen)
        if changed:
            say(f"wrote {', '.join(path.name for path in changed)} in {self.codegen}")

    async def run(self, database: Database) -> None:
        database.executor.twice = True  # What could not be replayed should show before it is deployed.
        app = database.executor.app
        say(f"deployed {describe(app)}; watching {self.app}")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(show_logs, database.executor.executions)
            await self.watch(Reloader(database, self.app, app.code))

    async def watch(self, reloader: Reloader) -> None:
        while True:
            folders = source_folders(self.app)
            if not folders:
                await trio.sleep(LOOK_AGAIN_MS / 1000)
                continue
            async for _ in awatch(
                *folders,
                watch_filter=concerns_us,
                debounce=DEBOUNCE_MS,
                rust_timeout=LOOK_AGAIN_MS,
                yield_on_timeout=True,
                recursive=False,
            ):
                await self.reload(reloader)
                if source_folders(self.app) != folders:
                    break

    async def reload(self, reloader: Reloader) -> None:
        """Deploy what was saved, or say why not."""
        try:
            deployed = await reloader.reload()
            if deployed is not None:
                for warning in deployed.app.warnings:
                    say(warning)
                say(f"{'deployed' if deployed.is_new else 'served as before:'} {describe(deployed.app)}")
                self.deployed(deployed.app)
            self.problem = ""
        except CommitterFailed:
            raise
        except (ReliveError, OSError) as error:
            if str(error) != self.problem:
                self.problem = str(error)
                say("not deployed, the last good code is served on:\n" + indent(self.problem, "  "))


async def show_logs(executions: Executions) -> None:
    """What functions print, and why they fail, as `relive logs` shows it."""
    cursor = executions.newest
    while not executions.stopping:
        for execution in await executions.wait_after(cursor):
            cursor = execution.cursor
            if not execution.cached:
                for line in lines_of(entry_of(execution, structured=True)):
                    click.echo(line, err=True)


def describe(app: App) -> str:
    return f"{app.name} {app.code.hex()[:CODE_DIGITS]} (tables: {len(app.tables)}, functions: {len(app.endpoints)})"


def source_folders(folder: Path) -> tuple[Path, ...]:
    """The app's folder and those of its packages; not what other tools keep beside them."""
    if not folder.is_dir():
        return ()
    inner = [path for path in folder.iterdir() if path.is_dir() and belongs(path.name)]
    return (folder, *(each for path in sorted(inner) for each in source_folders(path)))


def concerns_us(change: Change, path: str) -> bool:
    """Python files, and folders, which may hold some."""
    place = Path(path)
    return place.suffix == ".py" or (not place.suffix and belongs(place.name))
