"""Functions called directly, without sockets, as a process of its own: ``python -m benchmarks.in_process``.

Arguments: seconds for each figure, and a folder for the data, or nothing to keep it in memory.
Calls run ahead of the disk, as in the server: the log is written meanwhile, in batches, and a figure's
time ends when everything it wrote is durable.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import trio
from relive.engine.application.app import load_app
from relive.engine.database import Database
from relive.engine.determinism import driver
from relive.engine.env import real_env
from relive.engine.execution.calls import Call, Request
from relive.log.entry import LSN
from relive.log.memory import MemoryStorage
from relive.log.storage import FolderStorage, Storage
from relive.log.writer import Batch
from relive.protocol.results import MutationSuccess, QuerySuccess

from .wire import AUTHOR, LISTED, WrongAnswer, body

APP = Path(__file__).with_name("app")
SESSION = bytes(16)
CALLS_AT_ONCE = 64
"""Between them the log writer has its turn."""


async def in_place(write: Callable[[Batch], LSN], batch: Batch) -> LSN:
    """Memory does not block, so it needs no thread."""
    await trio.lowlevel.checkpoint()
    return write(batch)


class Caller:
    """Calls the functions of the app, each with a request id of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.request = 0
        self.channel = self.mutate("channels:get_or_create", {"name": "general"})

    def mutate(self, path: str, args: dict[str, object]) -> str:
        self.request += 1
        done = self.database.executor.mutate(Call(path, [args]), Request("client", SESSION, self.request))
        if not isinstance(done.outcome, MutationSuccess):
            raise WrongAnswer(done.outcome.message)
        return str(json.loads(done.outcome.result))

    def send(self) -> None:
        self.mutate("messages:send", {"author": AUTHOR, "body": body(self.request), "channel": self.channel})

    def get_or_create(self) -> None:
        self.mutate("channels:get_or_create", {"name": "general"})

    def query(self, path: str, **args: object) -> None:
        evaluated = self.database.executor.query(Call(path, [{"channel": self.channel, **args}]))
        if not isinstance(evaluated.result, QuerySuccess):
            raise WrongAnswer(evaluated.result.message)

    def list_newest(self) -> None:
        self.query("messages:list")

    def first_page(self) -> None:
        self.query("messages:page", paginationOpts={"numItems": LISTED, "cursor": None})

    def count(self) -> None:
        self.query("messages:count")

    def list_kept(self) -> None:
        """The same list for somebody else, while nothing of it was written."""
        result, _ = self.database.live.once(Call("messages:list", [{"channel": self.channel}]))
        if not isinstance(result, QuerySuccess):
            raise WrongAnswer(result.message)


async def rate(database: Database, call: Callable[[], None], seconds: float) -> float:
    start, calls = perf_counter(), 0
    while perf_counter() - start < seconds:
        for _ in range(CALLS_AT_ONCE):
            call()
        calls += CALLS_AT_ONCE
        await trio.lowlevel.checkpoint()
    runtime = database.runtime
    await runtime.wait_durable(runtime.tail.head)
    return calls / (perf_counter() - start)


async def measure(seconds: float, folder: Path | None) -> dict[str, float]:
    driver.install([])
    app = load_app(APP)
    storage: Storage = MemoryStorage() if folder is None else FolderStorage(folder)
    in_thread = in_place if folder is None else None
    database = Database.open(storage, app, real_env(), bytes(24), in_thread=in_thread)
    figures: dict[str, float] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(database.run)
        caller = Caller(database)
        for _ in range(LISTED):
            caller.send()
        writing = (caller.send, caller.get_or_create)
        for call in (*writing, caller.list_newest, caller.first_page, caller.count, caller.list_kept):
            figures[call.__name__] = await rate(database, call, seconds)
        database.runtime.stop()
    database.log.close()
    return figures


if __name__ == "__main__":
    print(json.dumps(trio.run(measure, float(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)))
