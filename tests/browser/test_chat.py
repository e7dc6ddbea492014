"""The chat example as people use it: two browsers, one server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from convex.http_client import ConvexHttpClient
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from ..clients.server import Server
from .window import Window

SCREENSHOT_BYTES_MIN = 5_000

# Collects every state of the message list that the page ever drew, from now on.
RECORD_LISTS = """
window.drawn = [];
new MutationObserver(() => {
  const rows = [...document.querySelectorAll('[data-testid="message-body"]')];
  window.drawn.push(rows.map((row) => row.textContent));
}).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
"""


def test_two_people_chat(server: Server, page: str, open_browser: Callable[[], Chrome], tmp_path: Path) -> None:
    ada = Person(open_browser(), server, page, "Ada")
    bob = Person(open_browser(), server, page, "Bob")
    ada.browser.execute_script(RECORD_LISTS)

    ada.say("Hello from Ada")
    bob.wait("Bob to see Ada's message", lambda: bob.messages() == [("Ada", "Hello from Ada")])
    bob.say("Hello Ada, Bob here")
    expected = [("Bob", "Hello Ada, Bob here"), ("Ada", "Hello from Ada")]
    ada.wait("Ada to see Bob's answer", lambda: ada.messages() == expected)
    bob.wait("Bob's answer to be confirmed", lambda: bob.pending() == 0)

    ada.all("like")[0].click()
    bob.wait("Bob to see the like", lambda: bob.texts("likes") == ["1", "0"])

    # An application error is shown, and its text comes from the server.
    ada.say("   ")
    ada.wait("the error", lambda: ada.texts("send-error") == ["Write something first."])
    ada.wait("the refused message to vanish", lambda: ada.messages() == expected)

    ada.one("new-channel").send_keys("Plans", Keys.ENTER)
    ada.wait("the new channel to open", lambda: ada.texts("channel-title") == ["# plans"])
    bob.wait("the new channel in Bob's list", lambda: len(bob.all("channel-plans")) == 1)
    assert ada.messages() == []
    ada.one("channel-general").click()
    ada.wait("the first channel", lambda: ada.messages() == expected)

    for number, drawn in enumerate(ada.browser.execute_script("return window.drawn")):
        assert len(set(drawn)) == len(drawn), f"drawing {number} shows a message twice: {drawn}"
    for person in (ada, bob):
        picture = tmp_path / f"{person.name}.png"
        assert person.browser.save_screenshot(str(picture))
        assert picture.stat().st_size > SCREENSHOT_BYTES_MIN
        # The client reports each failed mutation there, and we made one fail.
        assert [error for error in person.console_errors() if "M(messages:send)" not in error] == []


def test_a_message_sent_while_the_server_is_down_arrives_once(
    server: Server, page: str, open_browser: Callable[[], Chrome]
) -> None:
    ada = Person(open_browser(), server, page, "Ada")
    ada.say("before")
    ada.wait("the first message", lambda: ada.messages() == [("Ada", "before")] and ada.pending() == 0)

    server.kill()
    ada.wait("the page to notice", lambda: ada.connection() == "reconnecting")
    ada.say("while it was down")
    ada.wait("the pending message", lambda: ada.pending() == 1)
    server.restart()

    ada.wait("the page to be live again", lambda: ada.connection() == "live")
    ada.wait("the message to be confirmed", lambda: ada.pending() == 0)
    assert ada.messages() == [("Ada", "while it was down"), ("Ada", "before")]


def test_earlier_messages_are_read_on_request(server: Server, page: str, open_browser: Callable[[], Chrome]) -> None:
    http = ConvexHttpClient(server.url)
    channel = http.mutation("channels:get_or_create", {"name": "general"})
    for number in range(64):
        http.mutation("messages:send", {"channel": channel, "author": "Bob", "body": f"{number}"})
    ada = Person(open_browser(), server, page, "Ada")
    ada.wait("the newest messages", lambda: ada.numbers() == list(range(63, 33, -1)))
    ada.say("64")
    ada.wait("her own message, and all before", lambda: ada.numbers() == list(range(64, 33, -1)))
    for first in (4, 0):
        ada.browser.execute_script("arguments[0].scrollIntoView()", ada.one("earlier"))
        ada.one("earlier").click()
        ada.wait(f"message {first}", lambda first=first: ada.numbers() == list(range(64, first - 1, -1)))  # type: ignore[misc]

    assert ada.all("earlier") == []


class Person(Window):
    """Somebody with the page open."""

    def __init__(self, browser: Chrome, server: Server, page: str, name: str) -> None:
        super().__init__(browser, server, name)
        browser.get(page)
        self.wait("the page to be live", lambda: self.connection() == "live" and bool(self.all("body")))
        self.one("author").send_keys(Keys.CONTROL, "a")
        self.one("author").send_keys(name)

    def say(self, text: str) -> None:
        self.one("body").send_keys(text, Keys.ENTER)

    def messages(self) -> list[tuple[str, str]]:
        """Author and text, newest first."""
        script = """
            const text = (row, name) => row.querySelector(`[data-testid="${name}"]`).textContent;
            return [...document.querySelectorAll('[data-testid="message"]')].map(
              (row) => [text(row, "message-author"), text(row, "message-body")]);
        """
        return [(author, body) for author, body in self.browser.execute_script(script)]

    def numbers(self) -> list[int]:
        return [int(body) for _, body in self.messages()]

    def pending(self) -> int:
        return len(self.browser.find_elements(By.CSS_SELECTOR, '[data-pending="true"]'))
