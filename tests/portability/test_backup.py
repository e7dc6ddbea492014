"""Backups: complete as of one entry or as before, incremental, restored to any entry."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from relive.engine.data_folder import DataFolder
from relive.engine.portability import backup
from relive.engine.portability.backup import back_up, restore, verify_backup
from relive.engine.portability.errors import BackupInvalid, BackupRefused
from relive.log.entry import LSN, Entry
from relive.log.errors import FolderInUse, NoSuchEntry
from relive.log.log import Log
from relive.log.recovery import recover
from relive.log.storage import FolderStorage

from ..log.samples import DEPLOYMENT, append, chain, open_log

SMALL = 600
"""Bytes of a segment: a few entries."""


class Killed(BaseException):
    """The process died."""


def data_folder(path: Path, batches: list[int]) -> Log:
    """A data folder with a log that stays open."""
    folder = DataFolder.open(path)
    log = open_log(folder.storage, segment_bytes_max=SMALL)
    for count in batches:
        append(log, count)
    return log


def entries(data: Path) -> tuple[Entry, ...]:
    seen: list[Entry] = []
    recover(FolderStorage(data / "log"), seen.append)
    return tuple(seen)


def all_of_it(view: object) -> None:
    return None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(st.integers(1, 4), max_size=4), min_size=1, max_size=4), data=st.data())
def test_backups_one_after_another_restore_to_any_entry(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[int]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("backups")
    log, count = data_folder(path / "data", []), 0
    for batches in rounds:
        for size in batches:
            append(log, size)
            count += size
        made = back_up(path / "data", path / "backup")
        assert made.manifest.lsn == count
        assert verify_backup(path / "backup") == made.manifest
    log.close()
    until = data.draw(st.integers(0, count), label="until")
    restore(path / "backup", path / "restored", lambda view: LSN(until))

    assert entries(path / "restored") == chain(until)
    again = open_log(FolderStorage(path / "restored" / "log"))
    append(again, 2)
    again.close()
    assert entries(path / "restored") == chain(until + 2)


def test_a_backup_keeps_what_the_data_folder_was_given_and_its_secrets_to_itself(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [3])
    DataFolder.read(tmp_path / "data").new_admin_key("laptop", 1)
    back_up(tmp_path / "data", tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored", all_of_it)
    here, there = DataFolder.read(tmp_path / "data"), DataFolder.read(tmp_path / "restored")

    assert (here.secret, here.instance_name, here.hash_seed) == (there.secret, there.instance_name, there.hash_seed)
    assert here.admin_keys() == there.admin_keys() != ()
    assert there.reached == 3
    private = [tmp_path / "backup", tmp_path / "backup" / "files", tmp_path / "restored", tmp_path / "restored" / "log"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o700}
    files = [path for top in ("backup", "restored") for path in (tmp_path / top).rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    log.close()


def test_a_second_backup_copies_only_what_is_new(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1] * 20)
    first = back_up(tmp_path / "data", tmp_path / "backup")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "backup" / "files").iterdir()}
    append(log, 1)
    second = back_up(tmp_path / "data", tmp_path / "backup")
    third = back_up(tmp_path / "data", tmp_path / "backup")
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "backup" / "files").iterdir()}

    assert (first.before, second.before, third.before) == (None, 20, 21)
    assert first.copied == first.manifest.size
    assert 0 < second.copied < 500
    assert third.copied == 0
    assert [name for name in before if after[name] != before[name]] in ([], [max(before)])
    log.close()


def test_a_sealed_file_that_was_replaced_is_copied_again(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1] * 10)
    back_up(tmp_path / "data", tmp_path / "backup")
    name = "00000000000000000001.log"
    old = tmp_path / "data" / "log" / name
    other = tmp_path / "other"
    other.write_bytes(old.read_bytes())
    os.replace(other, old)
    again = back_up(tmp_path / "data", tmp_path / "backup")
    files = {path.name for path in (tmp_path / "backup" / "files").iterdir()}

    assert again.copied == old.stat().st_size
    assert f"{name}.2" in files
    assert f"{name}.1" not in files
    verify_backup(tmp_path / "backup")
    log.close()


def test_a_segment_that_no_longer_begins_as_it_did_is_copied_anew(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1])
    made = back_up(tmp_path / "data", tmp_path / "backup")
    (file,) = made.manifest.files
    path = tmp_path / "backup" / "files" / file.file
    manifest = tmp_path / "backup" / "backup.json"
    manifest.write_text(manifest.read_text().replace(file.hash, "00" * 32))
    append(log, 1)
    back_up(tmp_path / "data", tmp_path / "backup")

    assert not path.exists()
    verify_backup(tmp_path / "backup")
    log.close()


def interrupted(monkeypatch: pytest.MonkeyPatch, after: int, error: Callable[[], BaseException]) -> None:
    """The changes after so many fail, all of them."""
    left = [after]

    def counted(change: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise error()
            return change(*arguments, **options)

        return run

    for name in ("create", "write", "sync", "sync_folder", "remove"):
        monkeypatch.setattr(FolderStorage, name, counted(getattr(FolderStorage, name)))
    monkeypatch.setattr(os, "replace", counted(os.replace))


@pytest.mark.parametrize("error", [Killed, lambda: OSError(errno.ENOSPC, "no space")])
def test_a_backup_that_is_cut_off_anywhere_leaves_the_one_before_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], BaseException]
) -> None:
    log = data_folder(tmp_path / "data", [1] * 5)
    back_up(tmp_path / "data", tmp_path / "backup")
    for _ in range(6):
        append(log, 1)
    ends, failures = [], 0
    for after in range(60):
        with monkeypatch.context() as patch:
            interrupted(patch, after, error)
            try:
                back_up(tmp_path / "data", tmp_path / "backup")
            except (Killed, BackupRefused):
                failures += 1
        manifest = verify_backup(tmp_path / "backup")
        ends.append(manifest.lsn)
        if failures == after:
            break  # It was not cut off any more.
    log.close()
    restore(tmp_path / "backup", tmp_path / "restored", all_of_it)

    assert failures > 6
    assert ends == sorted(ends)
    assert set(ends) == {5, 11}
    assert entries(tmp_path / "restored") == chain(11)


def test_the_first_backup_cut_off_is_no_backup_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = data_folder(tmp_path / "data", [1] * 5)
    with monkeypatch.context() as patch:
        interrupted(patch, 6, Killed)
        with pytest.raises(Killed):
            back_up(tmp_path / "data", tmp_path / "backup")
    with pytest.raises(BackupInvalid, match="this is no backup"):
        verify_backup(tmp_path / "backup")
    back_up(tmp_path / "data", tmp_path / "backup")

    assert verify_backup(tmp_path / "backup").lsn == 5
    log.close()


def test_a_restore_that_is_cut_off_leaves_nothing_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = data_folder(tmp_path / "data", [1] * 5)
    log.close()
    back_up(tmp_path / "data", tmp_path / "backup")
    for after in range(12):
        with monkeypatch.context() as patch:
            interrupted(patch, after, Killed)
            with pytest.raises(Killed):
                restore(tmp_path / "backup", tmp_path / "restored", all_of_it)
        assert not (tmp_path / "restored").exists()
    (tmp_path / ".restored.unfinished" / "log").mkdir(parents=True)
    (tmp_path / ".restored.unfinished" / "log" / "x").write_text("left by a crash")
    restore(tmp_path / "backup", tmp_path / "restored", all_of_it)

    assert entries(tmp_path / "restored") == chain(5)
    assert not (tmp_path / ".restored.unfinished").exists()


def test_another_deployment_is_not_backed_up_to_the_same_place(tmp_path: Path) -> None:
    first = data_folder(tmp_path / "data", [1] * 5)
    back_up(tmp_path / "data", tmp_path / "backup")
    folder = DataFolder.open(tmp_path / "other")
    other = Log.open(folder.storage, deployment_if_new=DEPLOYMENT[::-1], on_entry=lambda entry: None)
    append(other, 9)
    with pytest.raises(BackupRefused, match="another deployment"):
        back_up(tmp_path / "other", tmp_path / "backup")

    assert verify_backup(tmp_path / "backup").lsn == 5
    first.close()
    other.close()


def test_a_log_that_is_shorter_or_went_another_way_is_refused(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1] * 5)
    log.close()
    back_up(tmp_path / "data", tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "earlier", lambda view: LSN(3))
    with pytest.raises(BackupRefused, match="goes up to entry 5, and this log only to 3"):
        back_up(tmp_path / "earlier", tmp_path / "backup")
    another = open_log(FolderStorage(tmp_path / "earlier" / "log"))
    append(another, 4, document=b"\xa1aa\x01")
    with pytest.raises(BackupRefused, match="its entry 5 is another one"):
        back_up(tmp_path / "earlier", tmp_path / "backup")

    assert verify_backup(tmp_path / "backup").lsn == 5
    another.close()


def test_places_that_are_something_else_are_refused(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.png").write_bytes(b"png")
    (tmp_path / "file").write_text("")
    for place in ("data", "data/backup", "data/log", "full", "file"):
        with pytest.raises(BackupRefused):
            back_up(tmp_path / "data", tmp_path / place)
    back_up(tmp_path / "data", tmp_path / "backup")
    for place in ("data", "full", "file", "backup"):
        with pytest.raises(BackupRefused):
            restore(tmp_path / "backup", tmp_path / place, all_of_it)

    assert entries(tmp_path / "data") == chain(1)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["photo.png"]
    log.close()


def test_one_process_at_a_time_uses_a_backup(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1])
    back_up(tmp_path / "data", tmp_path / "backup")
    with backup.held(tmp_path / "backup"):
        for use in (
            lambda: back_up(tmp_path / "data", tmp_path / "backup"),
            lambda: verify_backup(tmp_path / "backup"),
            lambda: restore(tmp_path / "backup", tmp_path / "restored", all_of_it),
        ):
            with pytest.raises(FolderInUse):
                use()
    log.close()


def test_an_entry_that_is_not_in_the_backup_cannot_be_restored(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1, 1])
    back_up(tmp_path / "data", tmp_path / "backup")
    append(log, 1)
    with pytest.raises(NoSuchEntry, match="1 to 2"):
        restore(tmp_path / "backup", tmp_path / "restored", lambda view: LSN(3))

    assert not (tmp_path / "restored").exists()
    log.close()


def test_any_damage_to_a_backup_is_found(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1] * 6)
    log.close()
    made = back_up(tmp_path / "data", tmp_path / "backup")
    for file in made.manifest.files:
        path = tmp_path / "backup" / "files" / file.file
        whole = path.read_bytes()
        for at in range(0, file.length, 37):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(BackupInvalid):
                verify_backup(tmp_path / "backup")
            path.write_bytes(whole[:at])
            with pytest.raises(BackupInvalid):
                restore(tmp_path / "backup", tmp_path / "restored", all_of_it)
        path.unlink()
        with pytest.raises(BackupInvalid, match="missing"):
            verify_backup(tmp_path / "backup")
        path.write_bytes(whole + b"what does not count")
    verify_backup(tmp_path / "backup")
    manifest = (tmp_path / "backup" / "backup.json").read_bytes()
    for broken in (b"", manifest[:100], manifest.replace(b'"format": 1', b'"format": 9'), b"[]"):
        (tmp_path / "backup" / "backup.json").write_bytes(broken)
        with pytest.raises(BackupInvalid):
            verify_backup(tmp_path / "backup")


def test_a_damaged_log_does_not_replace_a_good_backup(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1] * 3)
    back_up(tmp_path / "data", tmp_path / "backup")
    append(log, 6)
    log.close()
    damaged = sorted((tmp_path / "data" / "log").glob("*.log"))[-1]
    data = bytearray(damaged.read_bytes())
    data[200] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(Exception, match="damaged"):
        back_up(tmp_path / "data", tmp_path / "backup")

    assert verify_backup(tmp_path / "backup").lsn == 3


def test_damage_to_a_sealed_segment_is_found_before_the_backup_changes(tmp_path: Path) -> None:
    log = data_folder(tmp_path / "data", [1])
    back_up(tmp_path / "data", tmp_path / "backup")
    for _ in range(9):
        append(log, 1)
    log.close()
    sealed = sorted((tmp_path / "data" / "log").glob("*.log"))[1]
    data = bytearray(sealed.read_bytes())
    data[200] ^= 1
    sealed.write_bytes(data)
    with pytest.raises(BackupInvalid, match="No backup was made of it"):
        back_up(tmp_path / "data", tmp_path / "backup")

    assert verify_backup(tmp_path / "backup").lsn == 1
