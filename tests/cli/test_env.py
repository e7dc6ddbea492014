"""`relive env`, against a server that runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from .conftest import Relive, Serve

LEVEL = """
from relive import QueryCtx, query

@query
async def level(ctx: QueryCtx) -> str:
    return ctx.env.get("LEVEL", "info")

@query
async def home(ctx: QueryCtx) -> str:
    return ctx.env["HOME"]
"""


@pytest.fixture
def served(app: Path, serve: Serve) -> None:
    (app / "settings.py").write_text(LEVEL)
    serve(app)


@pytest.mark.usefixtures("served")
def test_what_is_set_is_read_by_functions(relive: Relive) -> None:
    assert relive("run", "settings:level").stdout == '"info"\n'
    done = relive("env", "set", "LEVEL", "debug")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "relive: set: LEVEL\n")
    assert relive("run", "settings:level").stdout == '"debug"\n'
    assert relive("env", "get", "LEVEL").stdout == "debug\n"
    assert relive("env", "set", "LEVEL=debug").stderr == "relive: set: LEVEL (1 had that value already)\n"
    assert relive("env", "remove", "LEVEL", "ABSENT").stderr == "relive: removed: LEVEL, ABSENT (1 were not set)\n"
    assert relive("run", "settings:level").stdout == '"info"\n'

    missing = relive("env", "get", "LEVEL")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "environment variable LEVEL is not set" in missing.stderr
    assert "`relive env set HOME VALUE`" in relive("run", "settings:home").stderr


@pytest.mark.usefixtures("served")
def test_a_file_is_set_at_once_and_what_is_listed_can_be_set_again(tmp_path: Path, relive: Relive) -> None:
    assert relive("env", "list").stderr == "relive: no environment variables are set\n"
    (tmp_path / ".env").write_text("# comment\nA=1\nexport B='x # y' # more\nC=\"a\\nb\"\nEMPTY=\nA=2\n")
    assert relive("env", "set", "--file", ".env").stderr == "relive: set: A, B, C, EMPTY\n"
    relive("env", "set", "ODD", 'it\'s \\n a "quote" # here\n\ttab')
    expected = {"A": "2", "B": "x # y", "C": "a\nb", "EMPTY": "", "ODD": 'it\'s \\n a "quote" # here\n\ttab'}
    assert json.loads(relive("env", "list", "--json").stdout) == expected
    assert relive("env", "list", "--names").stdout.split() == list(expected)
    assert json.loads(relive("env", "list", "--names", "--json").stdout) == list(expected)

    (tmp_path / "again.env").write_text(relive("env", "list").stdout)
    relive("env", "remove", *expected)
    assert json.loads(relive("env", "set", "--file", "again.env", "--json").stdout) == {"changed": 5}
    assert json.loads(relive("env", "list", "--json").stdout) == expected
    assert json.loads(relive("env", "get", "C", "--json").stdout) == {"name": "C", "value": "a\nb"}


@pytest.mark.usefixtures("served")
def test_a_value_can_come_from_stdin(relive: Relive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n\n"))
    relive("env", "set", "KEY")
    assert relive("env", "get", "KEY").stdout == "secret\n\n"

    monkeypatch.setattr("sys.stdin", io.StringIO("A=1\nB=2\n"))
    relive("env", "set", "--file", "-")
    assert relive("env", "list", "--names").stdout.split() == ["A", "B", "KEY"]


@pytest.mark.usefixtures("served")
def test_the_log_shows_that_a_variable_was_set_but_not_its_value(relive: Relive) -> None:
    relive("env", "set", "KEY", "very-secret")
    lsn = json.loads(relive("log", "show", "--limit", "1", "--json").stdout)["lsn"]
    shown = [
        relive("log", "show", "--limit", "1", "--json").stdout,
        relive("log", "show", "--entry", str(lsn)).stdout,
        relive("log", "show").stdout,
    ]

    assert all("very-secret" not in text for text in shown)
    assert json.loads(shown[0])["writes"][0]["document"]["value"] == "(hidden)"
    assert '"set": ["KEY"]' in shown[1]
    assert '"(hidden)"' in shown[1]
    assert "update_environment_variables" in shown[2]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["set"], 2, "name one variable, or a file with --file"),
        (["set", "A=1", "2"], 2, "write NAME=VALUE or NAME VALUE, not both"),
        (["set", "1A", "x"], 1, "begins with no digit"),
        (["set", "--file", "absent"], 1, "absent: No such file"),
        (["set", "--file", "empty"], 2, "empty sets no variables"),
        (["set", "--file", "broken"], 2, "broken, line 2: write NAME=value"),
        (["list", "--url", "http://127.0.0.1:1"], 2, "this needs the admin key: name the data folder with --data"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, relive: Relive, arguments: list[str], code: int, problem: str) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "broken").write_text("A=1\nnot a line = very-secret\n")
    done = relive("env", *arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert problem in done.stderr
    assert "very-secret" not in done.stderr
