"""A relive server in a process of its own, for tests that use real clients.

It can be killed without warning and started again on the same port and data.  What it printed is
kept, because a client that waits in vain says nothing about the reason.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from attrs import Factory, define

from ..ports import HOST, free_port

START_S_MAX = 20.0
STOP_S_MAX = 10.0
OUTPUT_LINES_SHOWN = 60
URL = re.compile(r"http://[\w.\[\]:-]+:\d+")


@define(eq=False)
class Server:
    """`relive serve APP`, started, killed and restarted."""

    app: Path
    data: Path
    options: tuple[str, ...] = ()
    """More options of the command."""
    port: int = Factory(free_port)
    process: subprocess.Popen[str] | None = None
    output: list[str] = Factory(list[str])
    """Every line of every start, as `stdout: ...` or `stderr: ...`."""
    readers: list[threading.Thread] = Factory(list[threading.Thread])

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start, and wait until it has printed its address."""
        assert self.process is None, "already running"
        listening = threading.Event()
        command = [sys.executable, "-m", "relive", "serve", str(self.app), "--data", str(self.data)]
        self.process = subprocess.Popen(
            [*command, "--host", HOST, "--port", str(self.port), *self.options],
            cwd=self.data.parent,  # not the checkout: the installed package must be enough
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.read("stdout", self.process.stdout, listening)
        self.read("stderr", self.process.stderr, threading.Event())
        self.wait_listening(listening)

    def read(self, name: str, stream: IO[str], listening: threading.Event) -> None:
        """Drain a pipe in a thread: a full one would stop the server."""

        def drain() -> None:
            with stream:
                for line in stream:
                    self.output.append(f"{name}: {line.rstrip()}")
                    if URL.search(line):
                        listening.set()

        thread = threading.Thread(target=drain, daemon=True)
        thread.start()
        self.readers.append(thread)

    def wait_listening(self, listening: threading.Event) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_S_MAX
        while not listening.wait(0.02):
            if self.process.poll() is not None:
                code = self.process.returncode
                self.stop()
                raise AssertionError(self.explain(f"the server did not start (exit code {code})"))
            if time.monotonic() > deadline:
                self.kill()
                problem = f"the server printed no line with its address on stdout within {START_S_MAX:.0f} s"
                raise AssertionError(self.explain(problem))

    def kill(self) -> None:
        """As if the power had failed: no handler runs, no buffer is flushed."""
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)

    def restart(self) -> None:
        """Start again after `kill`, on the same port and data."""
        self.start()

    def end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(self.explain(f"the server did not stop on {number.name}")) from None
        finally:
            for thread in self.readers:
                thread.join(STOP_S_MAX)
            self.readers.clear()

    def explain(self, problem: str) -> str:
        """The problem, and what the server has said."""
        said = [f"  {line}" for line in self.output[-OUTPUT_LINES_SHOWN:]] or ["  (nothing)"]
        code = None if self.process is None else self.process.poll()
        state = "" if code is None else f" (it has ended, with exit code {code})"
        return "\n".join([problem, f"app: {self.app}", f"the server's output{state}:", *said])
