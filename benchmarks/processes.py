"""The processes of a measurement: servers that are started and stopped, loads that end by themselves."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

from . import CHECKOUT
from .websocket import HOST
from .wire import connected

APP = Path(__file__).with_name("app")
SERVE = "-m relive serve"
START_S_MAX = 60.0
STOP_S_MAX = 15.0
STOPPED = (0, -signal.SIGTERM)
"""Exit codes of a server that was told to stop; the second is that of one without a handler for it."""
POLL_S = 0.005
LOAD_S_MAX = 300.0
OUTPUT_CHARACTERS = 4_000
"""How much of a server's output an error shows."""


class Failed(Exception):
    """A process of the measurement did not do what it must."""


@define(eq=False)
class Server:
    """A server process; ``started`` is the time before it was."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path
    started: float = field(factory=time.perf_counter)

    def check(self) -> None:
        """Raises Failed if the process has ended."""
        if self.process.poll() is not None:
            raise Failed(f"a server ended with exit code {self.process.returncode}{self.said()}")

    def said(self) -> str:
        return f"; it said:\n{self.output.read_text()[-OUTPUT_CHARACTERS:]}"

    def wait_listening(self) -> None:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            self.wait_a_little()

    def first_answer(self) -> float:
        """Seconds from the start of the process to the first Transition."""
        while True:
            try:
                link, _ = connected(self.port)
            except ConnectionError:
                # Refused; or reset, when the server had only looked whether it could have the port.
                self.wait_a_little()
            else:
                link.close()
                return time.perf_counter() - self.started

    def wait_a_little(self) -> None:
        self.check()
        if time.perf_counter() - self.started > START_S_MAX:
            raise Failed(f"the server did not listen within {START_S_MAX:.0f} s{self.said()}")
        time.sleep(POLL_S)

    def resident_kib(self) -> int:
        shown = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        return int(shown.stdout)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"a server did not stop within {STOP_S_MAX:.0f} s{self.said()}") from None
        if self.process.returncode not in STOPPED:
            raise Failed(f"a server stopped with exit code {self.process.returncode}{self.said()}")


@define(eq=False)
class Processes:
    """How processes are started, and the folder for their data."""

    folder: Path
    serve: str = SERVE
    """What Python is given to start a server, before the app's folder and the options."""
    profile: Path | None = None
    """Where the server leaves its profile."""

    def server_python(self) -> list[str]:
        if self.profile is None:
            return [sys.executable]
        return [sys.executable, "-m", "cProfile", "-o", str(self.profile)]

    def new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    @contextmanager
    def relive(self, data: Path | None = None) -> Iterator[Server]:
        """A server with the measured app, on an empty folder if none is given."""
        folder = self.new_folder()
        data = data or folder / "data"
        options = [str(APP), "--data", str(data), "--host", HOST]
        with self.server([*self.server_python(), *shlex.split(self.serve), *options, "--port"], folder) as server:
            yield server

    @contextmanager
    def echo(self) -> Iterator[Server]:
        """trio-websocket and nothing else."""
        with self.server([sys.executable, "-m", "benchmarks.echo_server"], CHECKOUT) as server:
            server.wait_listening()
            yield server

    @contextmanager
    def server(self, command: Sequence[str], cwd: Path) -> Iterator[Server]:
        port, output = free_port(), self.new_folder() / "output"
        # Not in the checkout, if it may be elsewhere: there `relive` is a folder, not the whole package.
        with output.open("wb") as out:
            process = subprocess.Popen([*command, str(port)], cwd=cwd, stdout=out, stderr=out)
        server = Server(process, port, output)
        try:
            yield server
            server.check()
        finally:
            if process.poll() is None:
                server.stop()

    def checkpoint(self, data: Path) -> str:
        """Make a checkpoint of a log that is not served; its file, or nothing if there was nothing to do."""
        command = [sys.executable, "-m", "relive", "log", "checkpoint", "--json", "--data", str(data)]
        # Not in the checkout, for the same reason as a server.
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=LOAD_S_MAX, check=False)
        if done.returncode != 0:
            raise Failed(f"no checkpoint could be made: {done.stderr}")
        made: str | None = json.loads(done.stdout)["made"]
        return made or ""

    def load(self, load: str, server: Server, **spec: object) -> dict[str, float]:
        """Run a load against a server, in a process of its own; what it measured."""
        text = json.dumps({"load": load, "port": server.port, **spec})
        return run_json([sys.executable, "-m", "benchmarks.loads", text], server)

    def in_process(self, seconds: float, data: Path | None) -> dict[str, float]:
        where = [] if data is None else [str(data)]
        return run_json([*self.server_python(), "-m", "benchmarks.in_process", str(seconds), *where], None)

    def searching(self, documents: int, seconds: float) -> dict[str, float]:
        return run_json([*self.server_python(), "-m", "benchmarks.searching", str(documents), str(seconds)], None)


def run_json(command: Sequence[str], server: Server | None) -> dict[str, float]:
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=LOAD_S_MAX, check=False)
    if done.returncode != 0:
        said = "" if server is None else f"the server has not ended{server.said()}"
        raise Failed(f"{' '.join(command)}\n{done.stderr}{said}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
