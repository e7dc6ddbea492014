"""`relive log compact` and `relive log erase`, with a server that was stopped."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Relive, Serve

GONE = """
from __future__ import annotations

from relive import Id, MutationCtx, mutation

from .schema import Note


@mutation
async def drop(ctx: MutationCtx, id: Id[Note]) -> None:
    await ctx.db.delete(id)
"""


def test_compaction_is_refused_while_served_and_says_what_it_would_do(
    app: Path, serve: Serve, relive: Relive, relive_process: Relive
) -> None:
    source = next(path for path in app.glob("*.py") if "(Document)" in path.read_text())
    source.write_text(source.read_text().replace("(Document)", "(Document, history_days=0)"))
    running = serve(app)
    id = json.loads(relive("run", "notes:add", '{"text": "kept"}').stdout)
    refused = relive_process("log", "compact")
    assert refused.returncode == 3
    assert "in use" in refused.stderr
    assert running.end() == 0

    said = json.loads(relive_process("log", "compact", "--dry-run", "--json").stdout)
    assert said == {"dryRun": True, "lsn": None, "tables": {}, "entries": 0, "segments": [], "bytesFreed": 0}
    assert "nothing to drop" in relive_process("log", "compact").stderr
    table = json.loads(relive("log", "show", "--json").stdout.splitlines()[-1])["writes"][0]["table"]
    still = relive_process("log", "erase", f"{table}/{id}")
    assert still.returncode != 0
    assert "delete it first" in still.stderr
    assert relive_process("log", "erase", "nothing").returncode == 2
    unknown = relive_process("log", "erase", f"{table}/other")
    assert "no entry of the log wrote" in unknown.stderr
    stats = json.loads(relive("log", "stats", "--json").stdout)
    assert stats["tables"][table]["historyDays"] == 0
    assert stats["checkpoints"] == []


def test_what_was_dropped_is_gone_from_the_files_and_told_to_be_gone(
    app: Path, serve: Serve, relive: Relive, relive_process: Relive
) -> None:
    (app / "gone.py").write_text(GONE)
    schema = app / "schema.py"
    schema.write_text(schema.read_text().replace("(Document)", "(Document, history_days=0)"))
    running = serve(app)
    ids = [json.loads(relive("run", "notes:add", json.dumps({"text": f"secret {n}"})).stdout) for n in range(2)]
    relive("run", "gone:drop", json.dumps({"id": ids[0]}))
    assert running.end() == 0
    logs = app.parent / ".relive" / "log"
    assert any(b"secret 0" in path.read_bytes() for path in logs.iterdir())

    said = json.loads(relive_process("log", "compact", "--json").stdout)
    assert said["tables"]["notes"]["versions"] == 1
    assert said["lsn"] is not None
    assert not any(b"secret 0" in path.read_bytes() for path in logs.iterdir())
    blamed = relive("blame", f"notes/{ids[0]}")
    assert "deleted" in blamed.stdout
    assert "beyond the history that its table keeps" in blamed.stderr
    assert relive("log", "verify").returncode == 0
    assert "beyond retention" in relive_process("log", "verify", "--replay").stdout
    shown = json.loads(relive("log", "show", "--entry", "2", "--json").stdout)
    assert (shown["reduced"], shown["args"]) == (True, None)
    again = serve(app)
    assert again.end() == 0
