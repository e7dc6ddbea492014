"""A browser's window, as tests look at it and wait for what it shows."""

from __future__ import annotations

import time
from collections.abc import Callable

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from ..clients.server import Server

WAIT_S_MAX = 15.0
POLL_S = 0.05


class Window:
    """Of somebody with a page open."""

    def __init__(self, browser: Chrome, server: Server, name: str) -> None:
        self.browser = browser
        self.server = server
        self.name = name

    def connection(self) -> str | None:
        script = "return document.querySelector('[data-testid=\"connection\"]')?.dataset.state"
        state: str | None = self.browser.execute_script(script)
        return state

    def all(self, name: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, f'[data-testid="{name}"]')

    def one(self, name: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, f'[data-testid="{name}"]')

    def texts(self, name: str) -> list[str]:
        """What the page says there.  Read by one script, so that no redraw comes between."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
        texts: list[str] = self.browser.execute_script(script, f'[data-testid="{name}"]')
        return texts

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S_MAX
        while not condition():
            if time.monotonic() > deadline:
                page_text = self.browser.find_element(By.TAG_NAME, "body").text
                console = "\n".join(self.console_errors()) or "(nothing)"
                problem = f"{self.name} waited {WAIT_S_MAX:.0f} s in vain for {what}"
                raise AssertionError(
                    self.server.explain(f"{problem}\nthe page:\n{page_text}\nits console:\n{console}\n")
                )
            time.sleep(POLL_S)

    def console_errors(self) -> list[str]:
        """Warnings and errors on the console since the last call."""
        entries: list[dict[str, str]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]
