"""Run the chat: its server and its web page, with one command.

    python examples/chat

Installs the page's dependencies on first use, starts `relive dev` and Vite, and prints the page's
address.  Ctrl-C stops both.  Needs relive (`pip install -e .` in the checkout) and Node 20.19 or later.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

# Not this folder, whose modules are the app's, but the checkout, for what the examples share.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from examples.starting import (
    HOST,
    check_free,
    check_tools,
    child,
    install,
    interrupt,
    wait_listening,
    wait_stopped,
)

APP = Path(__file__).resolve().parent
WEB = APP / "web"
TYPES = WEB / "src" / "_generated"


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


def run(port: int, web_port: int, data: Path) -> None:
    check_tools()
    check_free(port, "--port")
    check_free(web_port, "--web-port")
    install(WEB)

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


if __name__ == "__main__":
    main()
