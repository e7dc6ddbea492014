"""`relive log`, on a folder that is being served."""

from __future__ import annotations

import json
from pathlib import Path

from relive.log.entry import LSN, IndexName, KeyRange, Write
from relive.log.storage import FolderStorage
from relive.protocol.order import sort_key

from relive.cli.entry_text import read_text, summary, time_text
from relive.cli.log_files import open_log

from .conftest import Relive, Serve


def test_entries_are_shown_while_they_are_made(app: Path, serve: Serve, relive: Relive) -> None:
    serve(app)
    added = relive("run", "notes:add", '{"text": "one"}').stdout.strip('"\n')
    relive("run", "notes:clear")

    lines = [line.split() for line in relive("log", "show").stdout.splitlines()]
    assert [[line[0], *line[3:5]] for line in lines[1:]] == [
        ["1", "deploy", "-"],
        ["2", "mutation", "notes:add"],
        ["3", "mutation", "notes:clear"],
    ]
    assert [line[-2:] for line in lines[1:]] == [["_tables", "+1"], ["notes", "+1"], ["notes", "-1"]]

    only = relive("log", "show", "--from", "2", "--limit", "1", "--json").stdout.splitlines()
    assert len(only) == 1
    entry = json.loads(only[0])
    assert (entry["lsn"], entry["function"], entry["args"], entry["logs"]) == (
        2,
        "notes:add",
        {"text": "one"},
        ["[LOG] 'adding one'"],
    )
    assert [(write["table"], write["id"], write["document"]["text"]) for write in entry["writes"]] == [
        ("notes", added, "one")
    ]
    newest = relive("log", "show", "--limit", "1", "--json").stdout
    assert [read["keysOnly"] for read in json.loads(newest)["reads"]] == [False, False]
    assert json.loads(newest)["writes"][0]["document"] is None

    text = relive("log", "show", "--entry", "3").stdout
    assert f"notes/{added} deleted, last written by entry 2" in text
    assert f'reads     notes.by_id ["{added}"]\n' in text
    assert "notes.by_creation_time from the start to the end\n" in text
    deployed = relive("log", "show", "--entry", "1").stdout
    assert 'app "notes_app"' in deployed
    assert "1 table(s), 5 function(s)" in deployed
    assert json.loads(relive("log", "show", "--entry", "1", "--json").stdout)["kind"] == "deploy"


def test_a_log_is_verified_while_it_grows(app: Path, serve: Serve, relive: Relive) -> None:
    serve(app)
    relive("run", "notes:add", '{"text": "one"}')

    verified = relive("log", "verify")
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.startswith("no fault: 2 entries in 1 segment(s)")
    said = json.loads(relive("log", "verify", "--json").stdout)
    assert (said["ok"], said["entries"], said["segments"], said["unfinished"]) == (True, 2, 1, None)
    assert said["hash"] in verified.stdout


def test_there_must_be_a_log_and_the_entry(app: Path, serve: Serve, relive: Relive) -> None:
    absent = relive("log", "show", "--data", "absent")
    assert (absent.returncode, absent.stdout) == (2, "")
    assert "there is no log in absent/log" in absent.stderr
    assert relive("log", "verify", "--data", "absent").returncode == 2

    serve(app).end()

    missing = relive("log", "show", "--entry", "9")
    assert missing.returncode == 2
    assert "there is no entry 9: the log holds 1 to 1" in missing.stderr
    beyond = relive("log", "show", "--from", "9")
    assert (beyond.returncode, beyond.stdout) == (0, "")
    assert "no entries from 9 on: the last one is 1" in beyond.stderr


def test_reading_takes_no_lock_and_writes_nothing(app: Path, serve: Serve) -> None:
    serve(app).end()
    storage = FolderStorage(app.parent / ".relive" / "log")
    before = {name: storage.read(name, 0, 1 << 20) for name in storage.names()}

    opened = open_log(storage)

    assert (opened.last, opened.problem) == (1, "")
    assert [entry.lsn for entry in opened.reader.read(LSN(0), 10)] == [1]
    assert {name: storage.read(name, 0, 1 << 20) for name in storage.names()} == before


def test_a_range_says_if_only_its_keys_were_looked_at() -> None:
    name = IndexName("notes", "by_text")

    assert read_text(KeyRange(name, sort_key("a"), None)) == 'notes.by_text from ["a"] to the end'
    assert read_text(KeyRange(name, sort_key("a"), None, keys_only=True)).endswith(
        "to the end (which keys there are, not the documents)"
    )


def test_writes_are_counted_by_table() -> None:
    writes = [
        Write("notes", "a", LSN(0), b""),
        Write("notes", "b", LSN(0), b""),
        Write("notes", "c", LSN(4), b""),
        Write("users", "d", LSN(4), None),
    ]

    assert summary(writes) == "notes +2 ~1, users -1"
    assert summary([]) == "-"


def test_times_are_shown_in_utc() -> None:
    assert time_text(1_795_364_491_000_000_007) == "2026-11-22 16:21:31.000"
    assert time_text(1_795_364_491_000_000_007, 9) == "2026-11-22 16:21:31.000000007"
