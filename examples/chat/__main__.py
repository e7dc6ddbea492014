"""Run the chat: its server and its web page, with one command.

    python examples/chat

Installs the page's dependencies on first use, starts `relive dev` and Vite, and prints the page's
address.  Ctrl-C stops both.  Needs relive (`pip install -e .` in the checkout) and Node 20.19 or later.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

APP = Path(__file__).resolve().parent
WEB = APP / "web"
TYPES = WEB / "src" / "_generated"
HOST = "127.0.0.1"
START_S_MAX = 30.0
STOP_S_MAX = 10.0
POLL_S = 0.1


def main() -> None:
    options = parse_options()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        run(options.port, options.web_port, options.data)
    except KeyboardInterrupt:
        print("\nStopped.")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run the chat example: server and web page.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=3210, help="port of the relive server")
    parser.add_argument("--web-port", type=int, default=5173, help="port of the page")
    parser.add_argument("--data", type=Path, default=APP / ".relive", help="data folder")
    return parser.parse_args()


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Stop in the same way whether by Ctrl-C or by `kill`: the children must not outlive us."""
    raise KeyboardInterrupt


def run(port: int, web_port: int, data: Path) -> None:
    check_tools()
    check_free(port, "--port")
    check_free(web_port, "--web-port")
    install()

    server_url, page_url = f"http://{HOST}:{port}", f"http://{HOST}:{web_port}/"
    relive = [sys.executable, "-m", "relive", "dev", str(APP), "--data", str(data), "--codegen", str(TYPES)]
    vite = ["npm", "run", "--silent", "dev", "--", "--strictPort", "--logLevel", "warn"]
    with ExitStack() as children:
        server = children.enter_context(child([*relive, "--host", HOST, "--port", str(port)]))
        wait_listening(server, port, "The relive server")
        page = children.enter_context(
            child([*vite, "--host", HOST, "--port", str(web_port)], cwd=WEB, VITE_RELIVE_URL=server_url)
        )
        wait_listening(page, web_port, "The web page")

        print(f"\n  Chat is running at {page_url} (open it in two tabs); Ctrl-C stops it.\n", flush=True)
        wait_stopped({"The relive server": server, "The web page": page})


def check_tools() -> None:
    if importlib.util.find_spec("relive") is None:
        sys.exit(f"relive is not installed here. Run: {sys.executable} -m pip install -e {APP.parents[1]}")
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


def install() -> None:
    """Install what package-lock.json names, unless it is what was installed last."""
    lock, installed = WEB / "package-lock.json", WEB / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    print("Installing the page's dependencies...", flush=True)
    if subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=WEB, check=False).returncode != 0:
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


if __name__ == "__main__":
    main()
