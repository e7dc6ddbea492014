"""Fixtures for tests in a real browser: the built page, and windows of headless Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from ..clients.server import Server
from ..one_at_a_time import one_at_a_time
from ..ports import HOST, free_port

CHAT = Path(__file__).parents[2] / "examples" / "chat"
INSTALL_S_MAX = 300
BUILD_S_MAX = 120
PAGE_LOAD_S_MAX = 20

# Nothing here may talk to anyone but the two servers of the test.
CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",  # tests often run as root in a container, where the sandbox cannot start
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,720",
    "--force-color-profile=srgb",
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The chat example on a fresh database."""
    server = Server(CHAT, tmp_path / "data")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def page(server: Server, tmp_path: Path) -> Iterator[str]:
    """The address of the page, built for that server."""
    with served_page(CHAT / "web", tmp_path / "page", free_port(), VITE_RELIVE_URL=server.url) as address:
        yield address


@contextmanager
def served_page(web: Path, built: Path, port: int, **settings: str) -> Iterator[str]:
    """The page of an example, built with these settings, and its address."""
    install(web)
    command = ["npm", "run", "build", "--", "--outDir", str(built), "--emptyOutDir", "--logLevel", "warn"]
    subprocess.run(command, cwd=web, env={**os.environ, **settings}, check=True, timeout=BUILD_S_MAX)

    with ThreadingHTTPServer((HOST, port), partial(QuietHandler, directory=str(built))) as files:
        thread = threading.Thread(target=files.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://{HOST}:{files.server_port}/"
        files.shutdown()
        thread.join()


def install(web: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("npm was not found. Install Node 20.19 or later: the browser tests build the page with it.")
    with one_at_a_time(web):
        if not (web / "node_modules" / "vite").exists():
            subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=web, check=True, timeout=INSTALL_S_MAX)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what matters is on the page."""


@pytest.fixture
def open_browser(tmp_path: Path) -> Iterator[Callable[[], Chrome]]:
    """Opens one more browser, with a profile of its own: another person."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.fail(
            "chromium or chromedriver was not found. Install both: "
            "apt-get update && apt-get install --yes chromium chromium-driver"
        )
    browsers: list[Chrome] = []

    def open_one() -> Chrome:
        options = ChromeOptions()
        options.binary_location = chromium
        for flag in [*CHROMIUM_FLAGS, f"--user-data-dir={tmp_path / f'profile-{len(browsers)}'}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = Chrome(options, ChromeService(driver))
        browsers.append(browser)
        browser.set_page_load_timeout(PAGE_LOAD_S_MAX)
        return browser

    yield open_one
    for browser in browsers:
        browser.quit()
