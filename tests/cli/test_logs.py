"""`relive logs`, and what `relive dev` shows of executions."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import click
import pytest

from relive.cli.execution_text import Filter, lines_of

from .conftest import Relive, Serve, Start

LOUD = """
import logging

from relive import ApplicationError, QueryCtx, query

@query
async def talk(ctx: QueryCtx, text: str) -> None:
    print(text)
    logging.getLogger("x").warning("careful")

@query
async def break_down(ctx: QueryCtx) -> None:
    print("before")
    raise ValueError("it broke")

@query
async def refuse(ctx: QueryCtx) -> None:
    raise ApplicationError({"code": 5})
"""
ID = re.compile(r"\[Request ID: ([0-9a-f]{16})\]")


@pytest.fixture
def loud(app: Path) -> Path:
    (app / "loud.py").write_text(LOUD)
    return app


def test_history_comes_first_and_filters_choose(loud: Path, serve: Serve, relive: Relive) -> None:
    serve(loud)
    for text in ("one", "two"):
        relive("run", "loud:talk", json.dumps({"text": text}))
    failed = relive("run", "loud:break_down")
    relive("run", "notes:add", '{"text": "x"}')
    relive("run", "notes:all")

    def shown(*options: str) -> list[str]:
        done = relive("logs", "--no-follow", *options)
        assert (done.returncode, done.stderr) == (0, "")
        return [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line[0].isdigit()]

    assert [re.sub("[0-9.]+ ms.*", "", line) for line in shown()] == [
        "loud:talk [LOG] one",
        "loud:talk [WARN] careful",
        "loud:talk [LOG] two",
        "loud:talk [WARN] careful",
        "loud:break_down [LOG] before",
        "loud:break_down failed after ",
        "notes:add [LOG] adding x",
    ]
    assert shown("--history", "1") == ["notes:add [LOG] adding x"]
    assert shown("--history", "0") == []
    assert shown("--level", "warn")[:-1] == ["loud:talk [WARN] careful"] * 2
    assert shown("--kind", "mutation") == ["notes:add [LOG] adding x"]
    assert len(shown("--function", "loud:t*")) == 4
    assert [line.split()[:2] for line in shown("--errors")] == [
        ["loud:break_down", "[LOG]"],
        ["loud:break_down", "failed"],
    ]
    match = ID.search(failed.stderr)
    assert match is not None
    assert shown("--request", match[1]) == shown("--errors")
    assert [line.split()[1] for line in shown("--success") if line.startswith("notes:a")] == ["[LOG]", "done", "done"]
    assert "entry" in shown("--success", "--kind", "mutation")[-1]


def test_json_is_one_execution_on_each_line(loud: Path, serve: Serve, relive: Relive) -> None:
    serve(loud)
    relive("run", "loud:talk", '{"text": "it\'s\\ntwo lines"}')
    relive("run", "notes:all")
    relive("run", "loud:refuse")
    done = relive("logs", "--no-follow", "--json")
    talk, all_, refuse = map(json.loads, done.stdout.splitlines())

    assert [line["messages"] for line in talk["logLines"]] == [["it's\ntwo lines"], ["careful"]]
    assert (all_["identifier"], all_["logLines"], all_["error"]) == ("notes:all", [], None)
    assert refuse["error"].startswith('Uncaught ConvexError: {"code":5.0}')


def test_what_happens_is_followed_through_a_restart(loud: Path, serve: Serve, start: Start, relive: Relive) -> None:
    server = serve(loud)
    relive("run", "notes:add", '{"text": "before"}')
    watching = start("logs", "--history", "0")
    watching.wait(lambda: is_shown(relive, "one", watching.out))
    server.kill()
    watching.wait_remark("was lost")
    server = serve(loud)
    watching.wait_remark("again")
    watching.wait(lambda: is_shown(relive, "two", watching.out))

    text = "\n".join(watching.out)
    assert "before" not in text
    assert text.index("adding one") < text.index("adding two")
    assert sum("connected to" in line for line in watching.err) == 1
    assert sum("was lost" in line for line in watching.err) == 1
    assert watching.end(signal.SIGTERM) == 0


def is_shown(relive: Relive, text: str, out: list[str]) -> bool:
    """Run something until it is shown: the command may not follow yet."""
    relive("run", "notes:add", json.dumps({"text": text}))
    return any(f"[LOG] adding {text}" in line for line in out)


def test_a_server_that_stops_as_asked_is_not_held_up(loud: Path, serve: Serve, start: Start, relive: Relive) -> None:
    server = serve(loud)
    watching = start("logs")
    watching.wait(lambda: is_shown(relive, "one", watching.out))

    assert server.end() == 0
    watching.wait_remark("was lost")
    assert watching.end(signal.SIGINT) == 0


def test_it_needs_a_server_and_its_key(loud: Path, serve: Serve, relive: Relive, tmp_path: Path, port: int) -> None:
    done = relive("logs", "--admin-key", "x|y", "--url", f"http://127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no relive server answers" in done.stderr

    serve(loud)
    done = relive("logs", "--admin-key", "x|y")
    assert (done.returncode, "the admin key is wrong" in done.stderr) == (1, True)
    done = relive("logs", "--url", f"http://127.0.0.1:{port}", "--data", tmp_path / "nowhere")
    assert done.returncode == 2


def test_dev_shows_the_same_lines(loud: Path, serve: Serve, relive: Relive) -> None:
    running = serve(loud, command="dev")
    relive("run", "loud:talk", '{"text": "hello"}')
    relive("run", "loud:break_down")
    running.wait_remark("it broke")
    lines = relive("logs", "--no-follow").stdout.splitlines()

    shown = running.err[running.err.index(lines[0]) :]
    assert shown[: len(lines)] == lines
    assert any("Uncaught ValueError: it broke" in line for line in lines)
    assert any('File "loud.py"' in line for line in lines)
    assert running.end() == 0


def test_clients_of_serve_hear_only_the_request_id(loud: Path, serve: Serve, relive: Relive, port: int) -> None:
    # Without --data no key is sent to a server that is named.
    url = f"http://127.0.0.1:{port}"
    server = serve(loud)
    done = relive("run", "loud:break_down", "--url", url)
    match = ID.search(done.stderr)
    assert match is not None
    assert "it broke" not in done.stderr
    assert f"`relive logs --no-follow --request {match[1]}` shows why" in done.stderr
    assert "it broke" in relive("run", "loud:break_down").stderr  # The admin key of the data folder.
    assert "it broke" in relive("logs", "--no-follow", "--request", match[1]).stdout
    server.end()

    serve(loud, "--show-errors")
    assert "it broke" in relive("run", "loud:break_down", "--url", url).stderr


# The text.


def entry(**more: Any) -> dict[str, Any]:
    whole = {
        "identifier": "a:b",
        "functionKind": "query",
        "requestId": "0123456789abcdef",
        "timestamp": 1_700_000_000.5,
        "executionTime": 0.0123,
        "logLines": [],
        "error": None,
        "cachedResult": False,
        "lsn": None,
        "retries": 0,
    }
    return whole | more


def line(level: str, *messages: str, cut: bool = False) -> dict[str, Any]:
    return {"level": level, "messages": list(messages), "isTruncated": cut, "timestamp": 0}


def text_of(shown: dict[str, Any], success: bool = False) -> str:
    return click.unstyle("\n".join(lines_of(shown, success=success)))


def test_a_terminal_is_not_given_orders() -> None:
    order = "\x1b]0;gone\x07\x9b2J\u202e"
    text = text_of(entry(identifier=order, logLines=[line("LOG", f"é{order}\nnext\tline")], error=order))

    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
    assert "é\\x1b]0;gone" in text
    assert "\n    next\tline" in text


def test_lines_say_how_serious_they_are() -> None:
    (shown,) = lines_of(entry(logLines=[line("ERROR", "bad", cut=True)]))

    assert click.style("[ERROR]", fg="red") in shown
    assert click.unstyle(shown).endswith(" a:b [ERROR] bad (truncated due to length)")
    assert re.match(r"2023-11-1[45] \d\d:\d\d:20\.500 ", click.unstyle(shown))


def test_a_success_says_what_it_took() -> None:
    done = entry(executionTime=1.5, lsn=7, retries=2, functionKind="mutation")

    assert text_of(done) == ""
    assert text_of(done, success=True).endswith(
        "a:b done in 1.50 s (mutation, request 0123456789abcdef), entry 7, run again 2 time(s)"
    )
    assert "result of an earlier run" in text_of(entry(cachedResult=True), success=True)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["DEBUG", "INFO", "LOG", "WARN", "ERROR", "NEW"]),
        ("info", ["INFO", "LOG", "WARN", "ERROR", "NEW"]),
        ("warn", ["WARN", "ERROR", "NEW"]),
        ("error", ["ERROR", "NEW"]),
    ],
)
def test_levels_are_ordered(level: str, expected: list[str]) -> None:
    lines = [line(each, "x") for each in ("DEBUG", "INFO", "LOG", "WARN", "ERROR", "NEW")]
    found = Filter(level=level).of(entry(logLines=lines))

    assert found is not None
    assert [each["level"] for each in found["logLines"]] == expected
    assert Filter(level="warn").of(entry(logLines=lines[:1])) is None
    assert Filter(level="error").of(entry(error="x")) is not None
