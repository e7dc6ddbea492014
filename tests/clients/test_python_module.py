"""The typed Python client: what it allows and refuses, and that it works against a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from relive.engine.data_folder import DataFolder

from ..typing.checkers import differences, marked, mypy, pyright
from .script import run_script
from .server import Server

FOLDER = Path(__file__).parent
CODEGEN_S_MAX = 30
PAST_S_MAX = 60
MISUSES = """
from __future__ import annotations

from typed_client import BoxOfInt64, Circle, Client, ItemId, PaginationOptionsArgument, TeamId


def misuse(client: Client, team: TeamId, item: ItemId) -> None:
    client.board.list(team=item)  # E: the id of another table
    client.board.list(team="x")  # E: text is no id
    client.board.list()  # E: an argument is missing
    client.board.list(team)  # E: arguments are named
    client.board.list(team=team, limit=3)  # E: no such argument
    client.board.add_team.subscribe(name="x")  # E: a mutation has no subscription
    client.board.job(job=team)  # E: the id of another table
    client.board.job(job=client.board.later(name="x")).state  # E: there may be none
    client.board.hidden()  # E: an internal function
    client.board.page(team=team, paginationOpts={"numItems": 1})  # E: not a mapping
    PaginationOptionsArgument(num_items=1)  # E: a cursor, or None
    client.board.add(team=team, shape=Circle(radius="x"), amount=1)  # E: a number
    client.board.add(team=team, shape=BoxOfInt64(content=1), amount=1)  # E: no variant
    client.board.add(team=team, shape=Circle(radius=1), amount=1, state="shut")  # E: no such state
    client.board.add(team=team, shape=Circle(radius=1), amount=1, data="x")  # E: bytes
    for items in client.board.list.subscribe(team=team):
        print(items[0].shape.radius)  # E: squares have none
        print(items[0].nothing)  # E: no such field
        items[0].amount = 3  # E: read-only
    found = client.board.team(team=team)
    print(found.name)  # E: there may be none
    client.board.describe(team=team, word=3)  # E: text
    client.board.describe.subscribe(team=team)  # E: an action has no subscription
    number: int = client.board.list(team=team)  # E: a list
    print(number)
"""


def generate(folder: Path) -> str:
    command = [sys.executable, "-m", "relive", "codegen", str(FOLDER / "typed_app"), "--python", "typed_client.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=CODEGEN_S_MAX)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """A folder with the module ``typed_client``."""
    (tmp_path / "generated").mkdir()
    generate(tmp_path / "generated")
    return tmp_path / "generated"


@pytest.fixture
def typed_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(FOLDER / "typed_app", tmp_path / "data")
    server.start()
    yield server
    server.stop()


def test_it_is_written_only_if_it_changes(generated: Path) -> None:
    assert generate(generated) == "typed_client.py is up to date\n"
    (generated / "typed_client.py").write_text("")
    assert generate(generated) == "wrote typed_client.py\n"


def test_it_imports_nothing_but_the_official_client(generated: Path) -> None:
    code = (
        "import sys, typed_client; print([name for name in sys.modules if name.split('.')[0] in ('relive', 'msgspec')])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=generated, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_type_checkers_accept_it_and_refuse_every_misuse(generated: Path) -> None:
    (generated / "misuses.py").write_text(MISUSES)
    script = (FOLDER / "python" / "typed.py").read_text(encoding="utf-8")
    (generated / "uses.py").write_text(script.replace("from .harness", "from harness"), encoding="utf-8")
    shutil.copy(FOLDER / "python" / "harness.py", generated)
    files = ("typed_client.py", "misuses.py", "uses.py")
    python = Path(sys.executable)

    assert differences(mypy(python, generated, *files), marked(generated, *files, by="mypy")) == []
    assert differences(pyright(python, generated, *files), marked(generated, *files, by="pyright")) == []


def test_it_works_against_a_server(generated: Path, typed_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATED", os.fspath(generated))

    result = run_script([sys.executable, "-m", "python.typed"], typed_server, cwd=FOLDER)
    first, second = result["ids"]
    assert result["seen"] == [[], [first], [first, second]]
    assert result["circle"] == [2.5, 2**60, b"none".hex(), None, {}, "open"]
    assert result["square"] == [4.5, 2**61 + 2, "00ff", 5, {"a": 1}, 3]
    assert result["types"] == ["int", "int", "int", "int"]
    assert result["anything"] == {"deep": [1.5, None]}
    assert result["pages"] == [[first], [second], False, True]
    assert result["team"] == ["red", "x", 0]
    assert result["events"] == ["8", "A"]
    assert result["numbers"] == [1, None, 2**62]
    assert result["deep"] == ["deep", "x", True]
    assert result["equal"] is True
    assert result["job"] == ["board:add_team", "pending", True]


def test_it_asks_about_the_past(generated: Path, typed_server: Server, tmp_path: Path) -> None:
    script = """
import sys
from convex import ConvexClient
from typed_client import Client, Past, PastError

url, key = sys.argv[1:]
client = Client(ConvexClient(url))
team = client.board.add_team(name="red")
client.board.add_team(name="blue")
then = Client(Past(url, key, at=2))
print(then.board.team(team=team).str, Client(Past(url, key, at=1, code="now")).board.team(team=team))
for ask in (
    lambda: then.board.add_team(name="green"),
    lambda: then.board.list.subscribe(team=team),
    lambda: then.board.describe(team=team, word="x"),
    lambda: Client(Past(url, key, at=99)).board.team(team=team),
    lambda: Client(Past(url, "wrong", at=2)).board.team(team=team),
    lambda: Client(Past("http://127.0.0.1:1", key, at=2)).board.team(team=team),
    lambda: then.board.team(team="none"),
):
    try:
        print("answered", ask())
    except PastError as error:
        print(error)
"""
    key = DataFolder.read(tmp_path / "data").local_key
    assert key is not None
    command = [sys.executable, "-c", script, typed_server.url, key]
    done = subprocess.run(command, cwd=generated, capture_output=True, text=True, check=False, timeout=PAST_S_MAX)

    assert done.returncode == 0, done.stderr
    first, *refused = done.stdout.splitlines()
    assert first == "red None"
    expected = [
        "board:add_team: the past cannot be changed",
        "the past does not change",
        "board:describe: the past cannot be changed",
        "there is no entry 99: the log holds 1 to 3",
        "the admin key is wrong",
        "refused",
        "is not a document id",
    ]
    assert len(refused) == len(expected)
    for said, problem in zip(refused, expected, strict=True):
        assert problem in said
