"""`relive log checkpoint`, the start that uses one, and the server that has it made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from relive.engine.data_folder import DataFolder
from relive.engine.history.past_query import causes
from relive.log.checkpoint import CheckpointFile, checkpoint_names
from relive.log.encoding import encode
from relive.log.entry import LSN, Entry, IndexKey, IndexName, KeyRange
from relive.log.log import Log, ignore_entry
from relive.log.reader import LogReader
from relive.log.recovery import recover
from relive.log.segment import segment_names
from relive.log.storage import FolderStorage

from relive.cli import checkpoint
from relive.cli.log_files import open_log

from .conftest import Relive, Serve

SEGMENT_BYTES = 3_000


@pytest.fixture
def data(app: Path, serve: Serve, relive: Relive) -> Path:
    """A data folder whose log has several segments."""
    running = serve(app)
    for number in range(12):
        relive("run", "notes:add", json.dumps({"text": f"note {number}"}))
    assert running.end() == 0
    return split(app.parent / ".relive")


def split(data: Path) -> Path:
    """Write the same log in small segments."""
    old, entries = FolderStorage(data / "log"), list[Entry]()
    deployment = recover(old, entries.append).segments[0].header.deployment
    (data / "log").rename(data / "old")
    with Log.open(
        FolderStorage(data / "log"),
        deployment_if_new=deployment,
        on_entry=ignore_entry,
        segment_bytes_max=SEGMENT_BYTES,
    ) as log:
        for entry in entries:
            log.writer.queue(entry, encode(entry))
            batch = log.writer.take()
            assert batch is not None
            log.writer.write(batch)
    return data


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_who_changed_what_is_looked_for_after_the_checkpoint_first(
    data: Path, relive_process: Relive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(at: int) -> object:
        return json.loads(relive_process("why", "notes:all", "--at", str(at), "--json").stdout)["reads"]

    moments = (2, 7, 13)
    before = [said(at) for at in moments]
    assert relive_process("log", "checkpoint").returncode == 0
    assert [said(at) for at in moments] == before

    log, secret = open_log(FolderStorage(data / "log")), DataFolder.read(data).secret
    reader = log.reader
    covered = CheckpointFile.open(reader.storage, checkpoint_names(reader.storage)[-1]).checkpoint.lsn
    begun: list[int] = []
    entries = LogReader.entries

    def noted(self: LogReader, first: LSN, **options: bool) -> Iterator[Entry]:
        begun.append(first)
        return entries(self, first, **options)

    monkeypatch.setattr(LogReader, "entries", noted)
    notes = KeyRange(IndexName("notes", "by_creation_time"), IndexKey(b""), None)
    nothing = KeyRange(IndexName("nothing", "by_creation_time"), IndexKey(b""), None)
    (found,) = causes(reader, secret, (notes,), log.last)
    assert (found.changed_by and found.changed_by.lsn, begun) == (13, [covered + 1])
    begun.clear()
    found, none = causes(reader, secret, (notes, nothing), log.last)
    assert (found.changed_by and found.changed_by.lsn, none.changed_by) == (13, None)
    assert begun == [covered + 1, 1]


def test_a_start_uses_a_checkpoint_and_does_without_a_damaged_one(
    data: Path, app: Path, serve: Serve, relive: Relive, relive_process: Relive
) -> None:
    storage = FolderStorage(data / "log")
    expected = [f"note {number}" for number in range(12)]
    made = json.loads(relive_process("log", "checkpoint", "--json").stdout)
    assert made["made"] == checkpoint_names(storage)[-1]
    assert made["bytes"] == storage.size(made["made"])
    nothing = relive_process("log", "checkpoint")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "there is nothing to do" in nothing.stderr
    verified = relive("log", "verify")
    assert (verified.returncode, "1 checkpoint(s) that say the same" in verified.stdout) == (0, True)

    running = serve(app)
    assert json.loads(relive("run", "notes:all").stdout) == expected
    running.end()
    assert "not used" not in "\n".join(running.err)

    flip(data / "log" / made["made"], 300)
    bad = relive("log", "verify", "--json")
    assert (bad.returncode, json.loads(bad.stdout)["ok"]) == (1, False)
    assert made["made"] in json.loads(bad.stdout)["bad"]
    assert "It is not needed: delete it" in relive("log", "verify").stderr
    running = serve(app)
    assert json.loads(relive("run", "notes:all").stdout) == expected
    running.end()
    assert f"checkpoint {made['made']} is not used: the checksum" in "\n".join(running.err)

    assert relive_process("log", "checkpoint").stdout.startswith(f"{made['made']}: covers")
    assert relive("log", "verify").returncode == 0


async def test_a_server_has_checkpoints_made_beside_it(data: Path) -> None:
    storage = FolderStorage(data / "log")
    assert checkpoint.has_new_segments(storage)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(checkpoint.make_checkpoints, data)
        while not checkpoint_names(storage):  # noqa: ASYNC110 - a file appears without telling
            await trio.sleep(0.02)
        nursery.cancel_scope.cancel()

    (name,) = checkpoint_names(storage)
    assert len(CheckpointFile.open(storage, name).checkpoint.segments) == len(segment_names(storage)) - 1
    assert not checkpoint.has_new_segments(storage)
    flip(data / "log" / name, 3)
    assert checkpoint.has_new_segments(storage)


async def test_a_server_goes_on_if_no_checkpoint_can_be_made(
    data: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def looked(data: Path) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(checkpoint.make_checkpoints, data)
            while not caplog.text:  # noqa: ASYNC110 - nobody tells when something is logged
                await trio.sleep(0.02)
            nursery.cancel_scope.cancel()

    flip(data / "log" / segment_names(FolderStorage(data / "log"))[0], 200)
    await looked(data)
    assert "no checkpoint could be made" in caplog.text
    assert "the log is damaged" in caplog.text

    caplog.clear()
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    await looked(data)
    assert "No such file or directory: '/nowhere/python'" in caplog.text
    assert checkpoint_names(FolderStorage(data / "log")) == ()


def test_a_log_without_sealed_segments_needs_no_checkpoint(tmp_path: Path) -> None:
    assert not checkpoint.has_new_segments(FolderStorage(tmp_path / "absent"))
