"""The source of a deploy: modules that wait for their turn, apps that come from the log, bundles from strangers."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from relive.engine.application.app import App, empty_app, load_app, load_bundle, load_bundle_gently
from relive.engine.application.bundle import bundle_of
from relive.engine.database import Database
from relive.engine.deployment.reloader import Reloader
from relive.engine.errors import AppInvalid, DeployUnderWay
from relive.engine.limits import BUNDLE_BYTES_MAX, MODULE_BYTES_MAX
from relive.log.memory import MemoryStorage

from .bench import Bench, Clock, Entropy, open_bench, text_of, value_of

SCHEMA = """
from __future__ import annotations
from relive import Document, Record, field, index

class Style(Record):
    color: str = "black"
    {style}

class Page(Document):
    title: str = field()
    style: Style = Style()
    by_title = index(title)
"""
PAGES = """
from __future__ import annotations
import builtins
from relive import MutationCtx, QueryCtx, mutation, query
from .schema import Page, Style

@mutation
async def add(ctx: MutationCtx, title: str) -> str:
    return await ctx.db.insert(Page(title=title, style=Style(color="red")))

@query
async def all(ctx: QueryCtx) -> list[Page]:
    return await ctx.db.query(Page).index(Page.by_title).collect()

@query
async def sizes(ctx: QueryCtx) -> list[int]:
    return [{size} for page in await ctx.db.query(Page).collect()]

@query
async def limit(ctx: QueryCtx) -> int:
    from .limits import LIMIT
    from .schema import Style
    assert Style is globals()["Style"]
    return LIMIT

@query
async def broken(ctx: QueryCtx) -> None:
    raise KeyError("as it should")

@query
async def worse(ctx: QueryCtx) -> None:
    getattr(builtins, "op" + "en")("/etc/passwd")
"""
LIMITS = "LIMIT = {}\n"
PACKAGE = "press_app"


def source_of(version: int) -> dict[str, bytes]:
    style, size = ("size: int = 12", "page.style.size") if version > 1 else ("", "0")
    return {
        "schema": SCHEMA.format(style=style).encode(),
        "pages": PAGES.format(size=size).encode(),
        "limits": LIMITS.format(version).encode(),
    }


def version(number: int) -> App:
    return load_bundle(PACKAGE, bundle_of(PACKAGE, source_of(number)))


def limit(bench: Bench) -> object:
    return value_of(bench.query("pages:limit"))


@pytest.fixture
def in_folder(tmp_path: Path) -> Callable[[int], App]:
    def load(number: int) -> App:
        (tmp_path / PACKAGE).mkdir(exist_ok=True)
        for name, text in source_of(number).items():
            (tmp_path / PACKAGE / f"{name}.py").write_bytes(text)
        return load_app(tmp_path / PACKAGE)

    return load


def test_functions_of_the_old_code_import_old_modules_until_the_switch() -> None:
    bench = open_bench(version(1))
    new = version(2)
    value_of(bench.mutate("pages:add", title="a"))
    bench.flush()
    deploy = bench.database.begin_deploy(new)
    while not deploy.slice():
        pass
    assert limit(bench) == 1
    assert importlib.import_module(f"{PACKAGE}.limits").LIMIT == 1
    bench.database.activate(deploy)
    bench.database.end_deploy(deploy)

    assert limit(bench) == 2
    assert importlib.import_module(f"{PACKAGE}.limits").LIMIT == 2
    # A hint that names a class means the one of its own version.
    assert value_of(bench.query("pages:sizes")) == [12]
    [page] = value_of(bench.query("pages:all"))
    assert page["style"] == {"color": "red", "size": 12}


def test_a_deploy_that_fails_or_is_not_begun_leaves_the_modules_alone() -> None:
    bench = open_bench(version(1))
    before = {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)}
    finders = list(sys.meta_path)
    version(2)
    bench.database.end_deploy(bench.database.begin_deploy(version(2)))
    for broken in (b"import nothing_of_that_name", b"def f(:", b"raise SystemExit(3)", b"count = 0\nimport relive.x"):
        with pytest.raises(AppInvalid):
            load_bundle(PACKAGE, bundle_of(PACKAGE, source_of(2) | {"broken": broken}))

    assert {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)} == before
    assert sys.meta_path == finders
    assert limit(bench) == 1


def test_an_app_of_another_name_takes_over_whole() -> None:
    bench = open_bench(version(1))
    other = load_bundle("other_press", bundle_of("other_press", source_of(2)))
    bench.deploy(other)

    assert limit(bench) == 2
    assert not [name for name in sys.modules if name.startswith(PACKAGE)]
    bench.deploy(version(1))
    assert limit(bench) == 1


def test_what_was_deployed_last_is_served_from_the_log_alone(in_folder: Callable[[int], App]) -> None:
    bench = open_bench(in_folder(1))
    value_of(bench.mutate("pages:add", title="a"))
    bench.deploy(in_folder(2))
    bench.flush()
    head = bench.database.runtime.tail.head
    bench.database.log.close()
    again = reopened(bench)

    assert again.database.runtime.tail.head == head
    assert (again.executor.app.name, limit(again)) == (PACKAGE, 2)
    assert value_of(again.query("pages:sizes")) == [12]
    assert value_of(again.mutate("pages:add", title="b"))


def reopened(bench: Bench) -> Bench:
    clock, entropy = Clock(bench.clock.now_ns), Entropy(bench.entropy.drawn)
    database = Database.open(bench.storage, None, bench.executor.env, b"secret of the tests")
    return Bench(database, bench.storage, clock, entropy, bench.requests)


def test_errors_of_an_app_from_the_log_name_its_files() -> None:
    bench = open_bench(version(1))

    assert text_of(bench.query("pages:broken")) == (
        "Uncaught KeyError: 'as it should'\n  File \"pages.py\", line 28, in broken"
    )
    assert 'File "pages.py", line 32, in worse' in text_of(bench.query("pages:worse"))


def test_nothing_deployed_is_an_empty_app_and_no_entry() -> None:
    storage = MemoryStorage()
    database = Database.open(storage, None, open_bench(version(1)).executor.env, b"secret")
    bench = Bench(database, storage, Clock(), Entropy())

    assert (bench.executor.app.code, database.runtime.tail.head) == (empty_app().code, 0)
    assert "Could not find public function" in text_of(bench.query("pages:limit"))
    bench.deploy(version(1))
    assert (limit(bench), database.runtime.tail.head) == (1, 1)


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a//b", "", "a/", "a.b", "a b", "__main__", "_hidden", "a/../b", "..", "test_x", "\0", "ä b"],
)
def test_a_module_that_no_folder_could_hold_is_refused(name: str) -> None:
    with pytest.raises(AppInvalid, match="cannot be a module"):
        bundle_of("app", {name: b""})


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "a\0b", "x" * 300])
def test_an_app_whose_name_is_none_is_refused(name: str) -> None:
    with pytest.raises(AppInvalid, match="cannot be its name"):
        bundle_of(name, {"a": b""})


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({}, "no Python module"),
        ({"a": b"", "a/b": b""}, "there is a folder a/ too"),
        ({"a": bytes(MODULE_BYTES_MAX + 1)}, "a module has at most"),
        ({f"a{n}": bytes(MODULE_BYTES_MAX) for n in range(BUNDLE_BYTES_MAX // MODULE_BYTES_MAX + 1)}, "an app has"),
    ],
    ids=["empty", "module and folder", "module too large", "app too large"],
)
def test_so_is_source_that_is_none(source: dict[str, bytes], problem: str) -> None:
    with pytest.raises(AppInvalid, match=problem):
        bundle_of("app", source)


@pytest.mark.parametrize(
    "text", [b"\xff", b"a\0b", b"(" * 5_000, b"-" * 200_000 + b"1"], ids=["latin", "nul", "brackets", "deep"]
)
async def test_text_that_is_no_python_is_refused_with_its_file(text: bytes) -> None:
    with pytest.raises(AppInvalid, match=r"odd\.py"):
        await load_bundle_gently("app", bundle_of("app", {"odd": text}))


async def test_the_name_of_the_app_need_not_be_an_identifier() -> None:
    app = await load_bundle_gently("my-app 2", bundle_of("my-app 2", source_of(1)))
    bench = open_bench(app)

    assert limit(bench) == 1
    assert "pages.py" in text_of(bench.query("pages:broken"))


async def test_a_save_during_another_deploy_is_tried_again(tmp_path: Path, in_folder: Callable[[int], App]) -> None:
    bench = open_bench(in_folder(1))
    reloader = Reloader(bench.database, tmp_path / PACKAGE, bench.executor.app.code)
    assert await reloader.reload() is None
    other = bench.database.begin_deploy(version(1))
    in_folder(2)
    with pytest.raises(DeployUnderWay):
        await reloader.reload()
    bench.database.end_deploy(other)

    deployed = await reloader.reload()
    assert deployed is not None
    assert (deployed.lsn, limit(bench)) == (2, 2)
    assert await reloader.reload() is None


async def test_a_save_that_does_not_load_is_tried_once_and_undoing_it_is_no_deploy(
    tmp_path: Path, in_folder: Callable[[int], App]
) -> None:
    bench = open_bench(in_folder(1))
    reloader = Reloader(bench.database, tmp_path / PACKAGE, bench.executor.app.code)
    (tmp_path / PACKAGE / "limits.py").write_text("LIMIT = \n")
    with pytest.raises(AppInvalid):
        await reloader.reload()
    assert await reloader.reload() is None
    in_folder(1)
    again = await reloader.reload()

    assert again is not None
    assert (again.is_new, again.lsn, limit(bench)) == (False, None, 1)
