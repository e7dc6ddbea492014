"""Libraries do things in passing that users may not: what is forgiven, and what is not."""

# Handlers here do on purpose what handlers should not.
# ruff: noqa: ASYNC230

from __future__ import annotations

import base64
import collections
import contextlib
import csv
import dataclasses
import datetime
import decimal
import difflib
import enum
import hashlib
import importlib
import io
import ipaddress
import pprint
import statistics
import sys
import textwrap
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import msgspec
import pytest
from relive.engine.determinism import audit, driver
from relive.engine.determinism.errors import DeterminismViolation, NeedImport

from .conftest import Call, Refuse, RunHandler, make_run

FRIENDLY = """
import os

def look_around():
    with open(__file__) as file:
        text = file.read()
    return bool(text) and os.path.exists(__file__) and os.environ.get("PATH") != "" and os.getpid() > 0

def write():
    open(__file__ + ".new", "w")

def wait():
    import time
    time.sleep(0)
"""


def test_a_library_may_read_its_own_files_and_the_environment(call: Call, library: Path) -> None:
    (library / "friendly_reader.py").write_text(FRIENDLY)
    friendly = importlib.import_module("friendly_reader")

    assert call(friendly.look_around) is True
    assert ("open", str(library / "friendly_reader.py")) in audit.forgiven


@pytest.mark.parametrize(("name", "match"), [("write", "open"), ("wait", "sleep")])
def test_a_library_may_neither_write_nor_wait(call: Call, library: Path, name: str, match: str) -> None:
    (library / f"friendly_{name}.py").write_text(FRIENDLY)
    friendly = importlib.import_module(f"friendly_{name}")

    with pytest.raises(DeterminismViolation, match=match):
        call(getattr(friendly, name))
    assert not (library / f"friendly_{name}.py.new").exists()


def test_a_module_that_is_not_loaded_is_imported_outside_the_handler(run_handler: RunHandler, library: Path) -> None:
    (library / "loaded_late.py").write_text("import time\nloaded_at = time.time()\n")
    attempts: list[int] = []

    async def handler() -> float:
        attempts.append(1)
        import loaded_late  # type: ignore[import-not-found]

        return float(loaded_late.loaded_at)

    loaded_at = run_handler(handler)

    assert isinstance(loaded_at, float)
    assert loaded_at > make_run().clock_ns / 1e9 + 1000, "its module body must see the real time"
    assert len(attempts) == 2


def test_each_attempt_gets_a_run_of_its_own(library: Path) -> None:
    (library / "loaded_once.py").write_text("")
    runs = []

    async def handler() -> None:
        print("started")
        import loaded_once  # type: ignore[import-not-found]  # noqa: F401

    def make() -> object:
        runs.append(make_run())
        return runs[-1]

    driver.drive(handler, make)  # type: ignore[arg-type]

    assert [run.logs for run in runs] == [[("LOG", "started")]] * 2


@pytest.mark.parametrize("name", ["late_by_name", "late_by_name.inner"])
def test_import_module_is_done_outside_the_handler_too(call: Call, library: Path, name: str) -> None:
    package = library / "late_by_name"
    package.mkdir()
    for file in ("__init__.py", "inner.py"):
        (package / file).write_text("import time\nloaded_at = time.time()\n")
    for loaded in [known for known in sys.modules if known.startswith("late_by_name")]:
        del sys.modules[loaded]

    loaded_at = call(lambda: importlib.import_module(name).loaded_at)

    assert isinstance(loaded_at, float)
    assert loaded_at > make_run().clock_ns / 1e9 + 1000


def test_a_module_that_does_not_exist_raises_inside_the_handler(run_handler: RunHandler) -> None:
    async def handler() -> str:
        try:
            import does_not_exist_anywhere  # type: ignore[import-not-found]  # noqa: F401
        except ModuleNotFoundError:
            return "went without"
        return "found it"

    assert run_handler(handler) == "went without"
    assert run_handler(handler) == "went without"


def test_swallowing_the_import_signal_does_not_help(run_handler: RunHandler, library: Path) -> None:
    (library / "swallowed_import.py").write_text("")

    async def handler() -> str:
        try:
            import swallowed_import  # type: ignore[import-not-found]  # noqa: F401
        except BaseException:
            return "wrong path"
        return "imported"

    assert run_handler(handler) == "imported"


def test_a_module_that_fails_while_loading_raises_its_own_error(run_handler: RunHandler, library: Path) -> None:
    (library / "broken_module.py").write_text("raise ValueError('broken')")

    async def handler() -> None:
        import broken_module  # type: ignore[import-not-found]  # noqa: F401

    with pytest.raises(ValueError, match="broken"):
        run_handler(handler)


def test_imports_without_end_are_refused(library: Path) -> None:
    for number in range(driver.IMPORTS_MAX + 1):
        (library / f"endless_{number}.py").write_text("")

    async def handler() -> None:
        for number in range(driver.IMPORTS_MAX + 1):
            __import__(f"endless_{number}")

    with pytest.raises(DeterminismViolation, match="importing more than 64 modules"):
        driver.drive(handler, make_run)


def test_the_import_signal_names_the_module() -> None:
    assert str(NeedImport("colorsys")) == "colorsys must be imported outside the handler"


def test_a_loaded_module_may_be_imported_again(call: Call) -> None:
    def dump() -> str:
        import json

        return json.dumps({"a": 1})

    assert call(dump) == '{"a": 1}'


def test_lazy_parts_of_the_standard_library_work(call: Call) -> None:
    sys.modules.pop("_strptime", None)

    assert call(lambda: datetime.datetime.strptime("2020-01-02", "%Y-%m-%d").year) == 2020
    assert call(lambda: "grün.example".encode("idna")) == b"xn--grn-ioa.example"


def test_pure_parts_of_the_standard_library_work(call: Call) -> None:
    @attrs.define
    class A:
        x: int

    @dataclasses.dataclass
    class B:
        y: str

    class C(msgspec.Struct):
        z: float

    class E(enum.Enum):
        P = 1

    def use_many() -> object:
        pair = collections.namedtuple("pair", "a b")
        return (
            (A(1), B("z"), msgspec.json.encode(C(1.5)), E.P, pair(1, 2)),
            decimal.Decimal("1.1") / 3,
            statistics.mean([1, 2]),
            hashlib.sha256(b"x").hexdigest(),
            base64.b64encode(b"x"),
            urllib.parse.quote("a b"),
            pprint.pformat({1: 2}),
            difflib.get_close_matches("appel", ["apple"]),
            ipaddress.ip_address("1.2.3.4"),
            textwrap.fill("a b"),
            list(csv.reader(io.StringIO("a,b"))),
        )

    assert repr(call(use_many)) == repr(call(use_many))


def test_async_generators_and_context_managers_work(run_handler: RunHandler) -> None:
    async def count() -> AsyncIterator[int]:
        for number in range(5):
            yield number

    @contextlib.asynccontextmanager
    async def context() -> AsyncIterator[int]:
        yield 7

    async def handler() -> object:
        async with context() as value:
            return [value, [number async for number in count()]]

    assert run_handler(handler) == [7, [0, 1, 2, 3, 4]]


def test_a_library_cannot_be_blamed_for_the_users_own_call(refuse: Refuse) -> None:
    async def handler() -> object:
        return pprint.pformat([open(__file__)])

    refuse(handler, "open")
