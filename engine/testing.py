"""An app under test: the engine that serves, in memory, driven call by call.

    call ──> executor ──> log ──> live queries that it made stale run again ──> answer

Nothing goes on beside the test: when a call returns, what it committed is durable, and every watch has
seen it.  Time stands still until the test moves it.

Invariant: the app runs only between ``__enter__`` and ``__exit__``, and leaves nothing imported behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, ParamSpec, TypeVar, overload
from uuid import UUID

import trio
from attrs import evolve

from ..actors.definition import BY_CREATION_TIME
from ..actors.scheduler import Look, Over
from ..log.entry import LSN
from ..log.memory import MemoryStorage
from ..protocol import json, paths
from ..protocol.results import FunctionFailure, QueryFailure
from .application.app import App, TableClass
from .application.endpoint import Endpoint, endpoint_of
from .application.functions import ActionFunction, AnyFunction, MigrationFunction, MutationFunction, QueryFunction
from .application.isolation import back_for_now, folder_of, load_source, path_in, put_away, put_back
from .authentication.identity import Identity, acting_as
from .data.documents import convert, to_value
from .data.hints import union_of
from .data.schema import Document, Id
from .data.system_tables import MigrationRow, StoredFile
from .database import Database
from .deployment.environment_changes import EnvironmentChange, change_environment, values_of
from .determinism import driver
from .errors import FunctionFailed, FunctionNotFound
from .execution.calls import Call, Request
from .execution.live_queries import AsksWho
from .fetched import Fetched, fetch
from .files.memory_files import MemoryFiles
from .limits import SESSION_GRACE_S
from .scheduling.jobs import Job
from .seeded import StandingClock, moment_of, nanoseconds, ns_of, seeded_env
from .server.access import Caller
from .server.sessions import Sessions
from .transactions.context import MutationCtx
from .watched import Watch, failure

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
D = TypeVar("D", bound=Document)

START = datetime(2024, 1, 1, tzinfo=UTC)
SECRET = b"secret of an app under test"
SESSION = b"app under test.."
"""Mutations come from one client if none is connected, so a resend of one would be known."""
CAUSE = "test"
COMMITS_MS = 1.0
"""What the microseconds between one commit and the next may come to."""
STEPS_MAX = 100_000
"""Batches of a migration, after which it is taken for one that never ends."""


class TestApp:
    """An app in memory, for the tests of its author: the engine that serves it, not an imitation.

        def test_an_empty_message_is_refused() -> None:
            with TestApp("chat") as app:
                channel = app.mutation("channels:get_or_create", name="general")
                watch = app.watch("messages:latest", channel=channel)

                with pytest.raises(ApplicationError) as caught:
                    app.mutation("messages:send", channel=channel, author="ada", body=" ")
                assert caught.value.data["code"] == "empty"
                assert watch.results == [[]]

    ``source`` is the app's folder, its imported package, or its texts by module
    (``{"tasks": "from relive import ..."}``).

    Functions are named as clients name them, and then give what clients get: plain values.  Or a
    decorated function itself is passed, imported as usual: then type checkers know arguments and result,
    and documents are instances of their classes.  Internal functions may be called, too.

    What a function raises comes out as `ApplicationError` with its data, or as `FunctionFailed` with the
    text and the lines of the app that it passed.  Arguments and results are checked as for clients.

    The clock starts at ``start`` and stands still until `advance`, but for some microseconds between one
    commit and the next; the same ``seed`` gives the same ids and the same randomness.  With ``twice`` each
    function runs twice, and what does not come out the same is reported, as in ``relive dev``.
    Handlers are guarded as in a server, without the limits on CPU time and memory; for that some
    functions of Python's own modules are replaced, and the process is set to UTC, for good.
    """

    __test__: ClassVar[bool] = False  # pytest would take it for a class of tests.

    def __init__(
        self,
        source: str | Path | ModuleType | Mapping[str, str],
        *,
        seed: int = 0,
        start: datetime = START,
        env: Mapping[str, str] | None = None,
        twice: bool = True,
    ) -> None:
        """Raises ValueError for a start without a time zone."""
        self._source, self._variables, self._twice = source, dict(env or {}), twice
        self._clock = StandingClock(ns_of(start))
        self._env = seeded_env(seed, self._clock)
        self._storage, self._files = MemoryStorage(), MemoryFiles()
        self._stack = ExitStack()
        self._outside: dict[str, ModuleType] = {}
        self._foreign: dict[AnyFunction, Endpoint] = {}
        self._watches: list[Watch[Any]] = []
        self._stale: dict[Watch[Any], None] = {}
        """Watches whose query may give something else now."""
        self._requests = 0
        self._identity: Identity | None = None
        self._client = SESSION
        self._opened: Database | None = None
        self.logs: list[str] = []
        """What called functions have printed, a line each, as ``[LOG] 'text'``."""

    def __enter__(self) -> TestApp:
        """Load the app and open its database.  Raises AppInvalid, as ``relive serve`` does."""
        driver.install([])
        with ExitStack() as stack:
            stack.callback(lambda: put_back(self._outside))
            app = self._load(self._source)
            self._open(app)
            stack.callback(self._close)
            if self._variables:
                self.set_env(**self._variables)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    # Calls.

    @overload
    def query(self, function: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def query(self, function: str, /, **arguments: object) -> Any: ...
    def query(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a query as of now.  Raises ApplicationError, FunctionFailed."""
        call, read = self._call(function, args, kwargs)
        result = self._database.executor.query(call).result
        self.logs += result.log_lines
        if isinstance(result, QueryFailure):
            raise failure(result)
        return read(result.value)

    @overload
    def mutation(self, function: MutationFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def mutation(self, function: str, /, **arguments: object) -> Any: ...
    def mutation(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run a mutation; when this returns, it is durable.  Raises ApplicationError, FunctionFailed."""
        call, read = self._call(function, args, kwargs)
        self._requests += 1
        outcome = self._database.executor.mutate(call, Request(CAUSE, self._client, self._requests)).outcome
        self.logs += outcome.log_lines
        self._settle()
        if isinstance(outcome, FunctionFailure):
            raise failure(outcome)
        return read(outcome.result)

    @overload
    def action(self, function: ActionFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def action(self, function: str, /, **arguments: object) -> Any: ...
    def action(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run an action to its end, in a trio of its own; what it calls outside is for the test to replace.

        Each transaction of it is durable, and seen by every watch, before it goes on.  `ActionCtx.sleep`
        and the pauses between attempts of a step move the clock instead of waiting.
        Raises ApplicationError, FunctionFailed.
        """
        call, read = self._call(function, args, kwargs)
        self._requests += 1
        request = Request(CAUSE, self._client, self._requests)
        outcome = self._in_trio(lambda: self._database.actions.start(call, request).wait())
        self.logs += outcome.log_lines
        self._settle()
        if isinstance(outcome, FunctionFailure):
            raise failure(outcome)
        return read(outcome.result)

    def store(self, data: bytes, content_type: str | None = None) -> Id[StoredFile]:
        """Upload a file, as a client does with an address of `generate_upload_url`.  Raises ValueError."""

        async def upload() -> Id[StoredFile]:
            upload = await self._database.files.begin(content_type, None, CAUSE)
            await upload.write(data)
            return await upload.finish()

        return self._in_trio(upload)

    def stored(self, id: Id[StoredFile]) -> bytes | None:
        """The bytes of a file; None if there is no such file."""
        file = self._database.files.find(id)
        return self._files.files[str(file.internal_id)] if file is not None else None

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | bytes | Iterable[bytes] = b"",
    ) -> Fetched:
        """Ask an HTTP action: ``app.fetch("/messages?after=3", method="POST", body="hello").json()``.

        A body of several parts is sent one after another, as the handler takes them; `Fetched.parts` are those of
        the answer.  Who is signed in asks; a handler that fails answers with status 500 and why.
        Raises ValueError for an address that does not begin with a slash.
        """
        if not url.startswith("/"):
            raise ValueError(f"{url!r}: give the path of an HTTP action, /messages?after=3")

        async def ask() -> Fetched:
            return await fetch(self._database, url, method, headers or {}, body, Caller(True, self._identity))

        fetched = self._in_trio(ask)
        self._settle()
        return fetched

    @overload
    def watch(self, function: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Watch[R]: ...
    @overload
    def watch(self, function: str, /, **arguments: object) -> Watch[Any]: ...
    def watch(self, function: Any, /, *args: Any, **kwargs: Any) -> Watch[Any]:
        """Watch a query from here on; what it gives now is the first result."""
        call, read = self._call(function, args, kwargs)
        live = self._database.live
        watch: Watch[Any] = Watch(live.key_of(call), call, read)
        self._watches.append(watch)
        live.watch(call, watch)
        self._stale[watch] = None
        self._settle()
        return watch

    def run(self, handler: Callable[[MutationCtx], Awaitable[R]]) -> R:
        """Run a handler of the test's own in one transaction, to prepare or look at what no function does.

        Tables are named by text there, as ``ctx.db.insert("books", {...})``: classes that the test has imported
        are not those of the app that runs.  It is guarded as functions of the app are, and what it raises
        comes out as it is.
        """
        try:
            return self._database.executor.write(CAUSE, CAUSE, handler).value
        finally:
            self._settle()

    @overload
    def documents(self, table: type[D], /) -> list[D]: ...
    @overload
    def documents(self, table: str, /) -> list[dict[str, Any]]: ...
    def documents(self, table: Any, /) -> list[Any]:
        """Every document of a table in the order of creation, by its class, or as dictionaries by its name."""
        root = table if isinstance(table, str) else table.__root__
        name: str = root if isinstance(root, str) else root.__table__
        entries = self._database.runtime.tables.table(name).indexes[BY_CREATION_TIME].entries
        values: list[Any] = [to_value(version.document) for version in entries.values()]
        if isinstance(root, str):
            return values
        with back_for_now(self._outside):
            TableClass.of(root)  # Prepares the class, which may be another one than the app's.
            made = [convert(value, union_of(root)) for value in values]
        return [document for document in made if isinstance(document, table)]

    # The world around the app.

    @property
    def now(self) -> datetime:
        """What the clock shows, in UTC.  Set it to move the clock, backwards too."""
        return moment_of(self._clock.now_ns)

    @now.setter
    def now(self, moment: datetime) -> None:
        self._clock.now_ns = ns_of(moment)

    def advance(self, duration: timedelta | float) -> None:
        """Let time pass; a number is of seconds.

        As in a server, time alone makes no live query run again.
        """
        self._clock.now_ns += nanoseconds(
            duration if isinstance(duration, timedelta) else timedelta(seconds=duration),
        )

    def run_scheduled(self) -> int:
        """Run the scheduled functions and crons that are due now, and those that they make due; how many ran.

        The clock moves with `advance`; nothing runs meanwhile.  ``app.advance(60); app.run_scheduled()``.
        How each has ended says its row: ``app.documents("_scheduled_functions")``.
        """
        self._database.schedules.begin_crons()
        return self._run_jobs(self._due_now)

    def finish_all_scheduled(self) -> int:
        """Run scheduled functions, moving the clock to when the next one is due, until none is left; how many ran.

        Crons do not begin meanwhile, for there is no end of them.

        Raises FunctionFailed if there is no end of it.
        """
        return self._run_jobs(self._next_due)

    def sign_in(self, **attributes: object) -> Identity:
        """Whoever calls and watches from here on has this identity: ``app.sign_in(subject="ada", email=...)``.

        Attributes have the names of `Identity`'s; ``issuer`` and ``subject`` are made up if not given.
        Raises TokenRejected for what is no value.
        """
        self._identity = acting_as(attributes)
        return self._identity

    def sign_out(self) -> None:
        """Whoever calls and watches from here on has not signed in."""
        self._identity = None

    def connect(self, session: str | None = None) -> str:
        """A client opens its socket, as who is signed in now: whoever calls from here on is that client.

        `@on_connect` is called unless its session goes on.  Gives the session, a made up one if none is given.
        Raises ValueError for one that is no UUID.
        """
        client = UUID(session) if session is not None else UUID(bytes=self._env.entropy(16), version=4)
        self._sessions.opened(client.bytes, self._identity)
        self._client = client.bytes
        self._settle()
        return str(client)

    def disconnect(self, session: str) -> None:
        """A client that `connect` has opened goes for good: it is in no room any more, and `@on_disconnect` is called.

        Raises KeyError for a session that is not there.
        """
        self._sessions.closed(session)
        if self._client == UUID(session).bytes:
            self._client = SESSION
        self.advance(SESSION_GRACE_S)
        self._sessions.settle()
        self._settle()

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of the deployment, by name."""
        return self._database.executor.rehearse("env", values_of)

    def set_env(self, **variables: str | None) -> None:
        """Set environment variables; None removes one.  Raises EnvironmentVariableInvalid, SettingsUnmet."""
        changes = tuple(EnvironmentChange(name, value) for name, value in variables.items())
        declared = self._database.executor.app.settings
        self._database.executor.write("env", CAUSE, lambda ctx: change_environment(ctx, changes, declared))
        self._settle()

    def restart(self) -> None:
        """The machine stops without a warning and starts again, with what is in the log; watches go on."""
        app = self._database.executor.app
        self._storage.crash()
        self._open(app)
        for watch in self._watches:
            watch.key = self._database.live.watch(watch.call, watch)
            self._stale[watch] = None
        self._settle()

    def deploy(self, source: str | Path | ModuleType | Mapping[str, str]) -> None:
        """Deploy another version, as ``relive deploy`` does it.  Raises AppInvalid, SchemaMismatch."""
        database = self._database
        app = self._load(source)
        deploy = database.begin_deploy(app)
        try:
            if not database.holds(app):
                while not deploy.slice():
                    pass
                database.activate(deploy)
        finally:
            database.end_deploy(deploy)
        self._foreign.clear()
        self._settle()

    def migrate(self, function: MigrationFunction[Any] | str, /, *, restart: bool = False) -> MigrationRow:
        """Run a migration to its end; how it ended.  ``restart`` runs one again that is done.

        Raises MigrationUnknown, MigrationRefused.
        """
        migrations = self._database.migrations
        name = function if isinstance(function, str) else self._find(function).path
        path = migrations.start(name, CAUSE, restart=restart).value.name
        for _ in range(STEPS_MAX):
            self._settle()
            if path not in migrations.running():
                return migrations.rows()[path]
            migrations.step(path)
        raise FunctionFailed(f"{path}: has not ended after {STEPS_MAX:,} batches")

    # Inside.

    @property
    def _database(self) -> Database:
        if self._opened is None:
            raise RuntimeError("the app is not running: use `with TestApp(...) as app:`")
        return self._opened

    def _load(self, source: str | Path | ModuleType | Mapping[str, str]) -> App:
        if not isinstance(source, Mapping):
            self._outside |= put_away(folder_of(source).resolve())
        return load_source(source)

    def _open(self, app: App) -> None:
        self._opened = Database.open(self._storage, app, self._env, SECRET, store=self._files)
        self._opened.executor.twice = self._twice
        self._opened.live.wake = self._mark_stale
        self._opened.runtime.rewind = self._restart_watches
        self._sessions, self._client = Sessions(self._opened), SESSION
        self._sessions.end_former()
        self._opened.actions.wait_durable = self._opened.files.wait_durable = self._wait_durable
        self._opened.actions.pass_time = self._pass_time
        self._settle()

    def _close(self) -> None:
        database = self._database
        self._opened = None
        database.log.close()
        if database.executor.app.modules is not None:
            database.executor.app.modules.uninstall()

    def _in_trio(self, ask: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._database.actions.run)
                answer = await ask()
                nursery.cancel_scope.cancel()
            return answer

        if not trio.lowlevel.in_trio_run():
            return trio.run(run)
        # The test is a task of trio itself, and waits for what it calls.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(trio.run, run).result()

    def _run_jobs(self, go_on: Callable[[], float | None]) -> int:
        schedules, count = self._database.schedules, 0
        while True:
            self._settle()
            schedules.follow()
            begun = schedules.queue.receive(Look(schedules.now_ms()))
            jobs = [job for begin in begun if (job := schedules.jobs.get(begin.id)) is not None]
            for job in sorted(jobs, key=lambda job: (job.row.scheduled_time, job.row.creation_time)):
                self._run_job(job)
            count += len(jobs)
            if count > STEPS_MAX:
                raise FunctionFailed(f"after {count:,} scheduled functions more are scheduled")
            if not begun:
                due = go_on()
                if due is None:
                    return count
                self._clock.now_ns = max(
                    self._clock.now_ns, ceil(due * 1e6) + 1_000
                )  # Milliseconds are coarser than that.

    def _next_due(self) -> float | None:
        return self._database.schedules.queue.next_due()

    def _due_now(self) -> float | None:
        """The time that commits have taken does not count: whoever moves the clock does not know of it."""
        due = self._next_due()
        return due if due is not None and due <= self._database.schedules.now_ms() + COMMITS_MS else None

    def _run_job(self, job: Job) -> None:
        schedules = self._database.schedules
        current = schedules.jobs.get(job.id)
        if current is not None and current.row.state.kind == "pending":  # One before it may have cancelled it.
            if schedules.action_of(job.row) is None:
                schedules.jobs.mutate(job)
            elif schedules.jobs.begin(job).value:
                start = self._database.actions.start
                schedules.jobs.end(job, self._in_trio(lambda: start(job.call, job.request()).wait()))
            self._settle()
        schedules.queue.receive(Over(job.id))

    async def _wait_durable(self, lsn: LSN) -> None:
        self._settle()
        await trio.lowlevel.checkpoint()

    async def _pass_time(self, seconds: float) -> None:
        self.advance(seconds)
        await trio.lowlevel.checkpoint()

    def _settle(self) -> None:
        """Make what was committed durable, and let every watch see it."""
        runtime = self._database.runtime
        while (batch := runtime.log.writer.take()) is not None:
            runtime.written(runtime.log.writer.write(batch))
        while self._database.discards.held:
            self._database.discards.slice()
        live = self._database.live
        live.catch_up()
        while self._stale:
            watch, _ = self._stale.popitem()
            if watch.journal != watch.call.journal:
                # Pages end where they ended the last time.
                watch.call = evolve(watch.call, journal=watch.journal)
                self._watch_again(watch)
            try:
                watch.see(live.result(watch.key))
            except AsksWho:
                self._watch_again(watch)
                watch.see(live.result(watch.key))

    def _watch_again(self, watch: Watch[Any]) -> None:
        live = self._database.live
        live.unwatch(watch.key, watch)
        watch.key = live.watch(watch.call, watch)

    def _mark_stale(self, watch: Watch[Any]) -> None:
        self._stale[watch] = None

    def _restart_watches(self) -> None:
        """The code is another: nothing that was evaluated counts."""
        self._database.schedules.rewind()
        for watch in self._database.live.restart():
            self._mark_stale(watch)

    def _call(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Call, Any]:
        """What a client would send, and how to read what it would get."""
        if isinstance(function, str):
            return Call(function, [encoded(kwargs)], admin=True, identity=self._identity), json.decode
        endpoint = self._find(function)
        names = [field.name for field in endpoint.arguments.fields]
        if len(args) > len(names):
            raise TypeError(f"{endpoint.path} takes {len(names)} arguments, and {len(args)} were given")
        given = dict(zip(names, args, strict=False))
        if doubled := sorted(given.keys() & kwargs.keys()):
            raise TypeError(f"{endpoint.path} got more than one value for `{doubled[0]}`")

        def read(result: bytes) -> Any:
            with back_for_now(self._outside):
                return convert(json.decode(result), endpoint.returns_hint)

        call = Call(endpoint.path, [encoded(given | dict(kwargs))], admin=True, identity=self._identity)
        return call, read

    def _find(self, function: AnyFunction) -> Endpoint:
        """The app's own function, or what the test has imported from the same file.  Raises FunctionNotFound."""
        app = self._database.executor.app
        own = app.endpoint_of(function) or self._foreign.get(function)
        if own is not None:
            return own
        path = path_in(app, function, self._outside)
        if path is None:
            raise FunctionNotFound(f"{function.__module__}.{function.__name__}")
        with back_for_now(self._outside):
            self._foreign[function] = endpoint_of(str(paths.parse(path)), function)
        return self._foreign[function]


def encoded(arguments: Mapping[str, Any]) -> object:
    """As a client would send them."""
    return json.to_json(to_value(dict(arguments)))
