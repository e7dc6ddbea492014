"""Forks: data folders that begin where another one was, and go their own way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from relive.actors.checkpoints import fold
from relive.engine import forks
from relive.engine.data_folder import LOG, DataFolder
from relive.engine.errors import ForkRefused
from relive.engine.forks import fork
from relive.log.checkpoint import checkpoint_names
from relive.log.entry import LSN
from relive.log.errors import NoSuchEntry
from relive.log.segment import segment_names
from relive.log.storage import FolderStorage

from ..log.samples import append, chain, open_log, recovered
from ..ports import free_port
from .conftest import Relive, Running, Serve, Start

SEGMENT_BYTES = 600
COUNT = 20
ASKED = 3
"""Entries once a durable action was begun and sleeps: a deploy, its row, and its step."""


@pytest.fixture
def original(tmp_path: Path) -> DataFolder:
    """A data folder whose log has several segments, and a checkpoint."""
    made = DataFolder.open(tmp_path / "original")
    log = open_log(made.storage, segment_bytes_max=SEGMENT_BYTES)
    for _ in range(COUNT):
        append(log, 1)
    log.close()
    fold(made.storage, lambda file, problem: None)
    assert len(segment_names(made.storage)) > 3
    return made


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("lsn", [1, 7, COUNT - 1, COUNT, None])
def test_a_fork_has_the_entries_up_to_its_moment_and_goes_its_own_way(
    original: DataFolder, tmp_path: Path, lsn: int | None
) -> None:
    before = files_of(original.folder)
    made = fork(original, tmp_path / "fork", LSN(lsn) if lsn is not None else None)
    log = open_log(made.folder.storage, segment_bytes_max=SEGMENT_BYTES)
    append(log, 5)
    log.close()

    count = lsn or COUNT
    assert made.extent.lsn == made.folder.reached == made.folder.forked_at == count
    assert tuple(recovered(made.folder.storage)[1])[:count] == chain(COUNT)[:count]
    assert recovered(made.folder.storage)[0].last_lsn == count + 5
    assert files_of(original.folder) == before
    assert recovered(original.storage)[0].last_lsn == COUNT


def test_a_fork_shares_what_never_changes_and_only_that(original: DataFolder, tmp_path: Path) -> None:
    made = fork(original, tmp_path / "fork")
    *sealed, last = segment_names(made.folder.storage)

    def is_shared(name: str) -> bool:
        return os.path.samefile(original.folder / LOG / name, made.folder.folder / LOG / name)

    assert all(is_shared(name) for name in sealed)
    assert not is_shared(last)
    assert made.shared == sum(original.storage.size(name) for name in sealed)
    assert made.copied + made.shared == made.extent.size
    assert checkpoint_names(made.folder.storage) == checkpoint_names(original.storage) != ()


def test_checkpoints_of_what_a_fork_does_not_have_are_left_out(original: DataFolder, tmp_path: Path) -> None:
    assert checkpoint_names(fork(original, tmp_path / "fork", LSN(2)).folder.storage) == ()


def test_where_files_cannot_be_shared_they_are_copied(
    original: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "sharing", lambda source, target: lambda name: False)
    made = fork(original, tmp_path / "fork")

    assert (made.shared, made.copied) == (0, made.extent.size)
    assert tuple(recovered(made.folder.storage)[1]) == chain(COUNT)


def test_a_fork_can_be_told_from_its_original_and_is_sealed(original: DataFolder, tmp_path: Path) -> None:
    made = fork(original, tmp_path / "fork").folder

    assert made.instance_name != original.instance_name
    key = original.new_admin_key("of the original", 1).key
    assert original.keys(original.new_local_key()).powers(key)
    assert not made.keys(made.new_local_key()).powers(key)
    assert (made.secret, made.hash_seed) == (original.secret, original.hash_seed)
    assert (made.sealed, made.forked_from) == (True, original.instance_name)
    assert (original.sealed, original.forked_from) == (False, None)
    assert not fork(original, tmp_path / "open", unseal=True).folder.sealed
    assert fork(made, tmp_path / "again").folder.forked_from == made.instance_name


def test_a_used_folder_is_refused_and_left_as_it_is(original: DataFolder, tmp_path: Path) -> None:
    used, file = tmp_path / "used", tmp_path / "file"
    used.mkdir()
    (used / "notes.txt").write_text("mine")
    file.write_text("mine")
    (tmp_path / "empty").mkdir()

    for target in (used, file, original.folder):
        before = sorted(os.listdir(tmp_path))
        with pytest.raises(ForkRefused):
            fork(original, target)
        assert sorted(os.listdir(tmp_path)) == before
    assert files_of(used) == {"notes.txt": b"mine"}
    assert fork(original, tmp_path / "empty").extent.lsn == COUNT


@pytest.mark.parametrize("problem", [NoSuchEntry, OSError])
def test_a_fork_that_fails_leaves_nothing(
    original: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: type[Exception]
) -> None:
    if problem is OSError:
        monkeypatch.setattr(FolderStorage, "sync", lambda storage, name: os.stat(tmp_path / "absent"))
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(problem):
        fork(original, tmp_path / "fork", LSN(COUNT + 1) if problem is NoSuchEntry else None)

    assert sorted(os.listdir(tmp_path)) == before


def test_a_folder_that_is_served_is_forked_and_both_are_served(
    app: Path, serve: Serve, relive: Relive, start: object, tmp_path: Path
) -> None:
    serve(app)
    relive("run", "notes:add", '{"text": "one"}')
    relive("run", "notes:add", '{"text": "two"}')
    said = json.loads(relive("fork", "incident", "--at", "2", "--json").stdout)
    assert (said["lsn"], said["sealed"], said["folder"]) == (2, True, "incident")

    other = free_port()
    forked = start("serve", "--data", "incident", "--port", str(other))  # type: ignore[operator]
    forked.wait(lambda: bool(forked.out))
    assert f"a fork of {said['forkedFrom']} as of entry 2; effects outside are sealed" in "\n".join(forked.err)
    assert relive("run", "notes:all", "--data", "incident").stdout == '["one"]\n'
    assert relive("run", "notes:add", '{"text": "other"}', "--data", "incident").returncode == 0
    assert relive("run", "notes:all", "--data", "incident").stdout == '["one", "other"]\n'
    assert relive("run", "notes:all").stdout == '["one", "two"]\n'


def test_moments_that_never_were_are_refused(app: Path, serve: Serve, relive: Relive, tmp_path: Path) -> None:
    serve(app)
    for moment, problem in (
        ("0", "there is no entry 0"),
        ("99", "there is no entry 99"),
        ("2001-01-01", "there was nothing at 2001-01-01"),
        ("2199-01-01", "has not come yet"),
    ):
        refused = relive("fork", "incident", "--at", moment)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert problem in refused.stderr
    assert relive("fork", "incident", "--data", "absent").returncode == 2
    assert relive("fork", ".relive").returncode == 2
    assert not (tmp_path / "incident").exists()


POSTING = """
from pathlib import Path

from relive import ActionCtx, action


async def post(text: str) -> None:
    with Path(OUTSIDE).open("a") as file:
        file.write(text)


@action
async def at_once(ctx: ActionCtx) -> None:
    await post("at once ")


@action(durable=True)
async def later(ctx: ActionCtx) -> None:
    await ctx.sleep(0.5)
    await ctx.step(post, "later ")
"""


def test_no_action_runs_in_a_sealed_fork_and_none_goes_on(
    tmp_path: Path, app: Path, serve: Serve, relive: Relive, start: Start
) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    (app / "posting.py").write_text(POSTING.replace("OUTSIDE", repr(str(outside))))
    running = serve(app)
    asked = subprocess.Popen([sys.executable, "-m", "relive", "run", "posting:later"], cwd=tmp_path)
    forked: dict[str, str] = {}

    def fork(name: str, *options: str) -> bool:
        """Of an entry that is not there yet, or not known to be on the disk, there is no fork."""
        done = relive("fork", name, "--at", str(ASKED), *options, "--json")
        forked[name] = json.loads(done.stdout)["folder"] if done.returncode == 0 else ""
        return done.returncode == 0

    try:
        running.wait(lambda: fork("sealed"))
        running.wait(lambda: fork("open", "--unseal"))
    finally:
        assert asked.wait(timeout=30) == 0
    assert running.end() == 0
    assert outside.read_text() == "later "

    def serve_fork(name: str) -> Running:
        served = start("serve", "--data", forked[name], "--port", str(free_port()))
        served.wait(lambda: bool(served.out))
        return served

    other = serve_fork("sealed")
    refused = relive("run", "posting:at_once", "--data", forked["sealed"])
    assert refused.returncode == 1
    assert "sealed fork, so no action runs" in refused.stderr
    assert "posting:later" in relive("actions", "list", "--data", forked["sealed"]).stdout
    assert other.end() == 0
    stats = relive("log", "stats", "--data", forked["sealed"], "--json").stdout
    assert (json.loads(stats)["entries"], outside.read_text()) == (ASKED, "later ")

    other = serve_fork("open")
    assert relive("run", "posting:at_once", "--data", forked["open"]).returncode == 0
    other.wait(lambda: outside.read_text().count("later") == 2)
    assert outside.read_text().count("at once") == 1
