"""What is kept beside the log: secrets, the hash seed, the admin key."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from relive.engine.admin_key import POWERS
from relive.engine.data_folder import ADMIN_KEYS, LOCAL_KEY, REACHED, SETTINGS, DataFolder
from relive.engine.errors import DataFolderInvalid
from relive.log.entry import LSN


def test_a_new_folder_gets_settings_that_stay(tmp_path: Path) -> None:
    made = DataFolder.open(tmp_path / "deep" / "data")

    assert DataFolder.open(tmp_path / "deep" / "data") == made == DataFolder.read(tmp_path / "deep" / "data")
    assert len(made.secret) == 32
    assert 0 < made.hash_seed < 2**32


def test_how_far_the_log_reached_is_remembered(tmp_path: Path) -> None:
    made = DataFolder.open(tmp_path / "data")
    assert made.reached == 0

    made.remember_reached(LSN(7))

    assert DataFolder.open(tmp_path / "data").reached == 7
    (made.folder / REACHED).write_text("seven")
    with pytest.raises(DataFolderInvalid, match="this is no number"):
        _ = made.reached


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    made = DataFolder.open(tmp_path / "data")

    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.settings_file.stat().st_mode) == 0o600
    assert (made.folder / ".gitignore").read_text() == "*\n"
    assert sorted(os.listdir(made.folder)) == [".gitignore", SETTINGS]


def test_secrets_come_from_the_entropy_given_and_are_not_shown(tmp_path: Path) -> None:
    made = DataFolder.open(tmp_path / "data", lambda count: b"\x07" * count)

    assert made.secret == b"\x07" * 32
    assert "0707" not in repr(made).replace(made.instance_name, "")


def test_two_first_starts_at_once_agree(tmp_path: Path) -> None:
    for round in range(10):
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(DataFolder.open, [tmp_path / str(round)] * 4))

        assert made == [made[0]] * 4


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataFolderInvalid, match="relive serve APP"):
        DataFolder.read(tmp_path / "absent")

    assert not (tmp_path / "absent").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(DataFolderInvalid, match="a file is in the way"):
        DataFolder.open(tmp_path / "data")
    with pytest.raises(DataFolderInvalid):
        DataFolder.read(tmp_path / "data")


def test_a_log_without_its_settings_is_refused(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "data")
    (folder.folder / "log").mkdir()
    (folder.folder / "log" / f"{1:020}.log").write_bytes(b"")
    folder.settings_file.unlink()

    with pytest.raises(DataFolderInvalid, match=r"settings\.json is missing"):
        DataFolder.open(tmp_path / "data")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"format": 2', '"format": 1', "format 1"),
        ('"hashSeed": ', '"hashSeed": -', "hash seed"),
        ('"secret": "', '"secret": "z', "secret"),
        ('"format"', '"other"', "other"),
        ("{", "", "restore"),
    ],
)
def test_settings_that_were_changed_are_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    folder = DataFolder.open(tmp_path / "data")
    text = folder.settings_file.read_text()
    assert old in text
    folder.settings_file.write_text(text.replace(old, new, 1))

    with pytest.raises(DataFolderInvalid, match=problem):
        DataFolder.open(tmp_path / "data")


def test_where_it_is_served_is_known_while_it_is(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "data")
    assert folder.url is None

    key = folder.new_local_key()
    with folder.opened_by(key), folder.served_at("http://127.0.0.1:1"):
        assert folder.url == "http://127.0.0.1:1"
        assert folder.local_key == key.key
        assert stat.S_IMODE((folder.folder / LOCAL_KEY).stat().st_mode) == 0o600

    assert not (folder.folder / LOCAL_KEY).exists()
    assert not (folder.folder / "url").exists()


def test_a_key_that_was_made_opens_until_it_is_revoked_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "data")
    local = folder.new_local_key()
    keys = folder.keys(local)
    made = folder.new_admin_key("laptop", 1)
    name, secret = made.key.split("|")

    for form in (made.key, secret, f"prod:{made.key}", f"preview:x|{secret}", f"{made.key}:e30=", local.key):
        assert keys.powers(form), form
    for wrong in ("", "|", name, f"other|{secret}", f"{name}|", f"{name}|{secret[:-1]}", folder.admin_keys()[0].hash):
        assert not keys.powers(wrong), wrong
    assert secret not in (folder.folder / ADMIN_KEYS).read_text()
    assert stat.S_IMODE((folder.folder / ADMIN_KEYS).stat().st_mode) == 0o600
    folder.revoke_admin_key("laptop")
    assert not keys.powers(made.key)
    assert keys.powers(local.key)


def test_a_file_of_admin_keys_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "data")
    (folder.folder / ADMIN_KEYS).write_text("[{}]")

    with pytest.raises(DataFolderInvalid, match=r"admin_keys\.json"):
        folder.admin_keys()


def test_a_key_may_do_what_it_was_made_for(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "data")
    keys = folder.keys(folder.new_local_key())
    build, whole = folder.new_admin_key("build", 1, ("deploy", "env")), folder.new_admin_key("laptop", 2)

    assert keys.powers(build.key) == {"deploy", "env"}
    assert keys.powers(whole.key) == keys.powers(keys.local.key) == frozenset(POWERS)
