"""What the documents say is there: the files, the commands, and apps that work as README and guide show them.

This file needs the checkout; the installed package is not enough.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
from relive.engine.application.app import App, load_app
from relive.engine.errors import ApplicationError, SchemaMismatch
from relive.engine.server.sessions import Sessions
from relive.engine.transactions.context import MutationCtx

from relive.cli.main import cli
from relive.testing import TestApp

from .engine.bench import Bench, open_bench, text_of, value_of
from .server.harness import ADMIN_KEY, serve

CHECKOUT = Path(__file__).resolve().parents[1]
DOCUMENTS = {
    path.relative_to(CHECKOUT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md"), *CHECKOUT.glob("examples/*/*.md")]
}
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
FILE_NAME = re.compile(r"`([\w.]+(?:/[\w.]+)*/?)`")
"""In backticks; a file of ours if it has a folder or a suffix."""
CODE_BLOCK = re.compile(r"^```python\n# (\S+?)(?:: ([\w ]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A file of an app, and which of its versions."""
FIRST_PAGE = {"numItems": 20, "cursor": None}
COMMAND = re.compile(r"(?:^    |`)relive ([a-z][^`#\n]*)", re.MULTILINE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    links = LINK.findall(DOCUMENTS[name])

    assert [link for link in links if not (CHECKOUT / name).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "docs/design.md", "docs/guide.md", "docs/protocol.md"]
)
def test_files_that_are_named_are_there(name: str) -> None:
    top = {path.name for path in CHECKOUT.iterdir() if path.is_dir()}
    named = [file for file in FILE_NAME.findall(DOCUMENTS[name]) if file.split("/")[0] in top]

    assert [file for file in named if not (CHECKOUT / file).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_that_are_shown_have_these_options(name: str) -> None:
    problems = {shown: problem for shown in COMMAND.findall(DOCUMENTS[name]) if (problem := problem_of(shown))}

    assert problems == {}


def problem_of(shown: str) -> str:
    """What the command line has against a command; empty if it is one, with such options."""
    words = shown.split()
    command: click.Command | None = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words.pop(0))
    if command is None:
        return "no such command"
    known = {option for parameter in command.params for option in parameter.opts}
    return " ".join(word for word in words if word.startswith("--") and word not in known)


def app_of(document: str, folder: Path, app: str, version: str = "") -> App:
    """An app as a document shows it, in the version named."""
    for name, which, source in CODE_BLOCK.findall(DOCUMENTS[document]):
        if name.startswith(f"{app}/") and which == version:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(source, encoding="utf-8")
    loaded = load_app(folder / app)
    assert loaded.warnings == ()
    return loaded


def test_the_app_of_the_readme_works(tmp_path: Path) -> None:
    app = app_of("README.md", tmp_path, "board")
    bench = open_bench(app)
    note = value_of(bench.mutate("notes:add", board="home", text="milk"))

    assert sorted(app.endpoints) == ["notes:add", "notes:count", "notes:newest", "notes:page", "notes:vote"]
    assert value_of(bench.mutate("notes:vote", note=note)) == 1
    (newest,) = value_of(bench.query("notes:newest", board="home"))
    assert (newest["_id"], newest["votes"]) == (note, 1)
    assert value_of(bench.query("notes:page", board="home", paginationOpts=FIRST_PAGE))["page"] == [newest]
    assert value_of(bench.query("notes:count", board="home")) == 1
    assert value_of(bench.query("notes:count", board="elsewhere")) == 0


def test_scores_are_counted_added_up_and_ranked(tmp_path: Path) -> None:
    arcade = open_bench(app_of("docs/guide.md", tmp_path, "arcade"))
    for player, points in (("ada", 30), ("bob", 10), ("eve", 20)):
        arcade.mutate("scores:add", game="snake", player=player, points=points)

    found = value_of(arcade.query("scores:standing", game="snake", points=15))
    assert found == {"better": 2, "of": 3, "best": "ada", "average": 20.0}
    assert value_of(arcade.query("scores:median", game="snake")) == 20
    assert value_of(arcade.query("scores:median", game="chess")) is None


def test_letters_are_limited(tmp_path: Path) -> None:
    post = open_bench(app_of("docs/guide.md", tmp_path, "post"))
    for _ in range(3):
        assert value_of(post.mutate("letters:send", sender="ada", text="hello")) is None

    assert "RateLimited" in text_of(post.mutate("letters:send", sender="ada", text="hello"))
    assert value_of(post.query("letters:may_send", sender="ada"))["ok"] is False
    assert value_of(post.query("letters:may_send", sender="bob")) == {"ok": True, "retryAfter": 0}


def test_who_is_there_is_known(tmp_path: Path) -> None:
    house = open_bench(app_of("docs/guide.md", tmp_path, "house"))
    sessions = Sessions(house.database)
    name = sessions.opened(bytes(16), None)
    assert [here["session"] for here in value_of(house.query("people:online"))] == [name]

    sessions.closed(name)
    house.clock.now_ns += 11 * 10**9
    sessions.settle()
    assert value_of(house.query("people:online")) == []


@pytest.fixture
def shop(tmp_path: Path) -> Bench:
    return open_bench(app_of("docs/guide.md", tmp_path, "shop"))


def test_products_of_the_guide_are_found(shop: Bench) -> None:
    pen = value_of(shop.mutate("products:add", name="pen", price=100, tags=["red"]))
    ink = value_of(shop.mutate("products:add", name="ink", price=300))
    value_of(shop.mutate("products:viewed", product=pen))

    assert value_of(shop.query("products:named", name="pen"))["views"] == 1
    assert value_of(shop.query("products:named", name="paper")) is None
    assert [each["name"] for each in value_of(shop.query("products:between", lowest=1, highest=300))] == ["ink", "pen"]
    assert value_of(shop.query("products:affordable", budget=299)) == 1
    assert value_of(shop.query("products:has_cheaper", product=ink)) is True
    assert value_of(shop.query("products:has_cheaper", product=pen)) is False
    assert [each["_id"] for each in value_of(shop.query("products:with_tag", tag="red"))] == [pen]
    assert "taken" in text_of(shop.mutate("products:add", name="pen", price=1))


def test_articles_of_the_guide_are_searched(shop: Bench) -> None:
    def found(**args: Any) -> list[str]:
        return [each["body"] for each in value_of(shop.query("articles:search", **args))]

    for section, body in [
        ("news", "Crème brûlée for all"),
        ("news", "Running late"),
        ("food", "creme"),
        ("food", "東京都"),
    ]:
        value_of(shop.mutate("articles:publish", section=section, body=body))
    assert found(words="CREME") == ["creme", "Crème brûlée for all"]
    assert found(words="creme", section="news") == ["Crème brûlée for all"]
    assert found(words="late run") == ["Running late"]
    assert found(words="run late") == ["Running late"]
    assert found(words="京都") == ["東京都"]
    assert found(words="run all", section="food") == []
    assert found(words=" ") == []
    assert "too many words" in text_of(shop.query("articles:search", words="w " * 17))


def test_pictures_of_the_guide_are_found_by_their_vectors(shop: Bench) -> None:
    for section, title, vector in [
        ("a", "east", [1, 0, 0]),
        ("a", "north", [0, 2, 0]),
        ("b", "north-east", [1, 1, 0]),
        ("b", "nowhere", None),
    ]:
        value_of(shop.mutate("pictures:add", section=section, title=title, embedding=vector))
    assert value_of(shop.query("pictures:like", vector=[1, 0.1, 0])) == ["east", "north-east", "north"]
    assert value_of(shop.query("pictures:like", vector=[1, 0.1, 0], section="b")) == ["north-east"]
    assert "3 (at $.embedding)" in text_of(shop.mutate("pictures:add", section="a", title="x", embedding=[1, 0]))


class Carrier(BaseHTTPRequestHandler):
    """The outside world of the guide's actions."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked["order"])  # type: ignore[attr-defined]
        body = json.dumps({"label": f"label of {asked['order']}"}).encode()
        self.send_response(200 if len(self.server.asked) != 2 else 503)  # type: ignore[attr-defined]
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_actions_of_the_guide_ask_the_outside_world_and_again_if_it_fails(tmp_path: Path) -> None:
    app_of("docs/guide.md", tmp_path, "shop")
    carrier = HTTPServer(("127.0.0.1", 0), Carrier)
    carrier.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=carrier.serve_forever, daemon=True).start()
    with TestApp(tmp_path / "shop", env={"CARRIER": f"http://127.0.0.1:{carrier.server_port}"}) as app:
        app.action("parcels:send", order="7")
        app.action("parcels:send_surely", order="8")
        labels = [parcel["label"] for parcel in app.documents("parcels")]
    carrier.shutdown()
    carrier.server_close()

    assert carrier.asked == ["7", "8", "8"]  # type: ignore[attr-defined]
    assert labels == ["label of 7", "label of 8"]


def test_accounts_of_the_guide_are_signed_up_and_in(tmp_path: Path) -> None:
    app_of("docs/guide.md", tmp_path, "club")
    ada = {"email": "ada@club.example", "password": "difference"}
    with TestApp(tmp_path / "club") as app:
        assert app.action("accounts:sign_up", **ada).count(".") == 2
        assert app.action("accounts:sign_in", **ada).count(".") == 2
        with pytest.raises(ApplicationError, match="there is an account"):
            app.action("accounts:sign_up", **ada)
        for _ in range(4):
            with pytest.raises(ApplicationError, match="another password"):
                app.action("accounts:sign_in", email=ada["email"], password="guessed")
        with pytest.raises(ApplicationError, match="RateLimited"):
            app.action("accounts:sign_in", **ada)
        assert [each["email"] for each in app.documents("accounts")] == [ada["email"]]


class MailService(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.sent.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mail_service() -> Iterator[tuple[str, list[Any]]]:
    """Its address, and what it was asked to send."""
    service = HTTPServer(("127.0.0.1", 0), MailService)
    service.sent = []  # type: ignore[attr-defined]
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_port}", service.sent  # type: ignore[attr-defined]
    service.shutdown()
    service.server_close()


def test_codes_of_the_guide_sign_in_once_and_are_guessed_a_few_times_at_most(
    tmp_path: Path, mail_service: tuple[str, list[Any]]
) -> None:
    app_of("docs/guide.md", tmp_path, "club")
    url, sent = mail_service
    email = "ada@club.example"
    with TestApp(tmp_path / "club", env={"MAIL_SERVICE": url}) as app:

        def code() -> str:
            app.action("codes:send_code", email=email)
            assert sent[-1]["to"] == email
            return str(sent[-1]["text"]).split()[0]

        def sign_in(code: str) -> str:
            token: str = app.action("codes:sign_in_with_code", email=email, code=code)
            return token

        first = code()
        assert sign_in(first).count(".") == 2
        second = code()
        others = [f"{number:06}" for number in range(6) if f"{number:06}" not in (first, second)]
        for wrong in [first, *others[:4]]:
            with pytest.raises(ApplicationError, match="wrong, or too old"):
                sign_in(wrong)
        with pytest.raises(ApplicationError, match="wrong, or too old"):
            sign_in(second)
        third = code()
        app.advance(601)
        with pytest.raises(ApplicationError, match="wrong, or too old"):
            sign_in(third)
        with pytest.raises(ApplicationError, match="RateLimited"):
            code(), code()
        assert [each["email"] for each in app.documents("accounts")] == [email]


def test_reminders_of_the_guide_come_when_they_are_due(tmp_path: Path) -> None:
    app_of("docs/guide.md", tmp_path, "shop")
    with TestApp(tmp_path / "shop") as app:
        job = app.mutation("reminders:placed", order="7")
        other = app.mutation("reminders:placed", order="8")
        assert app.run_scheduled() == 3  # One of them is a cron.
        app.advance(600)
        assert app.run_scheduled() == 4
        app.mutation("reminders:forget", job=other)
        app.finish_all_scheduled()
        assert [app.query("reminders:state_of", job=each) for each in (job, other)] == ["success", "canceled"]
        texts = [(each["order"], each["text"]) for each in app.documents("reminders")]
    orders = [each for each in texts if each[0] != "any"]
    assert orders == [("7", "nobody answered"), ("8", "nobody answered"), ("7", "rate it")]


async def test_http_actions_of_the_guide_answer_requests(tmp_path: Path) -> None:
    async with serve(app_of("docs/guide.md", tmp_path, "shop")) as running, running.http() as client:
        await client.post(
            "/api/update_environment_variables",
            json={"changes": [{"name": "CARRIER_KEY", "value": "k"}]},
            headers={"authorization": f"Convex {ADMIN_KEY}"},
        )
        refused = await client.post("/http/carrier", json={"order": "7", "label": "of 7"})
        taken = await client.post("/http/carrier", json={"order": "7", "label": "of 7"}, headers={"x-key": "k"})
        labels = await client.get("/http/labels/7")

    assert (refused.status_code, taken.status_code) == (403, 201)
    assert labels.text == "of 7\n"


def test_orders_of_the_guide_are_placed_paid_and_sent(shop: Bench) -> None:
    address = {"street": "1 Main St", "city": "London"}
    ada = value_of(shop.mutate("customers:register", email="ada@example.org", name="Ada", address=address))
    pen = value_of(shop.mutate("products:add", name="pen", price=100, stock=3))
    ink = value_of(shop.mutate("products:add", name="ink", price=300))
    order = value_of(shop.mutate("orders:place", customer=ada, wanted=[{"product": pen, "quantity": 2}]))

    assert "sold_out" in text_of(shop.mutate("orders:place", customer=ada, wanted=[{"product": pen}, {"product": ink}]))
    assert value_of(shop.query("products:named", name="pen"))["stock"] == 1
    both = [{"product": ink}, {"product": pen}]
    assert value_of(shop.mutate("orders:place_what_there_is", customer=ada, wanted=both)) == [pen]
    page = value_of(shop.query("orders:of_customer", customer=ada, paginationOpts=FIRST_PAGE))
    assert (page["page"][-1]["_id"], len(page["page"])) == (order, 2)
    summaries = value_of(shop.query("orders:summaries", customer=ada, paginationOpts=FIRST_PAGE))
    assert summaries == {
        **page,
        "page": [{"order": each["_id"], "status": "open", "items": 1} for each in page["page"]],
    }
    value_of(shop.mutate("orders:pay", order=order))
    assert value_of(shop.query("orders:waiting")) == 1
    value_of(shop.mutate("orders:send", order=order, carrier="post"))
    assert value_of(shop.query("orders:waiting")) == 0
    history = value_of(shop.query("orders:history", order=order))
    assert [(each["type"], each.get("amount")) for each in history] == [("paid", 200), ("sent", None)]
    assert "not_open" in text_of(shop.mutate("orders:pay", order=order))


def test_customers_of_the_guide_move(shop: Bench) -> None:
    london, paris = {"street": "1 Main St", "city": "London"}, {"street": "2 Rue", "city": "Paris"}
    ada = value_of(shop.mutate("customers:register", email="ada@example.org", name="Ada", address=london))
    value_of(shop.mutate("customers:move", customer=ada, address=paris, phone="1"))

    (found,) = value_of(shop.query("customers:in_city", city="Paris"))
    assert found["phone"] == "1"
    value_of(shop.mutate("customers:move", customer=ada, address=london))
    (found,) = value_of(shop.query("customers:in_city", city="London"))
    assert "phone" not in found
    again = shop.mutate("customers:register", email="ada@example.org", name="Ada", address=london)
    assert "registered_already" in text_of(again)
    assert value_of(shop.query("about:greeting")) == "Welcome to the shop"


def test_the_schema_of_the_guide_is_widened_migrated_and_narrowed(tmp_path: Path) -> None:
    versions = ("at first", "wide", "narrow")
    first, wide, narrow = (app_of("docs/guide.md", tmp_path / version, "people", version) for version in versions)
    bench = open_bench(first)

    async def insert(ctx: MutationCtx) -> None:
        await ctx.db.insert("persons", {"name": "Ada Lovelace"})

    async def names(ctx: MutationCtx) -> list[tuple[str, str]]:
        people: list[Any] = list(await ctx.db.query("persons").collect())
        return [(each.first, each.last) for each in people]

    bench.write(insert)
    with pytest.raises(SchemaMismatch):
        bench.deploy(narrow)
    bench.deploy(wide)
    value_of(bench.mutate("people:add", first="Grace", last="Hopper"))
    migrations = bench.database.migrations
    migrations.start("split_names", "cli")
    while migrations.running():
        migrations.step("people:split_names")
    bench.flush()

    assert bench.deploy(narrow).checked == 2
    assert bench.write(names) == [("Ada", "Lovelace"), ("Grace", "Hopper")]
