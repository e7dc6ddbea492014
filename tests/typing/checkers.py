"""mypy and pyright, strict, as somebody runs them who has installed the wheel."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

import relive

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = ("protocol", "log", "actors", "engine", "simulations", "relive", "pyproject.toml", "README.md", "LICENSE")
BUILD_S_MAX = 180
CHECK_S_MAX = 240

MARK = re.compile(r"# E(?:\((\w+)\))?: (.*)")

Lines = dict[tuple[str, int], str]
"""By file and line, what a checker complains about there."""


def python_with_wheel(cache: Path) -> Path:
    """A Python that has relive as users do: this one, or one made with a wheel of the checkout.

    ``cache`` keeps it until the sources change.
    """
    if "site-packages" in Path(relive.__file__).parts:
        return Path(sys.executable)
    environment = cache / sources_hash()
    python = environment / "bin" / "python"
    if not (environment / "done").exists():
        for old in cache.iterdir():
            shutil.rmtree(old)
        install(environment, python)
        (environment / "done").touch()
    return python


def sources_hash() -> str:
    digest = hashlib.blake2b(digest_size=8)
    files = [file for part in PARTS for file in sorted((CHECKOUT / part).rglob("*.py"))]
    for file in [*files, CHECKOUT / "pyproject.toml"]:
        digest.update(f"{file}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def install(environment: Path, python: Path) -> None:
    """A wheel, made from a copy of the sources: a checkout remembers files that are gone."""
    source = environment / "source"
    source.mkdir(parents=True)
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(CHECKOUT / part, source / part, ignore=ignored)
        else:
            shutil.copy(CHECKOUT / part, source)
    run([sys.executable, "-m", "build", "--quiet", "--wheel", "--outdir", environment / "dist", source], BUILD_S_MAX)
    run([sys.executable, "-m", "venv", "--without-pip", environment], BUILD_S_MAX)
    (wheel,) = (environment / "dist").glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--no-deps", "--no-index"]
    run([*pip, wheel], BUILD_S_MAX)
    # What relive depends on is there already.  Its own editable install is not: nobody reads that file here.
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")


def run(command: Iterable[object], seconds: float, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds, cwd=cwd)
    assert done.returncode == 0 or cwd is not None, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done


def mypy(python: Path, folder: Path, *files: str, version: str | None = None, cache: Path | None = None) -> Lines:
    """What ``mypy --strict`` says about files in ``folder``."""
    options = ["--strict", "--no-error-summary", "--show-error-codes", "--python-executable", python]
    options += ["--python-version", version] if version is not None else []
    options += ["--cache-dir", cache if cache is not None else folder / ".mypy_cache", "--config-file", ""]
    done = run([sys.executable, "-m", "mypy", *options, *files], CHECK_S_MAX, cwd=folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(\S+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return {(file, int(line)): problem for file, line, problem in found}


def pyright(python: Path, folder: Path, *files: str, version: str | None = None) -> Lines:
    """What pyright says about files in ``folder``, in its strict mode."""
    config: dict[str, object] = {"include": list(files), "typeCheckingMode": "strict", "reportUnusedExpression": "none"}
    config |= {"pythonVersion": version} if version is not None else {}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", python]
    done = run([*command, "--project", folder], CHECK_S_MAX, cwd=folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    problems = [one for one in json.loads(done.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    return {
        (Path(one["file"]).relative_to(folder.resolve()).as_posix(), one["range"]["start"]["line"] + 1): one["message"]
        for one in problems
    }


def marked(folder: Path, *files: str, by: str) -> Lines:
    """The lines that say of themselves that they are wrong: ``# E: why``, or ``# E(mypy): why``."""
    return {
        (file, number): found[2]
        for file in files
        for number, line in enumerate((folder / file).read_text(encoding="utf-8").splitlines(), 1)
        if (found := MARK.search(line)) and found[1] in (None, by)
    }


def differences(found: Mapping[tuple[str, int], str], expected: Mapping[tuple[str, int], str]) -> list[str]:
    """What a checker missed, and what it complained about without reason."""
    missed = [f"{file}:{line} passes: {expected[file, line]}" for file, line in sorted(expected.keys() - found.keys())]
    extra = [f"{file}:{line} fails: {found[file, line]}" for file, line in sorted(found.keys() - expected.keys())]
    return missed + extra
