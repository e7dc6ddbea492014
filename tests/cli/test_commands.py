"""Commands that need no server, and what all commands have in common."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from relive.cli import main

from .conftest import Relive, Serve


def test_a_new_app_works_as_its_readme_says(tmp_path: Path, relive: Relive, serve: Serve) -> None:
    made = relive("init", "new/tasks")
    assert (made.returncode, made.stdout.splitlines()[-1]) == (0, "next: relive dev new/tasks")
    assert {path.name for path in (tmp_path / "new" / "tasks").iterdir()} == {"README.md", "schema.py", "tasks.py"}

    serve(Path("new/tasks"))

    task = json.loads(relive("run", "tasks:add", '{"title": " Try relive "}').stdout)
    assert [row["title"] for row in json.loads(relive("run", "tasks:unfinished").stdout)] == ["Try relive"]
    assert relive("run", "tasks:finish", json.dumps({"task": task})).stdout == "null\n"
    assert relive("run", "tasks:unfinished").stdout == "[]\n"


def test_only_an_empty_folder_becomes_an_app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("")

    assert main.run(["init", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"relive: {tmp_path} is not empty: name a new folder, or empty this one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert main.run(["init", str(tmp_path / "app"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == ["schema.py", "tasks.py", "README.md"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["absent"], "No such command 'absent'. See `relive --help`."),
        (["run"], "Missing argument 'FUNCTION'. See `relive run --help`."),
        (["run", "a:b", "[1"], "ARGUMENTS: not JSON"),
        (["run", "a:b", "[1]"], "ARGUMENTS must be a JSON object"),
        (["run", "a:b", '{"$x": 1}'], "ARGUMENTS: field name '$x' starts with $"),
        (["run", "a:b c"], "'a:b c' is not a function path"),
        (["run", "a:b", "--url", "nonsense"], "write it as http://127.0.0.1:3210"),
        (["run", "a:b", "--data", "absent"], "absent: this is no data folder"),
        (["admin-key", "new", "--data", "absent"], "`relive serve APP --data absent` makes one"),
        (["log"], "Missing command. See `relive log --help`."),
        (["log", "show", "--limit", "0"], "0 is not in the range"),
        (["codegen", "."], "say what to write: --out DIR for TypeScript, --python FILE for Python, or both"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("relive: ")
    assert problem in captured.err
    assert captured.err.count("\n") == 1


def test_both_ways_to_start_are_the_same(relive_process: Relive) -> None:
    script = Path(sys.executable).with_name("relive")
    for option in ("--help", "--version"):
        by_name = subprocess.run([script, option], capture_output=True, text=True, check=True)

        assert by_name.stdout == relive_process(option).stdout

    assert relive_process().stdout == relive_process("--help").stdout
    assert relive_process("--version").stdout.startswith("relive ")


def test_every_command_is_listed_and_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == 0
    listed = capsys.readouterr().out
    for name in main.COMMANDS:
        assert f"\n  {name} " in listed
        assert main.run([name, "--help"]) == 0
        assert f"Usage: relive {name}" in capsys.readouterr().out
    assert "  5  the log, or a backup, is damaged" in listed


def test_nothing_starts_without_assertions() -> None:
    done = subprocess.run(
        [sys.executable, "-O", "-m", "relive", "--version"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert "start Python without -O" in done.stderr


def test_admin_keys_are_made_used_and_revoked_while_the_server_runs(
    app: Path, serve: Serve, relive: Relive, tmp_path: Path
) -> None:
    serve(app)
    ask = ("env", "list", "--url", (tmp_path / ".relive" / "url").read_text().strip(), "--json")
    key = relive("admin-key", "new", "laptop").stdout.strip()
    other = json.loads(relive("admin-key", "new", "--json").stdout)

    assert other["adminKey"].startswith(f"{other['instanceName']}|")
    assert [each["name"] for each in json.loads(relive("admin-key", "list", "--json").stdout)] == ["laptop", "default"]
    assert relive(*ask, "--admin-key", key).returncode == 0
    assert "revoke it" in relive("admin-key", "new", "laptop").stderr
    assert relive("admin-key", "revoke", "laptop").returncode == 0
    assert "BadDeployKey" in relive(*ask, "--admin-key", key).stderr
    assert relive(*ask, "--admin-key", other["adminKey"]).returncode == 0
    assert "there is none of that name" in relive("admin-key", "revoke", "laptop").stderr


def test_no_admin_key_lies_in_the_folder_of_a_server_that_has_stopped(
    app: Path, serve: Serve, relive: Relive, tmp_path: Path
) -> None:
    running = serve(app)
    key = relive("admin-key", "new").stdout.strip()
    local = (tmp_path / ".relive" / "local_key").read_text().strip()
    running.end()

    kept = [path.read_bytes() for path in (tmp_path / ".relive").rglob("*") if path.is_file()]
    secrets = [each.partition("|")[2].encode() for each in (key, local)]
    assert not any(secret in text for secret in secrets for text in kept)
    assert not any(secret.decode() in line for secret in secrets for line in [*running.out, *running.err])


def test_types_are_written_only_if_they_change(app: Path, relive_process: Relive) -> None:
    first = relive_process("codegen", app, "--out", "types", PYTHONHASHSEED="1")
    assert first.stdout == "wrote api.d.ts, api.js, dataModel.d.ts in types\n"
    types = app.parent / "types"
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in types.iterdir()}
    assert set(before) == {"api.d.ts", "api.js", "dataModel.d.ts"}

    assert relive_process("codegen", app, "--out", "types", PYTHONHASHSEED="2").stdout == "types is up to date\n"
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in types.iterdir()} == before

    (app / "schema.py").write_text((app / "schema.py").read_text().replace("text: str", "text: int"))
    again = relive_process("codegen", app, "--out", "types", "--json")
    assert json.loads(again.stdout) == {"out": "types", "written": ["dataModel.d.ts"]}


def test_an_app_that_does_not_load_has_no_types(app: Path, relive_process: Relive) -> None:
    (app / "broken.py").write_text("def (:\n")

    refused = relive_process("codegen", app, "--out", "types")

    assert (refused.returncode, refused.stdout) == (4, "")
    assert f'File "{app}/broken.py", line 1' in refused.stderr
    assert not (app.parent / "types").exists()


def test_output_that_nobody_reads_is_no_error(app: Path, serve: Serve, tmp_path: Path) -> None:
    serve(app).end()
    command = f"'{sys.executable}' -m relive log show --json | true"

    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stderr == ""


def test_a_function_is_called_as_somebody(app: Path, serve: Serve, relive: Relive) -> None:
    (app / "people.py").write_text(
        "from relive import QueryCtx, query\n\n"
        "@query\nasync def who(ctx: QueryCtx) -> str:\n"
        "    identity = await ctx.auth.get_user_identity()\n"
        "    return identity.token_identifier if identity is not None else 'nobody'\n"
    )
    serve(app)
    ada = json.dumps({"subject": "ada", "issuer": "https://issuer.example"})

    assert relive("run", "people:who").stdout == '"nobody"\n'
    assert relive("run", "people:who", "--identity", ada).stdout == '"https://issuer.example|ada"\n'
    for wrong in ("ada", "[]", '{"subject": 7}'):
        assert relive("run", "people:who", "--identity", wrong).returncode != 0
