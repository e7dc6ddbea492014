"""`relive deploy`, and servers that are given no app."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from .conftest import Relive, Running, Start

COUNT = """
from relive import QueryCtx, query

@query
async def answer(ctx: QueryCtx) -> int:
    return {}
"""
STUCK = """
import sys
import time

if "serve" in sys.argv:
    print("importing", file=sys.stderr, flush=True)
    time.sleep(60)
"""


def serve(start: Start, port: int, *arguments: str | Path) -> Running:
    running = start("serve", *arguments, "--port", str(port))
    running.wait(lambda: bool(running.out))
    return running


def test_a_server_without_an_app_serves_what_is_deployed_and_keeps_it(
    app: Path, start: Start, relive: Relive, port: int
) -> None:
    running = serve(start, port)
    running.wait_remark("nothing was deployed yet: `relive deploy APP` does it")
    assert running.out == [f"relive: nothing is served at http://127.0.0.1:{port} (data in .relive)"]

    deployed = relive("deploy", app)
    assert (deployed.returncode, deployed.stderr) == (0, "")
    first, *changes = deployed.stdout.splitlines()
    assert first.startswith("deployed notes_app ")
    assert first.endswith(" as entry 1: 0 stored documents fit; changed")
    assert "  + table notes" in changes
    assert "  + index notes.by_text (text)" in changes
    assert "  + function notes:secret internal query" in changes
    relive("run", "notes:add", '{"text": "kept"}')
    running.end()
    (app / "notes.py").unlink()

    serve(start, port)
    assert relive("run", "notes:all").stdout == '["kept"]\n'
    failed = relive("run", "notes:add", '{"text": ""}')
    assert 'File "notes.py", line 14, in add' in failed.stderr


def test_what_changes_is_shown_before_and_after(app: Path, start: Start, relive: Relive, port: int) -> None:
    serve(start, port, app)
    relive("run", "notes:add", '{"text": "one"}')
    schema, notes = (app / "schema.py").read_text(), (app / "notes.py").read_text()
    (app / "schema.py").write_text(
        schema.replace("by_text = index(text)", "stars: int = field(default=0)\n    by_text = index(text, stars)")
    )
    (app / "notes.py").write_text(notes.replace("@mutation\nasync def clear", "@query\nasync def clear"))
    (app / "count.py").write_text(COUNT.format(1))

    dry = relive("deploy", app, "--dry-run")
    assert (dry.returncode, dry.stdout.splitlines()[0].partition(" could be deployed: ")[2]) == (
        0,
        "1 stored documents fit; it would change",
    )
    assert dry.stdout.splitlines()[1:] == [
        "  ~ index notes.by_text (text) -> (text, stars)",
        "  + function count:answer query",
        "  ~ function notes:clear mutation -> query",
        "  + module count.py",
        "  ~ module notes.py",
        "  ~ module schema.py",
    ]
    assert relive("run", "count:answer").returncode == 1
    done = json.loads(relive("deploy", app, "--json").stdout)
    assert (done["state"], done["entry"], done["app"], done["checked"]) == ("active", 3, "notes_app", 1)
    assert done["changes"]["indexes"]["changed"] == [{"name": "notes.by_text", "was": "(text)", "is": "(text, stars)"}]
    assert relive("run", "count:answer").stdout == "1\n"
    again = relive("deploy", app)
    assert (again.returncode, again.stdout.partition(" is what ")[2]) == (
        0,
        "is served already; nothing was deployed\n",
    )


def test_an_app_that_cannot_be_deployed_is_refused_with_its_place(
    app: Path, start: Start, relive: Relive, relive_process: Relive, port: int
) -> None:
    serve(start, port, app)
    relive("run", "notes:add", '{"text": "one"}')
    schema = (app / "schema.py").read_text()

    (app / "broken.py").write_text("import nothing_of_that_name\n")
    broken = relive_process("deploy", app)
    assert (broken.returncode, broken.stdout) == (4, "")
    assert broken.stderr.startswith(f'relive: File "{app}/broken.py", line 1')
    (app / "broken.py").unlink()

    (app / "schema.py").write_text(schema.replace("text: str", "text: int"))
    for options in ((), ("--dry-run",)):
        unfit = relive_process("deploy", app, *options)
        assert (unfit.returncode, unfit.stdout) == (4, "")
        assert "relive: nothing was deployed: 1 stored document(s) do not fit the schema" in unfit.stderr
        assert "Expected `int`, got `str` (at $.text)" in unfit.stderr
    unfit = relive("deploy", app, "--json")
    said = json.loads(unfit.stdout)
    assert (unfit.returncode, said["state"], said["code"], said["count"]) == (4, "failed", "SchemaMismatch", 1)
    assert said["offenders"][0].endswith("Expected `int`, got `str` (at $.text)")
    assert relive("run", "notes:all").stdout == '["one"]\n'


def test_only_the_server_lacks_what_the_app_imports(app: Path, start: Start, relive: Relive, port: int) -> None:
    serve(start, port, app)
    (app / "picky.py").write_text("import sys\nif 'serve' in sys.argv:\n    import nothing_of_that_name\n")

    refused = relive("deploy", app)

    assert (refused.returncode, refused.stdout) == (4, "")
    assert 'relive: nothing was deployed: File "picky.py", line 3' in refused.stderr


def test_there_must_be_a_server_and_a_key(
    app: Path, start: Start, relive: Relive, relive_process: Relive, port: int
) -> None:
    nowhere = relive("deploy", app, "--url", "http://127.0.0.1:1", "--admin-key", "any|key")
    assert (nowhere.returncode, "no relive server answers at" in nowhere.stderr) == (1, True)
    serve(start, port)
    url = f"http://127.0.0.1:{port}"

    without = relive("deploy", app, "--url", url)
    assert (without.returncode, "set RELIVE_ADMIN_KEY" in without.stderr) == (2, True)
    wrong = relive("deploy", app, "--url", url, "--admin-key", "any|key")
    assert (wrong.returncode, "the admin key is wrong (BadDeployKey)" in wrong.stderr) == (1, True)
    key = relive("admin-key", "new").stdout.strip()
    assert relive_process("deploy", app, "--url", url, RELIVE_ADMIN_KEY=key).returncode == 0


def test_a_kill_while_a_deploy_is_pending_leaves_the_old_code(
    app: Path, start: Start, relive: Relive, port: int
) -> None:
    running = serve(start, port, app)
    relive("run", "notes:add", '{"text": "kept"}')
    (app / "stuck.py").write_text(STUCK)
    (app / "count.py").write_text(COUNT.format(1))
    deploying = start("deploy", app)
    running.wait_remark("importing")
    running.end(signal.SIGKILL)

    assert deploying.ended() == 1
    assert "was lost before the deploy had ended" in "\n".join(deploying.err)
    serve(start, port)
    assert relive("run", "notes:all").stdout == '["kept"]\n'
    assert "Could not find" in relive("run", "count:answer").stderr


def test_saves_and_deploys_of_a_development_server_are_the_same(
    app: Path, start: Start, relive: Relive, port: int
) -> None:
    running = start("dev", app, "--port", str(port))
    running.wait_remark("watching")
    (app / "count.py").write_text(COUNT.format(1))
    running.wait(lambda: len([line for line in running.err if line.startswith("relive: deployed")]) == 2)

    assert "is what is served already" in relive("deploy", app).stdout
    assert relive("run", "count:answer").stdout == "1\n"
