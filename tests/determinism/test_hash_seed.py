"""A deployment's hash seed is in force however relive was started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relive.engine.determinism import hash_seed
from relive.engine.determinism.errors import HashSeedUnavailable

PROGRAM = """
import os, sys
from relive.engine.determinism import hash_seed
print("starting", flush=True)
hash_seed.ensure(int(os.environ["WANTED"]))
print(os.environ.get("PYTHONHASHSEED"), hash("text"), sys.argv[1:])
"""


def start(*command: str, wanted: int = 42, **variables: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("HASH_SEED")}
    environment.pop("PYTHONHASHSEED", None)
    environment |= {"WANTED": str(wanted), **variables}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout.splitlines()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "started.py"
    path.write_text(f"#!{sys.executable}\n{PROGRAM}")
    path.chmod(0o755)
    return path


def test_a_console_script_starts_over_with_its_arguments(script: Path) -> None:
    first, second, answer = start(str(script), "serve", "--port", "1")

    assert [first, second] == ["starting"] * 2
    assert answer.startswith("42 ")
    assert answer.endswith("['serve', '--port', '1']")


def test_a_module_starts_over_with_its_arguments(script: Path) -> None:
    folder = script.parent
    (folder / "package").mkdir()
    script.rename(folder / "package" / "__main__.py")

    lines = start(sys.executable, "-W", "error", "-m", "package", "serve", PYTHONPATH=str(folder))

    assert lines[-1].startswith("42 ")
    assert lines[-1].endswith("['serve']")
    assert len(lines) == 3


def test_the_same_seed_gives_the_same_hashes_and_another_does_not(script: Path) -> None:
    answers = [start(sys.executable, str(script), wanted=wanted)[-1] for wanted in (42, 42, 43)]

    assert answers[0] == answers[1] != answers[2]


def test_a_process_that_has_the_seed_goes_on(script: Path) -> None:
    assert len(start(sys.executable, str(script), PYTHONHASHSEED="42")) == 2


def test_tests_and_debuggers_may_stay_in_their_process(script: Path) -> None:
    lines = start(sys.executable, str(script), RELIVE_KEEP_HASH_SEED="1")

    assert len(lines) == 2
    assert lines[-1].startswith("None ")


def test_an_interpreter_that_ignores_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flags:
        ignore_environment = 1

    monkeypatch.setattr(sys, "flags", Flags())
    monkeypatch.setenv("PYTHONHASHSEED", "42")
    monkeypatch.delenv("RELIVE_KEEP_HASH_SEED", raising=False)

    assert not hash_seed.is_active(42)
    with pytest.raises(HashSeedUnavailable, match="PYTHONHASHSEED=42: Python was started with -E or -I"):
        hash_seed.ensure(42)


def test_an_unknown_interpreter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.delenv("RELIVE_KEEP_HASH_SEED", raising=False)

    with pytest.raises(HashSeedUnavailable, match="executable is unknown"):
        hash_seed.ensure(42)


@given(entropy=st.binary(min_size=4, max_size=16))
def test_a_new_seed_is_always_one_that_python_accepts(entropy: bytes) -> None:
    assert 0 < hash_seed.from_entropy(entropy) <= hash_seed.SEED_MAX
