"""What commands tell of the past, on a folder that is being served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from relive.engine.data_folder import DataFolder
from relive.engine.history.reexecution import Difference, Verification
from relive.log.entry import LSN
from relive.protocol import timestamps

from relive.cli import administration, replay, verifying
from relive.cli.log_files import open_log
from relive.cli.moments import Time, check_moment
from relive.cli.replay_text import verification_lines
from relive.cli.replaying import Replayable
from relive.cli.run import Target
from relive.cli.statistics_text import size_text

from .conftest import Done, Relive, Serve


def test_the_log_is_counted(app: Path, serve: Serve, relive: Relive) -> None:
    serve(app)
    relive("run", "notes:add", '{"text": "one"}')
    relive("run", "notes:add", '{"text": "two"}')
    relive("run", "notes:clear")

    said = json.loads(relive("log", "stats", "--json").stdout)
    verified = json.loads(relive("log", "verify", "--json").stdout)
    assert (said["entries"], said["first"], said["last"]) == (4, verified["first"], verified["last"])
    assert said["bytes"] < verified["bytes"]  # frames and headers
    notes = said["tables"]["notes"]
    assert (notes["documents"], notes["versions"], notes["tombstones"], notes["currentBytes"]) == (0, 2, 2, 0)
    assert notes["oldBytes"] > 0
    assert {name: tally["entries"] for name, tally in said["kinds"].items()} == {"mutation": 3, "deploy": 1}
    assert {name: tally["entries"] for name, tally in said["functions"].items()} == {"notes:add": 2, "notes:clear": 1}

    text = relive("log", "stats").stdout
    assert text.startswith("4 entries, ")
    assert "too young to tell its growth" in text.splitlines()[0]
    assert ["notes", "0", "0", "B", "2", "2"] in [line.split()[:6] for line in text.splitlines()]


def test_a_document_is_blamed(app: Path, serve: Serve, relive: Relive) -> None:
    serve(app)
    added = relive("run", "notes:add", '{"text": "one"}').stdout.strip('"\n')
    relive("run", "notes:clear")

    lines = relive("blame", f"notes/{added}").stdout.splitlines()
    heads = [line for line in lines if line.startswith("entry")]
    assert [(line.split()[1], line.split()[-2], line.split()[-1]) for line in heads] == [
        ("3", "notes:clear", "deleted"),
        ("2", "notes:add", "created"),
    ]
    assert '  - text: "one"' in lines
    assert '  + text: "one"' in lines
    assert '  arguments {"text": "one"}' in lines

    trees = [json.loads(line) for line in relive("blame", added, "--json").stdout.splitlines()]
    assert [(tree["lsn"], tree["what"], tree["previous"], tree["table"]) for tree in trees] == [
        (3, "deleted", 2, "notes"),
        (2, "created", 0, "notes"),
    ]
    assert {"field": "text", "after": "one"} in trees[1]["changes"]
    assert {"field": "text", "before": "one"} in trees[0]["changes"]
    assert [cause["lsn"] for cause in trees[1]["causes"]] == [2]

    limited = relive("blame", added, "--limit", "1")
    assert limited.stdout.count("entry") == 1
    assert "there are older changes" in limited.stderr


def test_only_what_was_written_can_be_blamed(app: Path, serve: Serve, relive: Relive) -> None:
    serve(app)
    added = relive("run", "notes:add", '{"text": "one"}').stdout.strip('"\n')

    missing = relive("blame", f"users/{added}")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert f"no entry of the log wrote users/{added}" in missing.stderr
    assert relive("blame", "nothing").returncode == 2
    assert relive("blame", added, "--data", "absent").returncode == 2


def test_secrets_stay_hidden(app: Path, serve: Serve, relive: Relive) -> None:
    serve(app)
    relive("env", "set", "API_KEY", "swordfish")
    shown = json.loads(relive("log", "show", "--limit", "1", "--json").stdout)
    id = next(write["id"] for write in shown["writes"] if write["table"] == "_environment_variables")

    assert "+ value: (hidden)" in relive("blame", id).stdout
    assert "swordfish" not in relive("blame", id).stdout + relive("blame", id, "--json").stdout


def test_sizes_are_told_in_units() -> None:
    assert [size_text(size) for size in (0, 1023, 1024, 3 * 1024**2, 5 * 1024**5)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "3.0 MiB",
        "5,120.0 TiB",
    ]


PAST = """
from relive import Id, MutationCtx, QueryCtx, mutation, query

from .schema import Note

@query
async def texts(ctx: QueryCtx, id: Id[Note]) -> list[str | None]:
    return [each.document.text if each.document else None for each in await ctx.db.history(id)]

@mutation
async def rewrite(ctx: MutationCtx, id: Id[Note], text: str) -> int:
    await ctx.db.patch(id, text=text)
    return len(await ctx.db.history(id))
"""


@pytest.fixture
def past_app(app: Path) -> Path:
    """With functions that look back."""
    (app / "past.py").write_text(PAST)
    return app


def test_handlers_may_look_into_the_files_of_the_log(past_app: Path, serve: Serve, relive: Relive) -> None:
    running = serve(past_app)
    added = relive("run", "notes:add", '{"text": "one"}').stdout.strip('"\n')
    arguments = json.dumps({"id": added, "text": "two"})
    assert relive("run", "past:rewrite", arguments).stdout == "1\n"
    relive("run", "notes:clear")
    running.end()
    serve(past_app)  # Now all of it is on the disk only.

    asked = relive("run", "past:texts", json.dumps({"id": added}))
    assert (asked.stdout, asked.stderr) == ('[null, "two", "one"]\n', "")


@pytest.fixture
def worked(past_app: Path, serve: Serve, relive: Relive) -> str:
    """An app that is being served; the id of a document with a past."""
    serve(past_app)
    added = relive("run", "notes:add", '{"text": "one"}').stdout.strip('"\n')
    relive("run", "past:rewrite", json.dumps({"id": added, "text": "two"}))
    relive("env", "set", "LEVEL", "info")
    relive("run", "notes:clear")
    return added


@pytest.mark.usefixtures("worked")
def test_entries_are_run_again_beside_the_server(relive_process: Relive) -> None:
    done = relive_process("log", "verify", "--replay")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[3:] == [
        "run again: 3 entries, none of them with another outcome",
        "loaded again: 1 deploy(s)",
        "not run again: 1, because the system wrote it, by request from outside",
    ]

    backwards = relive_process("log", "verify", "--replay", "--from", "3", "--to", "2")
    assert (backwards.returncode, backwards.stdout) == (2, "")
    assert "--from 3 comes after --to 2" in backwards.stderr
    ranged = relive_process("log", "verify", "--replay", "--from", "2", "--to", "3", "--sample", "1", "--json")
    verified, said = map(json.loads, ranged.stdout.splitlines())
    assert verified["ok"] is True
    again = said["replay"]
    assert (again["checked"], again["passedOver"], again["different"], again["first"]) == (1, 2, 0, None)


def test_processes_share_a_range(worked: str, relive: Relive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(verifying, "PART_ENTRIES_MIN", 2)
    folder = DataFolder.read(tmp_path / ".relive")
    reader = open_log(folder.storage).reader
    seen: list[tuple[int, int]] = []
    verification = verifying.verify_in_parts(folder, reader, LSN(1), LSN(5), None, 2, lambda *done: seen.append(done))

    assert (verification.checked, verification.deploys, verification.different) == (3, 1, 0)
    assert verifying.parts_of(LSN(1), LSN(5), 2) == [(1, 2), (3, 5)]
    assert seen
    assert worked


def test_parts_cover_a_range_once() -> None:
    for jobs in range(1, 9):
        parts = verifying.parts_of(LSN(7), LSN(50_006), jobs)
        assert [lsn for first, last in parts for lsn in range(first, last + 1)] == list(range(7, 50_007))
        assert len(parts) == jobs
    assert verifying.parts_of(LSN(1), LSN(10), 8) == [(1, 10)]


def test_a_sample_is_one_of_entries_run_again(relive: Relive) -> None:
    refused = relive("log", "verify", "--sample", "3")
    assert refused.returncode == 2
    assert "belong to --replay" in refused.stderr


def test_a_difference_is_shown() -> None:
    difference = Difference(LSN(7), "notes:add", "printed", "nothing", "[LOG] 'one'")
    verification = Verification(checked=3, different=1, first=difference)

    assert list(verification_lines(verification)) == [
        "run again: 3 entries, 1 of them with another outcome",
        "the first difference is in entry 7, notes:add: printed",
        "  recorded  nothing",
        "  again     [LOG] 'one'",
        "`relive log show --entry 7` shows all of it",
    ]


def test_a_query_is_asked_about_the_past(worked: str, app: Path, relive: Relive, relive_process: Relive) -> None:
    def at(moment: str, *options: str, function: str = "notes:all") -> Done:
        return relive_process("run", function, "--at", moment, *options)

    assert at("2").stdout == '["one"]\n'
    assert at("3").stdout == '["two"]\n'
    assert json.loads(at("5", "--json").stdout) == {"status": "success", "value": [], "logLines": []}
    time = json.loads(relive("log", "show", "--from", "3", "--limit", "1", "--json").stdout)["time"]
    assert at(time).stdout == '["two"]\n'

    too_early = at("2001-01-01")
    assert too_early.returncode == 2
    assert "there was nothing at 2001-01-01 00:00:00 UTC" in too_early.stderr
    assert at("99").returncode == 2
    wrong = at("3", function="notes:clear")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert worked


def test_options_of_the_past_are_checked(app: Path, relive: Relive) -> None:
    refused = relive("run", "notes:all", "--at", "yesterday")
    assert refused.returncode == 2
    assert "write an LSN, or a time" in refused.stderr
    assert relive("run", "notes:all", "--code", "now").returncode == 2
    assert relive("run", "notes:all", "--at", "3", "--watch").returncode == 2


def test_a_query_says_who_changed_what_it_reads(worked: str, relive_process: Relive) -> None:
    lines = relive_process("why", "notes:all").stdout.splitlines()
    assert lines[0].startswith("as of entry 5, ")
    assert lines[1:3] == ["says []", "reads notes.by_creation_time from the start to the end"]
    assert lines[3].startswith("  changed last by entry 5, ")
    assert "notes:clear, for" in lines[3]

    said = json.loads(relive_process("why", "notes:all", "--at", "4", "--json").stdout)
    assert (said["lsn"], said["value"]) == (4, ["two"])
    assert [(read["index"], read["changedBy"]["lsn"]) for read in said["reads"]] == [("notes.by_creation_time", 3)]
    assert worked


@pytest.mark.usefixtures("worked")
def test_the_state_is_rebuilt_in_both_ways(relive_process: Relive) -> None:
    done = relive_process("replay")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("after entry 5, ")
    assert ["notes", "0", "0", "the", "same"] in [line.split() for line in done.stdout.splitlines()]
    assert "the server has the same as of entry 5" in done.stdout.splitlines()
    said = json.loads(relive_process("replay", "--json").stdout)
    assert (said["ok"], said["lsn"], said["served"]) == (True, 5, {"lsn": 5, "problems": {}})
    assert {each["table"]: each["documents"] for each in said["tables"]}["_environment_variables"] == 1


def test_a_server_that_has_something_else_is_found(
    app: Path, serve: Serve, relive: Relive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve(app)
    added = relive("run", "notes:add", '{"text": "one"}').stdout.strip('"\n')
    folder = DataFolder.read(tmp_path / ".relive")
    replayable = Replayable(folder, folder.storage, open_log(folder.storage))
    assert replay.compare_served(replayable) == replay.Served(LSN(2), {})

    real, other = administration.ask, "f" * 32

    def lie(target: Target, method: str, route: str, body: object) -> Any:
        said = real(target, method, route, body)
        if "notes" in said["tables"]:
            said["tables"]["notes"]["indexes"]["by_text"] = other
        return said

    monkeypatch.setattr(replay, "ask", lie)
    served = replay.compare_served(replayable)
    assert served == replay.Served(LSN(2), {"notes": "an index has other keys"})

    def lie_more(target: Target, method: str, route: str, body: object) -> Any:
        said = lie(target, method, route, body)
        return said | {"documents": dict.fromkeys(said["documents"], other)}

    monkeypatch.setattr(replay, "ask", lie_more)
    served = replay.compare_served(replayable)
    assert served == replay.Served(LSN(2), {"notes": f"{added} is another one"})
    assert f"  notes: {added} is another one" in replay.served_text(served)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12", LSN(12)),
        ("1970-01-02", Time(86_400 * 10**9)),
        ("1970-01-01T00:00:01.5Z", Time(1_500_000_000)),
        ("1970-01-01 00:00:01.000000007", Time(1_000_000_007)),
        ("1970-01-01T01:00:00+01:00", Time(0)),
    ],
)
def test_a_moment_is_an_lsn_or_a_time(text: str, moment: LSN | Time) -> None:
    context = click.Context(click.Command("run"))
    assert check_moment(context, click.Option(["--at"]), text) == moment


@pytest.mark.usefixtures("worked")
def test_other_code_is_tried_on_the_past(app: Path, relive: Relive, relive_process: Relive) -> None:
    same = relive_process("shadow", app)
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout.startswith("entries 1 to 5: 3 mutations, 3 the same, 0 different, 0 with new errors")
    assert "left out: 1, because no mutation made them, but a request of the kind deploy" in same.stdout

    notes = app / "notes.py"
    text = notes.read_text()
    notes.write_text(text.replace("Note(text=text)", "Note(text=text.upper())"))
    said = json.loads(relive_process("shadow", app, "--since", "2", "--until", "3", "--json").stdout)
    assert (said["ok"], said["first"], said["last"]) == (False, 2, 3)
    assert said["functions"]["notes:add"]["otherWrites"] == 1
    assert said["functions"]["past:rewrite"]["same"] == 1
    assert [(each["lsn"], each["what"]) for each in said["examples"]] == [(2, "writes")]
    shown = relive_process("shadow", app)
    assert shown.returncode == 1
    assert "entry 2, notes:add: writes" in shown.stdout.splitlines()

    assert relive_process("shadow", app, "--since", "4", "--until", "3").returncode == 2
    notes.write_text("nonsense(")
    refused = relive_process("shadow", app)
    assert (refused.returncode, refused.stdout) == (4, "")


def test_a_server_is_asked_about_the_past(worked: str, app: Path, port: int, relive: Relive, tmp_path: Path) -> None:
    key = DataFolder.read(tmp_path / ".relive").local_key
    headers = {"Authorization": f"Convex {key}"}

    def ask(route: str, **body: object) -> tuple[int, dict[str, Any]]:
        answer = httpx.post(f"http://127.0.0.1:{port}{route}", json=body, headers=headers, timeout=30)
        return answer.status_code, answer.json()

    shown = json.loads(relive("log", "show", "--from", "3", "--limit", "1", "--json").stdout)
    success = {"status": "success", "logLines": []}
    assert ask("/api/past/query", path="notes:all", at=2) == (200, success | {"value": ["one"]})
    assert ask("/api/past/query", path="notes:all", at=shown["time"]) == (200, success | {"value": ["two"]})
    assert ask("/api/past/query", path="past:texts", args={"id": worked}, at=3, code="now")[1]["value"] == [
        "two",
        "one",
    ]
    status, said = ask("/api/past/why", path="notes:all", at=4)
    assert (status, said["value"], said["reads"][0]["changedBy"]["lsn"]) == (200, ["two"], 3)
    failed = ask("/api/past/query", path="notes:spin", at=2)
    assert (failed[0], failed[1]["status"]) == (200, "error")

    for body, problem in (
        ({"path": "notes:all", "at": 99}, "there is no entry 99"),
        ({"path": "notes:all", "at": "2001-01-01"}, "there was nothing at 2001-01-01"),
        ({"path": "notes:all", "at": "--help"}, "`at` is the LSN"),
        ({"path": "notes:all", "at": 2, "code": "later"}, "`code` is"),
        ({"path": "notes:all", "at": 2, "args": []}, "`args` is"),
        ({"path": "notes:none", "at": 2}, "notes"),
        ({"path": "--help", "at": 2}, "--help"),
        ({"at": 2}, "`path` names"),
    ):
        status, said = ask("/api/past/query", **body)
        assert status == 400, said
        assert problem in said["message"]
    headers.clear()
    assert ask("/api/past/query", path="notes:all", at=2)[0] == 403


def test_what_was_long_ago_is_read_from_the_log(
    app: Path, serve: Serve, relive: Relive, port: int, tmp_path: Path
) -> None:
    running = serve(app)
    relive("run", "notes:add", '{"text": "one"}')
    entry = json.loads(relive("log", "show", "--entry", "2", "--json").stdout)
    relive("run", "notes:clear")
    running.end()
    serve(app)  # It holds nothing of before.
    body = {"path": "notes:all", "args": {}, "ts": timestamps.to_wire(entry["ts"])}
    url, key = f"http://127.0.0.1:{port}/api/query_at_ts", DataFolder.read(tmp_path / ".relive").local_key

    anybody = httpx.post(url, json=body, timeout=30)
    assert (anybody.status_code, anybody.json()["code"]) == (503, "OutOfRetention")
    asked = httpx.post(url, json=body, headers={"Authorization": f"Convex {key}"}, timeout=30)
    assert asked.json() == {"status": "success", "value": ["one"], "logLines": []}
