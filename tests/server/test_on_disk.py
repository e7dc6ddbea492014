"""The server over a real folder, with the real worker thread for its fsyncs."""

from __future__ import annotations

from pathlib import Path

import trio
from relive.engine.admin_key import AdminKey
from relive.engine.application.app import App
from relive.engine.database import Database
from relive.engine.env import real_env
from relive.engine.server.listener import Server
from relive.log.storage import FolderStorage

from .harness import ADMIN_KEY, HeldDisk, Running


async def serve_once(app: App, folder: Path) -> list[float]:
    """Serve a folder for three mutations; what they returned."""
    database = Database.open(FolderStorage(folder), app, real_env(), b"a secret of the tests")
    server = Server(database, AdminKey(ADMIN_KEY), "tests")
    try:
        async with trio.open_nursery() as nursery:

            async def serve(task_status: trio.TaskStatus[str]) -> None:
                await server.serve("127.0.0.1", 0, task_status.started)

            running = Running(server, database, await nursery.start(serve), HeldDisk())
            async with running.client() as client:
                results = [(await client.answered(n, "counters:add", name="a"))["result"] for n in range(3)]
            server.stop()
    finally:
        database.log.close()
    return results


async def test_what_was_answered_is_there_after_a_restart(app: App, tmp_path: Path) -> None:
    assert await serve_once(app, tmp_path / "data") == [1.0, 2.0, 3.0]
    assert await serve_once(app, tmp_path / "data") == [4.0, 5.0, 6.0]
