"""Run the help desk: its server, its web page and a provider to sign in at, with one command.

    python examples/helpdesk

Installs the page's dependencies on first use, starts `relive dev`, Vite and the provider, and prints the page's
address.  Ctrl-C stops them.  Needs relive (`pip install -e .` in the checkout) and Node 20.19 or later.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

# Not this folder, whose modules are the app's, but the checkout, for what the examples share.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from joserfc.jwk import ECKey

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
ISSUER_PORT = 5175
"""As `auth_config.py` has it."""
ISSUER = f"http://{HOST}:{ISSUER_PORT}"
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
        description="Run the help desk example: server, web page and provider.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=3212, help="port of the relive server")
    parser.add_argument("--web-port", type=int, default=5174, help="port of the page")
    parser.add_argument("--data", type=Path, default=APP / ".relive", help="data folder")
    return parser.parse_args()


def run(port: int, web_port: int, data: Path) -> None:
    check_tools()
    check_free(port, "--port")
    check_free(web_port, "--web-port")
    check_free(ISSUER_PORT, "port= in auth_config.py")
    install(WEB)

    server_url, page_url = f"http://{HOST}:{port}", f"http://{HOST}:{web_port}/"
    relive = [sys.executable, "-m", "relive", "dev", str(APP), "--data", str(data), "--codegen", str(TYPES)]
    vite = ["npm", "run", "--silent", "dev", "--", "--strictPort", "--logLevel", "warn"]
    with ExitStack() as children:
        provider = children.enter_context(child(["node", "provider.js"], cwd=WEB, **provider_settings(page_url)))
        wait_listening(provider, ISSUER_PORT, "The provider")
        server = children.enter_context(child([*relive, "--host", HOST, "--port", str(port)]))
        wait_listening(server, port, "The relive server")
        page = children.enter_context(
            child(
                [*vite, "--host", HOST, "--port", str(web_port)],
                cwd=WEB,
                VITE_RELIVE_URL=server_url,
                VITE_OIDC_ISSUER=ISSUER,
            )
        )
        wait_listening(page, web_port, "The web page")

        print(
            f"\n  The help desk is running at {page_url} (sign in as two people, in two tabs); Ctrl-C stops it.\n",
            flush=True,
        )
        wait_stopped({"The relive server": server, "The web page": page, "The provider": provider})


def provider_settings(page_url: str) -> dict[str, str]:
    """With a key of this run: tokens of another run are good for nothing."""
    key = ECKey.generate_key("P-256").as_dict(private=True)
    return {"ISSUER": ISSUER, "PAGES": page_url, "SIGNING_KEY": json.dumps(key)}


if __name__ == "__main__":
    main()
