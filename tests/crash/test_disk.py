"""The power failures of the harness: what was confirmed stays, and all else can go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from .disk import Disk

WITNESS = Path(__file__).parent / "witness"
FOLDERS = 30
WRITES = """
import os

def write(name, data, sync):
    with open(name, "ab") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())

def sync_folder():
    descriptor = os.open(".", os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)

"""


def lefts(folder: Path, code: str) -> list[dict[str, bytes]]:
    """The files of some folders, in each of which a process has done that before the power failed."""
    data, record = folder / "data", folder / "synced"
    data.mkdir()
    environment = os.environ | {"PYTHONPATH": str(WITNESS), "CRASH_SYNCED": str(record)}
    lines = ["import sitecustomize", WRITES, f"for number in range({FOLDERS}):", "    os.mkdir(f'../{number}')"]
    lines += ["    os.chdir(f'../{number}')", f"    {code}"]
    first = data / "first"
    first.mkdir()
    subprocess.run([sys.executable, "-S", "-c", "\n".join(lines)], cwd=first, env=environment, check=True)
    Disk(data, record).cut(Random(1))
    return [{path.name: path.read_bytes() for path in (data / str(number)).iterdir()} for number in range(FOLDERS)]


def test_what_was_synced_with_its_folder_stays(tmp_path: Path) -> None:
    code = "write('a', b'one', True); write('b', b'two', True); os.replace('a', 'c'); sync_folder()"

    assert all(files == {"b": b"two", "c": b"one"} for files in lefts(tmp_path, code))


@pytest.mark.parametrize(
    ("code", "outcomes"),
    [
        ("write('a', b'one', True); sync_folder(); write('a', b'+', False)", [{"a": b"one"}, {"a": b"one+"}]),
        ("write('a', b'1', False); sync_folder()", [{"a": b""}, {"a": b"1"}]),
        ("write('a', b'one', True)", [{}, {"a": b"one"}]),
        ("write('a', b'1', True); sync_folder(); os.rename('a', 'b')", [{"a": b"1"}, {"b": b"1"}]),
    ],
    ids=["the end of a file", "a file", "the name of a file", "a new name"],
)
def test_what_was_not_synced_may_be_lost_or_not(tmp_path: Path, code: str, outcomes: list[dict[str, bytes]]) -> None:
    found = lefts(tmp_path, code)

    assert all(files in outcomes for files in found)
    assert all(outcome in found for outcome in outcomes)


def test_of_two_threads_that_sync_a_folder_the_one_that_looked_last_counts(tmp_path: Path) -> None:
    data, record = tmp_path / "data", tmp_path / "synced"
    data.mkdir()
    for name in ("a", "b"):
        (data / name).write_bytes(b"one")
    inodes = {name: (data / name).stat().st_ino for name in ("a", "b")}
    notes: list[dict[str, object]] = [{"at": 1, "inode": inode, "size": 3, "names": None} for inode in inodes.values()]
    folder = data.stat().st_ino
    notes.append({"at": 3, "inode": folder, "size": 0, "names": inodes})
    notes.append({"at": 2, "inode": folder, "size": 0, "names": {"a": inodes["a"]}})
    text = "".join(f"{json.dumps(note)}\n" for note in notes)
    for seed in range(10):
        record.write_text(text)
        Disk(data, record).cut(Random(seed))
        assert sorted(path.name for path in data.iterdir()) == ["a", "b"]
