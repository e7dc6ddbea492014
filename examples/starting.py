"""What the examples have in common that have a web page: to start their parts, and to stop them together.

check_tools, check_free, install   refuse early, with the remedy
child, wait_listening              a process of a part, once it answers
wait_stopped                       until one of them ends
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

HOST = "127.0.0.1"
START_S_MAX = 30.0
STOP_S_MAX = 10.0
POLL_S = 0.1


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Stop in the same way whether by Ctrl-C or by `kill`: the children must not outlive us."""
    raise KeyboardInterrupt


def check_tools() -> None:
    if importlib.util.find_spec("relive") is None:
        sys.exit(f"relive is not installed here. Run: {sys.executable} -m pip install -e {Path(__file__).parents[1]}")
    if shutil.which("npm") is None:
        sys.exit("npm was not found. The page needs Node 20.19 or later: https://nodejs.org/")


def check_free(port: int, option: str) -> None:
    """Refuse early: two programs on one port give errors that point elsewhere."""
    with socket.socket() as probe:
        # As servers do it, so that a port still in TIME_WAIT from our last run counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = error.strerror or str(error)
            sys.exit(f"Port {port}: {reason}. Stop what runs there, or choose another with {option}.")


def install(web: Path) -> None:
    """Install what package-lock.json names, unless it is what was installed last."""
    lock, installed = web / "package-lock.json", web / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    print("Installing the page's dependencies...", flush=True)
    if subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=web, check=False).returncode != 0:
        sys.exit("npm ci failed; its output is above.")


@contextmanager
def child(command: list[str], cwd: Path | None = None, **env: str) -> Generator[subprocess.Popen[bytes]]:
    """A process that is stopped on leaving, together with everything that it has started."""
    # A session of its own: npm starts Vite as a grandchild, and only the whole group reaches it.
    # It also keeps Ctrl-C from the children, so that they stop once, and in order.
    process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **env}, start_new_session=True)
    try:
        yield process
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C would leave orphans
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_S_MAX)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def wait_listening(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{name} did not start (exit code {process.returncode}); its output is above.")
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(POLL_S)
    sys.exit(f"{name} did not listen on port {port} within {START_S_MAX:.0f} s.")


def wait_stopped(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait until one of them has stopped by itself.  The other is of no use without it."""
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                sys.exit(f"{name} stopped (exit code {process.returncode}); its output is above.")
        time.sleep(POLL_S)
