"""One life of a server process: recovery, the database, the syncer, and a socket for each client.

Everything in it is the code that ships.  Its disk, clock, randomness and connections are the world's; when
the process is dead, they belong to the next one, and what is left of this one changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

import trio
from attrs import Factory, define, evolve, field

from ..actors.checkpoints import fold
from ..actors.errors import CommitterFailed
from ..engine.admin_key import AdminKey
from ..engine.application.app import App
from ..engine.database import Database
from ..engine.env import Env
from ..engine.execution.executor import Executor
from ..engine.files.memory_files import MemoryFiles
from ..engine.server.connection import Connection
from ..engine.server.listener import Server
from ..log.checkpoint import checkpoint_names
from ..log.entry import LSN, Entry
from ..log.errors import CheckpointFailed, DiskFull, SyncFailed
from ..log.memory import MemoryStorage, Stopped
from ..log.recovery import recover
from ..log.segment import segment_names
from ..log.writer import Batch
from ..protocol.client_version import UNKNOWN_VERSION, ClientVersion
from .fold import Fold
from .follower import behind
from .maker import Maker, MakerDied
from .network import Link
from .operator import Operator
from .remembered import Remembered
from .server_socket import ServerSocket
from .trace import Started, Trace, Unlike, Wrote
from .wire import HOST, PORT, Door, ServerStream

CRASHED: Final = "crashed"
KILLED: Final = "killed"
STOPPED: Final = "stopped"
DISK: Final = "disk"
"""The disk failed, and the process ended itself."""

FAILED: Final = "failed"
DISK_PROBLEMS = ("the log could not be written", "a deploy could not be written")
"""How the supervisor begins to say that it was the disk."""

SECRET = b"a secret of the simulation"
ADMIN_KEY = AdminKey("simulation|0123456789abcdef")


@define(eq=False)
class SimulatedServer(Server):
    """The server that ships, whose clients may be served by a second executor."""

    behind: Any = None
    """The database whose mutations run behind, if there is a second executor."""

    def executors(self) -> list[Executor]:
        return [self.database.executor, *([self.behind.executor.second] if self.behind is not None else [])]

    def connection_of(self, version: ClientVersion) -> Connection:
        connection = Server.connection_of(self, version)
        if self.behind is not None:
            connection.database = self.behind
        return connection


@define(eq=False)
class Process:
    number: int
    storage: MemoryStorage
    app: App | None
    """None is the one in the log."""
    env: Env
    trace: Trace
    sync_s: Callable[[], float]
    segment_bytes: int
    follower_lag: int
    """How many entries behind mutations may run; 0 without a second executor."""
    follower_random: Random = field(repr=False)
    operator: Operator
    is_full_stack: bool = False
    checkpoint_ms: int = 0
    failures: int = 0
    """How often its tables were made to fail."""
    maker_dies: list[int] = Factory(list[int])
    """At which change of a file the next makers of checkpoints end."""
    runs_twice: bool = False
    """Whether every function is run a second time and must come out the same."""
    files: MemoryFiles = Factory(MemoryFiles)
    """The world's: bytes of files, which no fault of the disk touches."""
    lost_checkpoints: set[str] = Factory(set[str])
    """The world's: no start can use them, and none has to."""
    door: Door = Factory(Door)
    links: list[Link] = Factory(list[Link])
    scope: trio.CancelScope = Factory(trio.CancelScope)
    how: str = STOPPED
    """How it ends, if it is cancelled."""
    server: SimulatedServer | None = None
    is_open: bool = False
    opened: trio.Event = Factory(trio.Event)
    nursery: trio.Nursery | None = field(default=None, repr=False)

    async def run(self) -> str:
        """Until it ends; how."""
        how = STOPPED
        try:
            with self.scope:
                await self.serve()
        except* Stopped:
            how = CRASHED
        except* (CommitterFailed, SyncFailed, DiskFull, OSError) as failures:
            error = first_of(failures)
            how = f"{DISK if is_of_the_disk(error) else FAILED}: {error}"
        except* Exception as failures:
            how = f"{FAILED}: {first_of(failures)!r}"
        finally:
            self.is_open = False
            if self.server is not None and self.rebuilds > self.failures:
                # It goes on, but nothing that was done to it is a reason.
                self.trace.add(Unlike(self.number, f"{list(self.server.database.runtime.supervisor.rebuilds)} failed"))
            for link in self.links:
                link.cut()
        return self.how if self.scope.cancelled_caught else how

    def end(self, how: str) -> None:
        """It is dead: nothing that its tasks still do is seen."""
        self.how, self.is_open = how, False
        self.scope.cancel()
        for link in self.links:
            link.cut()

    async def serve(self) -> None:
        await trio.lowlevel.checkpoint()
        env = evolve(self.env, log_thread=lambda: self.write, listen=self.door.listen)
        database = Database.open(
            self.storage, self.app, env, SECRET, on_bad_checkpoint=self.bad_checkpoint, store=self.files
        )
        database.log.writer.segment_bytes_max = self.segment_bytes
        self.compare(database)
        server = self.server = SimulatedServer(database, ADMIN_KEY, "simulation")
        if self.follower_lag:
            server.behind = behind(database, self.follower_lag, self.follower_random, self.trace.probe)
        for executor in server.executors():
            executor.twice = self.runs_twice
        if self.is_full_stack:
            await self.serve_bytes(server)
        else:
            await self.serve_messages(database, server)
        database.log.close()

    async def serve_bytes(self, server: Server) -> None:
        async with trio.open_nursery() as beside:
            beside.start_soon(self.operate, server)
            beside.start_soon(self.make_checkpoints)
            await server.serve(HOST, PORT, self.ready)
            beside.cancel_scope.cancel()

    async def operate(self, server: Server) -> None:
        await self.opened.wait()
        await self.operator.work(server)

    def ready(self, url: str) -> None:
        self.is_open = True
        self.opened.set()

    async def serve_messages(self, database: Database, server: Server) -> None:
        """What `Server.serve` does, without bytes: it costs a third."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.run)
            nursery.start_soon(server.run_actions)
            try:
                async with trio.open_nursery() as shells:
                    shells.start_soon(self.make_checkpoints)
                    shells.start_soon(server.syncer.run)
                    await database.runtime.wait_durable(database.runtime.tail.head)
                    shells.start_soon(server.migrator.run)
                    shells.start_soon(database.schedules.run)
                    shells.start_soon(self.operator.work, server)
                    self.nursery, self.is_open = shells, True
                    await server.stopping.wait()
                    await server.end_jobs()
                    shells.cancel_scope.cancel()
            finally:
                self.is_open = False  # Whoever comes while the log is still written is turned away.
            server.actions_scope.cancel()
            database.runtime.stop()

    @property
    def rebuilds(self) -> int:
        """How often the supervisor had a follower rebuilt."""
        return sum(self.server.database.runtime.supervisor.rebuilds.values()) if self.server is not None else 0

    def bad_checkpoint(self, file: str, problem: str) -> None:
        if file in self.lost_checkpoints:
            self.trace.probe("a disk lied, and a checkpoint is gone")
            return
        self.trace.add(Unlike(self.number, f"checkpoint {file} is not used: {problem}"))

    async def make_checkpoints(self) -> None:
        """As another process does it in production: it may end at any change of a file."""
        covered: tuple[str, ...] = ()
        while self.checkpoint_ms:
            await trio.sleep(self.checkpoint_ms / 1000)
            names = segment_names(self.storage)
            if names == covered:
                continue
            maker = Maker(self.storage, self.maker_dies.pop() if self.maker_dies else None)
            try:
                made = fold(maker, self.bad_checkpoint)
            except MakerDied:
                self.trace.probe("a process that makes a checkpoint dies")
            except (CheckpointFailed, OSError):
                self.trace.probe("no checkpoint could be made")
            else:
                covered = names
                if made is not None:
                    self.lost_checkpoints.discard(made.name)
                    self.trace.probe("a checkpoint is made")

    def compare(self, database: Database) -> None:
        """Recovery must have built what the log says."""
        log, tables = database.log, database.runtime.tables
        told, remembered = Fold(), Remembered()

        def apply(entry: Entry) -> None:
            told.apply(entry)
            remembered.apply(entry)

        recover(self.storage, apply)
        self.trace.add(Started(self.number, told.lsn, log.torn is not None))
        if checkpoint_names(self.storage):
            self.trace.probe("a process starts from a checkpoint")
        if log.torn is not None:
            self.trace.probe("recovery cut a torn end")
        if self.number > 1 and told.lsn > 1:
            self.trace.probe("a process recovered entries")
        built = {
            name: {id: version.lsn for id, version in table.versions.items() if version.lsn <= told.lsn}
            for name, table in tables.by_name.items()
        }
        for name in sorted(built.keys() | told.documents.keys()):
            if built.get(name, {}) != told.versions(name):
                self.trace.add(Unlike(self.number, f"table {name}: {built.get(name)}, not {told.versions(name)}"))
        requests = {
            session: {request: lsn for request, lsn in each.committed.items() if lsn <= told.lsn}
            for session, each in database.runtime.requests.sessions.items()
        }
        if requests != remembered.requests:
            self.trace.add(Unlike(self.number, f"requests: {requests}, not {remembered.requests}"))
        tables.check()

    async def write(self, write: Callable[[Batch], LSN], batch: Batch) -> LSN:
        """In place, at a moment between two waits."""
        await trio.sleep(self.sync_s())
        lsn = write(batch)
        self.trace.add(Wrote(self.number, lsn, not self.storage.has_lied))
        if len(batch) > 1:
            self.trace.probe("several commits in one batch")
        await trio.sleep(self.sync_s())
        return lsn

    def accept(self, link: Link) -> None:
        self.links.append(link)
        if self.is_full_stack:
            self.trace.probe("a client speaks to the listener")
            self.door.knock(ServerStream(link, partial(self.trace.probe, "a server waits for a slow client")))
            return
        assert self.server is not None
        assert self.nursery is not None
        connection = self.server.connection_of(UNKNOWN_VERSION)
        socket = ServerSocket(link, connection, self.env.clock_ns() // 1_000_000, self.trace)
        self.nursery.start_soon(partial(self.serve_link, socket))

    async def serve_link(self, socket: ServerSocket) -> None:
        try:
            await socket.run()
        finally:
            self.links.remove(socket.link)


def is_of_the_disk(error: BaseException) -> bool:
    return not isinstance(error, CommitterFailed) or error.problem.startswith(DISK_PROBLEMS)


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
