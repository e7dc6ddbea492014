"""An app with many functions takes as much more work as it has more functions, and not more than that.

Work is counted, not timed, where there is something to count: calls of Python functions, types that
the TypeScript compiler makes.  Of mypy there is the processor time, less that of an app with one function.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from relive.engine.application.app import load_app
from relive.engine.application.spec import deployment_record
from relive.engine.codegen import files
from relive.engine.codegen.python_client import python_client

from .typescript import compile_uses, write_app

FEW, MANY = 60, 240
FUNCTIONS_PER_MODULE = 20
SLACK = 1.15
"""How much more than linear is taken for linear."""
TIME_SLACK = 2.0
CHECK_S_MAX = 120

MODULE = """
from __future__ import annotations

from relive import Document, Id, Int64, MutationCtx, QueryCtx, Record, field, index, mutation, query


class Row{n}(Document):
    name: str = field()
    next: Id[Row{n}] | None = None
    by_name = index(name)


class Answer{n}(Record):
    row: Row{n} | None
    scores: dict[str, int]
"""
FUNCTION = """

class Given{n}(Record):
    amount: Int64
    more: list[Given{n}] = field(default_factory=list)


@query
async def f{n}(ctx: QueryCtx, row: Id[Row{m}], given: Given{n}, limit: int = {n}) -> list[Answer{m}]:
    return []
"""


def app_of(folder: Path, functions: int) -> Path:
    """An app with so many functions, in modules of the same size."""
    sources = {
        f"module{m}.py": MODULE.format(n=m)
        + "".join(FUNCTION.format(n=n, m=m) for n in range(m, min(m + FUNCTIONS_PER_MODULE, functions)))
        for m in range(0, functions, FUNCTIONS_PER_MODULE)
    }
    return write_app(folder / f"app{functions}", sources)


def calls_of(work: Callable[[], object]) -> int:
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def test_loading_and_generating_is_linear(tmp_path: Path) -> None:
    counts: dict[str, list[int]] = {}
    for functions in (FEW, MANY):
        folder = app_of(tmp_path, functions)
        load_app(folder)  # Once before, for what is done only once.
        app = load_app(folder)
        assert len(app.endpoints) == functions
        for name, work in {
            "load": lambda folder=folder: load_app(folder),
            "record": lambda app=app: deployment_record(app),
            "TypeScript": lambda app=app: files.generate(app),
            "Python": lambda app=app: python_client(app),
        }.items():
            counts.setdefault(name, []).append(calls_of(work))

    growth = {name: many / few for name, (few, many) in counts.items()}
    assert {name: ratio for name, ratio in growth.items() if ratio > MANY / FEW * SLACK} == {}


def test_generated_files_grow_as_the_app_does(tmp_path: Path) -> None:
    few, many = (load_app(app_of(tmp_path, functions)) for functions in (FEW, MANY))

    sizes = {name: (len(text), len(files.generate(many)[name])) for name, text in files.generate(few).items()}
    sizes["client.py"] = len(python_client(few)), len(python_client(many))
    assert {name: size for name, size in sizes.items() if size[1] > size[0] * MANY / FEW * SLACK} == {}


def test_the_typescript_compiler_makes_as_many_more_types(tmp_path: Path) -> None:
    made = []
    for functions in (1, FEW, MANY):
        folder = tmp_path / str(functions)
        uses = 'import { api } from "./_generated/api";\nexport const f = api.module0.f0;\n'
        said = compile_uses(folder, app_of(folder, functions), uses, "--extendedDiagnostics")
        found = {name: int(count) for name, count in re.findall(r"^(Types|Symbols|Instantiations): +(\d+)", said, re.M)}
        assert set(found) == {"Types", "Symbols", "Instantiations"}, said
        made.append(found)

    one, few, many = made
    for name in one:
        assert many[name] - one[name] <= (few[name] - one[name]) * (MANY - 1) / (FEW - 1) * SLACK + 1, (name, made)


def mypy_seconds(folder: Path, functions: int) -> float:
    """Processor time of mypy on the generated Python client, what it imports being known already."""
    (folder / f"client{functions}.py").write_text(python_client(load_app(app_of(folder, functions))))
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", f"client{functions}.py"]
    before = os.times()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=CHECK_S_MAX)
    assert done.returncode == 0, done.stdout
    after = os.times()
    return after.children_user - before.children_user


@pytest.fixture
def seconds(tmp_path: Path) -> Callable[[int], float]:
    mypy_seconds(tmp_path, 2)  # Fills the cache.
    return lambda functions: mypy_seconds(tmp_path, functions)


def test_mypy_on_the_python_client_is_linear(seconds: Callable[[int], float]) -> None:
    one, some, thousand = seconds(1), seconds(250), seconds(1000)

    assert thousand - one <= (some - one) * 999 / 249 * TIME_SLACK, (one, some, thousand)
