"""Files in forks, backups and what is restored of them."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest
from relive.engine.data_folder import DataFolder
from relive.engine.files.folder_copy import copy_folder
from relive.engine.forks import fork
from relive.engine.portability.backup import UPLOADS, back_up, restore, verify_backup

from ..log.samples import append, open_log


@pytest.fixture
def original(tmp_path: Path) -> DataFolder:
    folder = DataFolder.open(tmp_path / "data")
    log = open_log(folder.storage)
    append(log, 3)
    log.close()
    return folder


def put(folder: Path, text: str) -> str:
    folder.mkdir(exist_ok=True)
    name = str(uuid4())
    (folder / name).write_text(text)
    return name


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}


def test_a_copy_has_all_files_and_nothing_half_written(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    assert copy_folder(source, target) == 0
    one = put(source, "one")
    (source / f"{uuid4()}.part").write_text("on its way")
    assert copy_folder(source, target) == 3
    assert texts(target) == {one: "one"}
    assert copy_folder(source, target) == 0

    two = put(source, "two!")
    (source / one).unlink()
    assert copy_folder(source, target) == 4
    assert texts(target) == {one: "one", two: "two!"}


@pytest.mark.parametrize("linked", [True, False])
def test_a_fork_has_the_files_and_deletes_none_of_the_original(
    original: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    name = put(original.files, "bytes")
    if not linked:
        monkeypatch.setattr(os, "link", refuse)
    made = fork(original, tmp_path / "fork").folder

    assert texts(made.files) == {name: "bytes"}
    assert os.path.samefile(made.files / name, original.files / name) is linked
    (made.files / name).unlink()
    assert texts(original.files) == {name: "bytes"}


def refuse(source: Path, target: Path) -> None:
    raise OSError("no links here")


def test_a_backup_holds_the_files_and_gives_them_back(original: DataFolder, tmp_path: Path) -> None:
    place, one = tmp_path / "backup", put(original.files, "one")
    first = back_up(original.folder, place)
    (original.files / one).unlink()
    two = put(original.files, "two")
    second = back_up(original.folder, place)
    verify_backup(place)

    assert (first.copied > 0, second.copied) == (True, 3), "only what is new"
    assert texts(place / UPLOADS) == {one: "one", two: "two"}, "whoever goes back to before finds it"
    restore(place, tmp_path / "restored", lambda view: None)
    restored = DataFolder.read(tmp_path / "restored")
    assert texts(restored.files) == {one: "one", two: "two"}
    assert (restored.files / one).stat().st_mode & 0o777 == 0o600
