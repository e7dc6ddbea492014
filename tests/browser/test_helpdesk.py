"""The help desk as people use it: every part of it, in two tabs, with a server that is killed in the middle."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen
from joserfc.jwk import ECKey
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from ..clients.server import Server
from ..ports import HOST, free_port
from .conftest import install, served_page
from .window import Window

HELPDESK = Path(__file__).parents[2] / "examples" / "helpdesk"
WEB = HELPDESK / "web"
PROVIDER_S_MAX = 30.0
PICTURE_WIDTH = 40
ENTRIES_MIN = 20
OPENS_AT_ONCE = 5
"""Tickets that one person may open at once, as `tickets.py` has it."""


@frozen
class Desk:
    server: Server
    page: str


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The server, the provider and the page, all on ports of their own."""
    issuer, page_port = f"http://{HOST}:{free_port()}", free_port()
    app = tmp_path / "helpdesk"
    app.mkdir()
    for module in HELPDESK.glob("[a-z]*.py"):
        text = module.read_text()
        (app / module.name).write_text(text.replace("http://127.0.0.1:5175", issuer))
    server = Server(app, tmp_path / "data")
    settings = {"VITE_RELIVE_URL": server.url, "VITE_OIDC_ISSUER": issuer}
    install(WEB)
    with (
        provider(issuer, f"http://{HOST}:{page_port}/"),
        served_page(WEB, tmp_path / "page", page_port, **settings) as p,
    ):
        server.start()
        yield Desk(server, p)
        server.stop()


@contextmanager
def provider(issuer: str, page: str) -> Iterator[None]:
    key = json.dumps(ECKey.generate_key("P-256").as_dict(private=True))
    node = shutil.which("node")
    assert node is not None
    environment = {**os.environ, "ISSUER": issuer, "PAGES": page, "SIGNING_KEY": key}
    process = subprocess.Popen([node, "provider.js"], cwd=WEB, env=environment)
    try:
        deadline = time.monotonic() + PROVIDER_S_MAX
        while True:
            try:
                httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status()
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the provider did not listen"
                assert process.poll() is None, "the provider has ended"
                time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


def test_two_people_use_every_part_of_the_help_desk_and_a_crash_loses_nothing(
    desk: Desk, open_browser: Callable[[], Chrome], tmp_path: Path
) -> None:
    ada, bob = Agent(open_browser(), desk, "Ada"), Agent(open_browser(), desk, "Bob")
    assert call(desk, "tickets:counts")["errorData"] == {"code": "sign_in", "message": "Sign in first."}
    picture = tmp_path / "jam.png"
    picture.write_bytes(png(PICTURE_WIDTH, 24))

    tickets_are_counted_compared_and_found(ada, bob)
    each_sees_who_else_looks(ada, bob)
    ada.one("file").send_keys(str(picture))
    bob.wait("the preview", lambda: bob.widths("preview") == [PICTURE_WIDTH])
    a_crash_loses_and_doubles_nothing(desk.server, ada, bob)
    ada.browser.save_screenshot(str(tmp_path / "ticket.png"))
    what_was_begun_is_taken_back(ada, bob, picture.read_bytes())
    other_programs_bring_and_take(f"{desk.server.url}/http", ada)
    whoever_is_too_fast_has_to_wait(bob)
    bob.browser.save_screenshot(str(tmp_path / "limit.png"))

    bob.browser.execute_script("location.hash = 'nonsense'")
    bob.wait("a word about that", lambda: bob.texts("no-ticket") == ["There is no such ticket."])

    # The first run of a cron is at the deploy, when there was nothing.
    assert re.fullmatch(r"digest of \d\d:\d\d.*: \d+ open", ada.texts("digest")[0])
    bob.one("sign-out").click()
    bob.wait("nobody to be signed in", lambda: len(bob.all("sign-in")) == 1)
    for person in (ada, bob):
        # What was refused, what was asked for while the server was down, and the provider's missing icon.
        expected = ("tickets:open", "ERR_CONNECTION", "WebSocket", "favicon.ico")
        assert [error for error in person.console_errors() if not any(part in error for part in expected)] == []
    desk.server.stop()
    again = replayed(desk.server.data)
    assert (again["different"], set(again["unverifiable"])) == (0, {"the system wrote it, by request from outside"})
    assert again["checked"] > ENTRIES_MIN


def tickets_are_counted_compared_and_found(ada: Agent, bob: Agent) -> None:
    ada.opens("The printer jams", "Paper sticks in the printer on floor 2", urgency=3)
    ada.wait("the topic, by an action", lambda: ada.texts("topic") == ["printing"])
    bob.wait("Bob to see it", lambda: bob.texts("ticket-title") == ["The printer jams"])
    bob.wait("the counts", lambda: bob.counts() == ("1", "0", "1"))
    bob.opens("Printer jams again", "Paper sticks in the printer on floor 3", urgency=2)
    bob.opens("VPN is slow", "The network crawls since Monday", urgency=1)
    ada.wait("all three", lambda: ada.counts() == ("3", "0", "1"))
    ada.wait("the rank", lambda: ada.texts("ahead") == ["ahead of 2 less urgent"])
    ada.wait("the ticket that is alike, and not the other", lambda: ada.texts("similar") == ["Printer jams again"])

    # While somebody types: the last word is found by its beginning.
    bob.one("search").send_keys("netw")
    bob.wait("what has the word", lambda: bob.texts("ticket-title") == ["VPN is slow"])
    bob.one("search").send_keys("zzz " * 40)  # More words than a search may have.
    bob.wait("no ticket", lambda: bob.texts("nothing") == ["No ticket has these words."])
    bob.one("search").send_keys(Keys.CONTROL, "a")
    bob.one("search").send_keys(Keys.DELETE)
    bob.wait("the whole list", lambda: len(bob.texts("ticket-title")) == 3)


def each_sees_who_else_looks(ada: Agent, bob: Agent) -> None:
    bob.selects("The printer jams")
    for person in (ada, bob):
        person.waits_for_viewers("Ada", "Bob")
    bob.browser.switch_to.new_window("tab")
    bob.browser.get(ada.browser.current_url)
    ada.wait("Bob's two tabs", lambda: ada.sessions("Bob") == ["2"])
    bob.browser.close()
    bob.browser.switch_to.window(bob.browser.window_handles[0])
    ada.wait("one tab again", lambda: ada.sessions("Bob") == ["1"])


def a_crash_loses_and_doubles_nothing(server: Server, ada: Agent, bob: Agent) -> None:
    ada.one("write-report").click()
    ada.wait("the second stage", lambda: ada.texts("report-stage") == ["counting solved tickets…"])
    ada.one("remind").click()
    bob.wait("the reminder", lambda: bob.texts("reminder") == ["waits"])
    server.kill()
    bob.wait("the page to notice", lambda: bob.connection() == "reconnecting")
    bob.answers("Written while it was down")
    server.restart()
    ada.wait("the report to go on", lambda: ada.texts("report-done") == ["Your report is done"])
    assert ada.texts("report-text")[0].splitlines()[:2] == ["3 open", "The printer jams (Ada, urgency 3)"]
    bob.wait("the reminder to be given", lambda: bob.texts("reminder") == ["given"])
    comments = ["BobWritten while it was down", "ReminderAda wanted to look at this again."]
    bob.wait("both comments, each once", lambda: sorted(bob.texts("comment")) == comments)
    for person in (ada, bob):
        person.waits_for_viewers("Ada", "Bob")
        assert (person.sessions("Bob"), person.widths("preview")) == (["1"], [PICTURE_WIDTH])


def what_was_begun_is_taken_back(ada: Agent, bob: Agent, picture: bytes) -> None:
    ada.one("remind").click()
    ada.wait("another reminder", lambda: len(ada.all("forget")) == 1)
    ada.one("forget").click()
    ada.wait("it to be taken back", lambda: ada.texts("reminder") == ["taken back"])
    address = ada.browser.execute_script("return document.querySelector('[data-testid=preview]').src")
    assert httpx.get(address).content == picture
    ada.one("remove").click()
    bob.wait("the file to be gone", lambda: bob.all("preview") == [])
    assert httpx.get(address).status_code == 404
    bob.one("solve").click()
    ada.wait("the counts", lambda: ada.counts() == ("2", "1", "0"))


def other_programs_bring_and_take(site: str, ada: Agent) -> None:
    assert httpx.options(f"{site}/tickets").headers["access-control-allow-methods"] == "GET, POST"
    assert httpx.post(f"{site}/tickets", json={"title": "no sender"}).status_code == 400
    sent = httpx.post(f"{site}/tickets", json={"sender": "scanner", "title": "Scanner is hot"})
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (201, "*")
    ada.wait("the ticket of the scanner", lambda: "Scanner is hot" in ada.texts("ticket-title"))
    assert httpx.get(f"{site}/tickets.csv").status_code == 401
    lines = ada.downloads(f"{site}/tickets.csv").splitlines()
    assert lines[:2] == ["title,author,state,urgency,topic", "The printer jams,Ada,solved,3,printing"]
    assert len(lines) == 5


def whoever_is_too_fast_has_to_wait(bob: Agent) -> None:
    opened = 0
    while bob.opens(f"Flood {opened}", "", urgency=1, may_fail=True):
        opened += 1
        assert opened < 4 * OPENS_AT_ONCE, "nothing holds him up"
    assert opened >= OPENS_AT_ONCE - 2  # He has opened two before, a while ago: some have come back.
    assert re.fullmatch(r"Not so fast: try again in \d+ s\.", "".join(bob.texts("problem")))


def replayed(data: Path) -> dict[str, Any]:
    """What comes of all entries when they are run again."""
    command = [sys.executable, "-m", "relive", "log", "verify", "--replay", "--json", "--data", str(data)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    replay: dict[str, Any] = json.loads(said.splitlines()[-1])["replay"]
    return replay


def call(desk: Desk, function: str) -> dict[str, object]:
    answer: dict[str, object] = httpx.post(f"{desk.server.url}/api/query", json={"path": function, "args": {}}).json()
    return answer


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    rows = (b"\0" + bytes([15, 118, 110]) * width) * height
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Agent(Window):
    """Somebody who has signed in."""

    def __init__(self, browser: Chrome, desk: Desk, name: str) -> None:
        super().__init__(browser, desk.server, name)
        browser.get(desk.page)
        self.wait("to be asked to sign in", lambda: bool(self.all("sign-in")) and self.one("sign-in").is_enabled())
        self.one("sign-in").click()
        self.wait("the provider's page", lambda: "Who are you?" in browser.page_source)
        browser.find_element("name", "login").send_keys(name, Keys.ENTER)
        self.wait("to be signed in", lambda: self.texts("me") == [name] and self.connection() == "live")

    def opens(self, title: str, body: str, urgency: int, *, may_fail: bool = False) -> bool:
        """Whether the ticket is there now."""
        self.one("new-ticket").click()
        self.wait("the form", lambda: bool(self.all("title")))
        for name, text in (("title", title), ("body", body)):
            self.one(name).send_keys(Keys.CONTROL, "a")
            self.one(name).send_keys(text or Keys.DELETE)
        self.one(f"urgency-{urgency}").click()
        self.one("open").click()
        self.wait(
            "the ticket", lambda: self.texts("shown-title") == [title] or (may_fail and bool(self.all("problem")))
        )
        return self.texts("shown-title") == [title]

    def selects(self, title: str) -> None:
        next(each for each in self.all("ticket") if title in each.text).click()
        self.wait("the ticket", lambda: self.texts("shown-title") == [title])

    def answers(self, text: str) -> None:
        self.one("answer").send_keys(text, Keys.ENTER)

    def waits_for_viewers(self, *names: str) -> None:
        self.wait(f"{names} to be seen", lambda: sorted(self.texts("viewer")) == list(names))

    def counts(self) -> tuple[str, ...]:
        return tuple("".join(self.texts(f"count-{name}")) for name in ("open", "solved", "urgent"))

    def sessions(self, who: str) -> list[str]:
        script = """return [...document.querySelectorAll('[data-testid="viewer"]')]
            .filter((one) => one.textContent === arguments[0]).map((one) => one.dataset.sessions)"""
        sessions: list[str] = self.browser.execute_script(script, who)
        return sessions

    def widths(self, name: str) -> list[int]:
        """Of pictures, as they really are: 0 while one has not loaded."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.naturalWidth)"
        widths: list[int] = self.browser.execute_script(script, f'[data-testid="{name}"]')
        return widths

    def downloads(self, address: str) -> str:
        """What is there for whoever is signed in here."""
        script = """
            const done = arguments[arguments.length - 1];
            const user = JSON.parse(Object.entries(localStorage).find(([key]) => key.startsWith("oidc.user"))[1]);
            fetch(arguments[0], { headers: { Authorization: `Bearer ${user.id_token}` } })
              .then((answer) => answer.text()).then(done);
        """
        text: str = self.browser.execute_async_script(script, address)
        return text
