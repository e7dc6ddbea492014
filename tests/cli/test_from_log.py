"""Tests made of what has happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Relive, Serve

WORK = """
import random
import secrets

from relive import COMMIT_TIMESTAMP, Id, MutationCtx, increment, mutation

from .schema import Note

@mutation
async def longest(ctx: MutationCtx) -> Id[Note]:
    notes = await ctx.db.query(Note).collect()
    return await ctx.db.insert(Note(text=max(note.text for note in notes) + str(random.random())))

@mutation
async def secret(ctx: MutationCtx) -> Id[Note]:
    return await ctx.db.insert(Note(text=secrets.token_hex(4)))

@mutation
async def touch(ctx: MutationCtx, id: Id[Note]) -> None:
    await ctx.db.patch(id, text="touched")
"""


@pytest.fixture
def worked(app: Path, serve: Serve, relive: Relive) -> Path:
    """An app with some entries: 2 and 3 add, 4 reads them, 5 is not to be repeated, 6 patches, 7 deletes all."""
    (app / "work.py").write_text(WORK)
    serve(app)
    added = relive("run", "notes:add", '{"text": "one"}').stdout.strip('"\n')
    for function, arguments in (
        ("notes:add", '{"text": "two"}'),
        ("work:longest", "{}"),
        ("work:secret", "{}"),
        ("work:touch", json.dumps({"id": added})),
        ("notes:clear", "{}"),
    ):
        done = relive("run", function, arguments)
        assert done.returncode == 0, done.stderr
    return app


def pytest_of(folder: Path, file: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def test_requests_become_tests_that_pass_until_the_function_does_something_else(
    worked: Path, relive_process: Relive, tmp_path: Path
) -> None:
    for lsn in (2, 4, 6, 7):
        done = relive_process("test", "from-log", str(lsn), "-o", f"test_entry_{lsn}.py")
        assert (done.returncode, done.stderr) == (0, "")
    files = "test_entry_*.py"
    text = (tmp_path / "test_entry_4.py").read_text()
    assert '"two"' in text.replace("'", '"')
    assert "def test_entry_4_work_longest() -> None:" in text

    before = {path.name: pytest_of(tmp_path, path.name) for path in tmp_path.glob(files)}
    assert {name: code for name, (code, _) in before.items()} == dict.fromkeys(before, 0), before
    (worked / "work.py").write_text((worked / "work.py").read_text().replace("max(", "min("))
    after = {path.name: pytest_of(tmp_path, path.name)[0] for path in tmp_path.glob(files)}
    assert after == {name: int(name == "test_entry_4.py") for name in before}


def test_what_cannot_be_reproduced_is_refused(worked: Path, relive_process: Relive, tmp_path: Path) -> None:
    for lsn, code, problem in (
        (1, 1, "no mutation made it, but a request of the kind deploy"),
        (5, 1, "something else comes out"),
        (99, 2, "there is no entry 99"),
    ):
        refused = relive_process("test", "from-log", str(lsn))
        assert (refused.returncode, refused.stdout) == (code, "")
        assert problem in refused.stderr
    (tmp_path / "mine.py").write_text("mine")
    assert relive_process("test", "from-log", "2", "-o", "mine.py").returncode == 2
    assert (tmp_path / "mine.py").read_text() == "mine"
    assert worked
