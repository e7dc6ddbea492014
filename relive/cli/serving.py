"""The server process, from an open data folder to a graceful stop.

guard ──> load the app ──> recover the log, deploy ──> serve ──> signal ──> drain ──> close the log
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import click
import trio
from attrs import frozen

from ..engine import limits
from ..engine.application.app import App, load_app
from ..engine.data_folder import DataFolder
from ..engine.database import Database
from ..engine.determinism import driver, gate
from ..engine.determinism import limits as handler_limits
from ..engine.determinism.real import real_signal
from ..engine.env import real_env
from ..engine.errors import SettingsUnmet
from ..engine.files.file_store import FileStore
from ..engine.files.folder_files import FolderFiles
from ..engine.server.listener import Server, reachable
from .checkpoint import bad_checkpoint, make_checkpoints
from .collector import collector_calmed
from .descriptors import descriptors_for_clients
from .errors import PortUnavailable
from .log_files import named_in_full
from .output import print_json, say
from .past_process import ask_past_of
from .progress import DocumentProgress, LogProgress

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PORT_MAX = 65_535
PROGRESS_AFTER_S = 1.0
"""Recovery that is faster than this needs no progress bar."""


@frozen
class Options:
    app: Path | None
    """None: what was deployed last."""
    host: str
    port: int
    debug: bool
    as_json: bool
    redact: bool
    """Keep from clients without the admin key why functions fail, and what they print."""
    site_port: int | None = None
    """Where HTTP actions are served; None for the port after ``port``, if it is free."""
    files: str | None = None
    """Where files are kept; None for the data folder."""
    public_url: str | None = None
    """Under which address clients reach the server; None where it listens."""


class Companion(Protocol):
    """What runs beside the server, as `relive dev` does."""

    def deployed(self, app: App) -> None:
        """Told of the first app."""

    async def run(self, database: Database) -> None:
        """Runs until it is cancelled."""


def run_server(options: Options, folder: DataFolder, companion: Companion | None = None) -> None:
    """Serve until a signal.  Raises what keeps the server from starting, or ends it."""
    require_free(options.host, options.port)
    site_port = site_port_of(options)
    write_log_to_stderr()
    store = store_of(options.files, folder)
    guard(options)
    try:
        app = load(options.app) if options.app is not None else None
        if companion is not None and app is not None:
            companion.deployed(app)
        database = open_database(folder, app, store)
        warn_of_settings(database)
        database.executor.redact = options.redact
        database.schedules.sealed = folder.sealed
        try:
            trio.run(serve, options, folder, database, companion, site_port)
        finally:
            remember_reached(folder, database)
            database.log.close()
    finally:
        # Python gives signals back before it ends, and then the timer's would kill it.
        handler_limits.disarm()


def load(folder: Path) -> App:
    app = load_app(folder)
    for warning in app.warnings:
        say(warning)
    return app


def warn_of_settings(database: Database) -> None:
    """A server that does not start cannot be given its variables; deploys to a running one are refused instead."""
    try:
        database.require_settings(database.executor.app)
    except SettingsUnmet as error:
        say(f"functions that read them will fail: {error}")


def site_port_of(options: Options) -> int | None:
    """None if HTTP actions have no port of their own.  Raises PortUnavailable for one that was asked for."""
    if options.site_port is not None:
        if options.site_port:
            require_free(options.host, options.site_port)
        return options.site_port
    if not 0 < options.port < PORT_MAX:
        return None
    try:
        require_free(options.host, options.port + 1)
    except PortUnavailable as error:
        say(f"HTTP actions are served below /http only: {error}")
        return None
    return options.port + 1


def require_free(host: str, port: int) -> None:
    """Refuse early: nothing is recovered or deployed for a port that cannot be had."""
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in places:
            with socket.socket(family, kind, protocol) as probe:
                # As servers do it, so that a port still in TIME_WAIT from our last run counts as free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                probe.listen(1)
    except OSError as error:
        raise PortUnavailable(host, port, error.strerror or str(error)) from error


def write_log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("relive: %(message)s"))
    logger = logging.getLogger("relive")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def guard(options: Options) -> None:
    """Guard this process, before any module of the app is imported."""
    driver.install([str(options.app.resolve())] if options.app is not None else [])
    if options.debug:
        gate.enabled = False
        say("--debug: functions are neither guarded nor limited")
        return
    handler_limits.configure(limits.HANDLER_CPU_S_MAX, limits.HANDLER_MEMORY_BYTES_MAX)
    handler_limits.arm()


def open_database(folder: DataFolder, app: App | None, store: FileStore) -> Database:
    storage = folder.storage
    with (
        LogProgress("reading the log", after_s=PROGRESS_AFTER_S) as reading,
        DocumentProgress("checking documents", after_s=PROGRESS_AFTER_S) as checking,
        named_in_full(storage),
        collector_calmed(),
    ):

        def checked(done: int, total: int) -> None:
            reading.__exit__()  # Two bars at once would be drawn over each other.
            checking.update(done, total)

        database = Database.open(
            storage,
            app,
            real_env(),
            folder.secret,
            reached=folder.reached,
            on_progress=reading.update,
            on_checked=checked,
            on_bad_checkpoint=bad_checkpoint,
            store=store,
        )
    database.actions.sealed = folder.sealed
    remember_reached(folder, database)
    if database.log.torn is not None:
        say(f"the last write was cut short, and never acknowledged; it was dropped: {database.log.torn}")
    return database


def remember_reached(folder: DataFolder, database: Database) -> None:
    """So that the next start notices if the log has become shorter."""
    try:
        folder.remember_reached(database.runtime.committer.durable)
    except OSError as error:  # The log is what counts, and it says itself if the disk is full.
        say(f"could not note how far the log reaches: {error}")


async def serve(
    options: Options, folder: DataFolder, database: Database, companion: Companion | None, site_port: int | None
) -> None:
    key = folder.new_local_key()
    server = Server(database, folder.keys(key), folder.instance_name, ask_past_of(folder.folder))
    server.public_url = options.public_url
    server.descriptors.most = descriptors_for_clients()
    with ExitStack() as stack:
        stack.enter_context(folder.opened_by(key))

        def announce(url: str) -> None:
            stack.enter_context(folder.served_at(reachable(url)))
            name = database.executor.app.name
            if options.as_json:
                said = {"url": url, "app": name or None, "data": str(folder.folder)}
                print_json(said | {"siteUrl": server.site_url, "instanceName": folder.instance_name})
            else:
                click.echo(f"relive: {name or 'nothing'} is served at {url} (data in {folder.folder})")
                if server.site_url is not None and database.executor.app.router is not None:
                    say(f"HTTP actions are served at {server.site_url}")
            if folder.forked_from is not None:
                effects = "sealed" if folder.sealed else "NOT sealed"
                say(f"a fork of {folder.forked_from} as of entry {folder.forked_at}; effects outside are {effects}")
            if not name:
                say("nothing was deployed yet: `relive deploy APP` does it")

        tasks: list[Callable[[], Awaitable[None]]] = [
            partial(stop_on_signal, server),
            partial(make_checkpoints, folder.folder),
        ]
        if companion is not None:
            tasks.append(partial(companion.run, database))
        async with trio.open_nursery() as nursery:
            for task in tasks:
                nursery.start_soon(task)
            await server.serve(options.host, options.port, announce, site_port)
            nursery.cancel_scope.cancel()


def store_of(place: str | None, folder: DataFolder) -> FileStore:
    """What keeps files.  Raises click.UsageError for a place that is none, FilesUnavailable."""
    if place is None:
        return FolderFiles(folder.files)
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    if not place.startswith("s3://") or not bucket:
        raise click.UsageError(f"--files {place}: a place for files is s3://BUCKET or s3://BUCKET/PREFIX")
    try:
        from ..engine.files.s3_files import S3Files  # An extra.
    except ImportError:
        raise click.UsageError("--files s3://... needs boto3: pip install 'relive[s3]'") from None
    store = S3Files.at(bucket, prefix)
    store.claim(folder.instance_name)
    return store


async def stop_on_signal(server: Server) -> None:
    """Stop the server on the first signal; let the second end the process."""
    with trio.open_signal_receiver(*SIGNALS) as signals:
        for each in SIGNALS:
            real_signal(each, partial(only_once, real_signal(each, signal.SIG_DFL)))
        async for number in signals:
            say(f"{signal.Signals(number).name}: stopping; once more stops at once")
            break
    restore_default()
    server.stop()


def only_once(received: Any, number: int, frame: FrameType | None) -> None:
    # At once, not when trio gets to it: a function may be running, and keep it from everything.
    restore_default()
    received(number, frame)


def restore_default() -> None:
    """From here on the system ends the process, even if it is stuck."""
    for each in SIGNALS:
        real_signal(each, signal.SIG_DFL)
