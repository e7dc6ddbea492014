"""A real folder: locks between processes, and processes killed in the middle of appends."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from relive.log.entry import LSN
from relive.log.errors import FolderInUse, NoLog, SyncFailed
from relive.log.memory import MemoryStorage
from relive.log.segment import segment_name
from relive.log.storage import FolderStorage, Storage
from relive.log.verify import verify

from .samples import append, chain, open_log, queue, recovered

CHILD = Path(__file__).with_name("appender.py")


@pytest.fixture(params=["folder", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    storage: Storage = FolderStorage(tmp_path / "log") if request.param == "folder" else MemoryStorage()
    storage.lock()
    yield storage
    storage.unlock()


def test_files_are_written_read_cut_and_removed(storage: Storage) -> None:
    storage.create("a")
    storage.write("a", 0, b"hello world")
    storage.write("a", 6, b"there")
    storage.truncate("a", 9)
    storage.sync("a")
    storage.create("b")
    storage.sync_folder()

    assert {"a", "b"} <= set(storage.names())
    assert storage.size("a") == 9
    assert storage.read("a", 0, 100) == b"hello the"
    assert storage.read("a", 6, 2) == b"th"
    assert storage.read("a", 9, 2) == b""
    storage.remove("b")
    assert "b" not in storage.names()


def test_a_file_is_made_once_and_must_be_there(storage: Storage) -> None:
    storage.create("a")
    with pytest.raises(FileExistsError):
        storage.create("a")
    with pytest.raises(FileNotFoundError):
        storage.read("b", 0, 1)
    with pytest.raises(FileNotFoundError):
        storage.size("b")
    with pytest.raises(FileNotFoundError):
        storage.write("b", 0, b"x")


def test_a_log_in_a_folder_is_read_back(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "data" / "log")
    with open_log(storage, segment_bytes_max=2_000) as log:
        for count in (1, 5, 30, 4):
            append(log, count)
        assert tuple(log.reader.entries(LSN(1))) == chain(40)

    assert len(storage.names()) > 3
    assert tuple(recovered(storage)[1]) == chain(40)
    assert verify(storage).entries == 40


def test_a_torn_end_of_a_file_is_cut(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    with open_log(storage) as log:
        append(log, 3)
    with open(tmp_path / segment_name(LSN(1)), "ab") as file:
        file.write(b"\xff" * 50)
    with open_log(storage) as log:
        assert log.torn is not None
        append(log, 1)

    assert tuple(recovered(storage)[1]) == chain(4)


def test_writing_and_reading_go_on_in_two_threads(tmp_path: Path) -> None:
    with open_log(FolderStorage(tmp_path), segment_bytes_max=20_000) as log:
        for _ in range(20):
            queue(log, 20)
            batch = log.writer.take()
            assert batch is not None
            worker = threading.Thread(target=log.writer.write, args=(batch,))
            worker.start()
            read = list(log.reader.entries(LSN(1)))
            worker.join()

            assert len(read) in (log.last_lsn - 20, log.last_lsn)
        assert tuple(log.reader.entries(LSN(1))) == chain(400)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    with open_log(FolderStorage(tmp_path / "log")):
        pass

    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "log").iterdir()} == {0}
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_a_disk_that_is_gone_is_a_failed_sync(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    log = open_log(storage)
    append(log, 1)
    assert storage._open_descriptor is not None
    read_only = os.open(tmp_path / segment_name(LSN(1)), os.O_RDONLY)
    os.dup2(read_only, storage._open_descriptor)
    os.close(read_only)
    with pytest.raises(SyncFailed, match="entries after 1 may be lost"):
        append(log, 1)
    log.close()

    assert tuple(recovered(storage)[1]) == chain(1)


def test_a_file_that_may_not_grow_is_a_failed_sync_and_never_half_acknowledged(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    log = open_log(storage)
    append(log, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel writes the part that is allowed and only then fails.
    resource.setrlimit(resource.RLIMIT_FSIZE, (storage.size(segment_name(LSN(1))) + 100, before[1]))
    try:
        with pytest.raises(SyncFailed):
            append(log, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.close()

    assert tuple(recovered(storage)[1]) == chain(1)


def test_no_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(NoLog, match="nowhere"):
        verify(FolderStorage(tmp_path / "nowhere"))

    assert not (tmp_path / "nowhere").exists()


def appender(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.log.appender", str(folder), *arguments]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def test_a_folder_is_locked_against_other_processes(tmp_path: Path) -> None:
    with appender(tmp_path) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(FolderInUse) as caught:
            open_log(FolderStorage(tmp_path))
        child.kill()

    assert caught.value.pid == child.pid
    assert str(caught.value).startswith(f"{tmp_path} is in use by process {child.pid}")
    open_log(FolderStorage(tmp_path)).close()


def test_a_folder_is_locked_within_one_process_too(tmp_path: Path) -> None:
    with open_log(FolderStorage(tmp_path)), pytest.raises(FolderInUse) as caught:
        open_log(FolderStorage(tmp_path))

    assert caught.value.pid == os.getpid()


def test_what_a_killed_process_acknowledged_is_there(tmp_path: Path) -> None:
    for round_number in range(5):
        with appender(tmp_path) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(3 + 7 * round_number)]
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        acknowledged = max(int(line) for line in lines if line.endswith("\n"))
        entries = recovered(FolderStorage(tmp_path))[1]

        assert len(entries) >= acknowledged
        assert tuple(entries) == chain(len(entries), document=bytes(300))
    assert len(FolderStorage(tmp_path).names()) > 2
