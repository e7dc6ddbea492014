"""The tests of an app, as its author writes, checks and runs them who has installed the wheel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .checkers import CHECK_S_MAX, differences, marked, mypy, pyright

FILES = {
    "shop/__init__.py": "",
    "shop/schema.py": """
from relive import Document

class Item(Document):
    name: str
""",
    "shop/items.py": """
from relive import ApplicationError, Id, MutationCtx, QueryCtx, mutation, query
from .schema import Item

@mutation
async def add(ctx: MutationCtx, name: str) -> Id[Item]:
    if not name:
        raise ApplicationError({"code": "empty"})
    return await ctx.db.insert(Item(name=name))

@query
async def newest(ctx: QueryCtx) -> Item | None:
    return await ctx.db.query(Item).order("desc").first()
""",
    "tests/conftest.py": """
from pathlib import Path
from relive.testing import app_fixture

relive_app = app_fixture(Path(__file__).parent.parent / "shop")
""",
    "tests/test_items.py": """
import pytest
from relive import ApplicationError, Id
from relive.testing import TestApp, Watch
from shop.items import add, newest
from shop.schema import Item

def test_what_was_added_is_shown(relive_app: TestApp) -> None:
    watch: Watch[Item | None] = relive_app.watch(newest)
    id: Id[Item] = relive_app.mutation(add, "pen")
    relive_app.restart()
    (item,) = relive_app.documents(Item)
    assert (item.id, item.name) == (id, "pen")
    assert watch.results == [None, item]

def test_each_test_has_an_app_of_its_own(relive_app: TestApp) -> None:
    with pytest.raises(ApplicationError) as caught:
        relive_app.mutation("items:add", name="")
    assert caught.value.data == {"code": "empty"}
    assert relive_app.query(newest) is None

def test_a_folder_will_do() -> None:
    with TestApp("shop", seed=3) as app:
        assert app.documents("items") == []
""",
    "mistakes.py": """
from relive.testing import TestApp
from shop.items import add, newest

def wrong(app: TestApp) -> None:
    app.mutation(add, 5)  # E: not a name
    app.mutation(newest)  # E: a query is no mutation
    app.query(add, "pen")  # E: nor the other way round
    number: int = app.mutation(add, "pen")  # E: an id is text
    print(number, app.query("items:newest"))
""",
}


def test_an_author_tests_an_app_with_the_installed_package(tmp_path: Path, wheel_python: Path) -> None:
    project = write_project(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(project)}
    command = [str(wheel_python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=CHECK_S_MAX, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_calls_of_functions_are_typed(tmp_path: Path, wheel_python: Path, mypy_cache: Path) -> None:
    project = write_project(tmp_path)
    files = ("tests/test_items.py", "mistakes.py")

    by_mypy = mypy(wheel_python, project, *files, cache=mypy_cache)
    assert differences(by_mypy, marked(project, *files, by="mypy")) == []
    by_pyright = pyright(wheel_python, project, *files)
    assert differences(by_pyright, marked(project, *files, by="pyright")) == []


def write_project(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
