"""Apps that should load, and apps that should be refused with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from relive.engine.application.app import App, load_app
from relive.engine.application.spec import tables_spec
from relive.engine.data.schema import Document
from relive.engine.database import Database
from relive.engine.env import real_env
from relive.engine.errors import AppInvalid, TableUnknown
from relive.engine.transactions.database_access import DatabaseWriter
from relive.engine.transactions.transaction import Transaction
from relive.log.memory import MemoryStorage

HEADER = "from __future__ import annotations\nfrom relive import *\n"


def load(folder: Path, **modules: str) -> App:
    folder.mkdir(exist_ok=True)
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(HEADER + source)
    return load_app(folder)


def test_a_required_field_may_follow_one_with_a_default(tmp_path: Path) -> None:
    source = (
        "class Part(Record):\n    a: int = 0\n    b: int\n\nclass Item(Document):\n    a: int = 0\n    part: Part\n"
    )

    assert list(load(tmp_path / "fieldorder", schema=source).tables) == ["items"]


def test_a_module_beside_a_folder_of_its_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "twins" / "notes").mkdir(parents=True)
    (tmp_path / "twins" / "notes" / "inner.py").write_text("")

    with pytest.raises(AppInvalid, match="there is a folder notes/ too"):
        load(tmp_path / "twins", notes="")


def test_a_class_hint_hidden_by_a_function_is_refused_with_the_remedy(tmp_path: Path) -> None:
    source = (
        "class Item(Document):\n    tags: list[str]\n\n\n@query\nasync def list(ctx: QueryCtx) -> int:\n    return 1\n"
    )

    with pytest.raises(AppInvalid, match=r"write `builtins\.list"):
        load(tmp_path / "hidden", items=source)


def test_an_object_that_holds_itself_is_any_where_it_recurs(tmp_path: Path) -> None:
    source = "class Node(Record):\n    next: Node | None = None\n\nclass Tree(Document):\n    root: Node\n"
    app = load(tmp_path / "recursive", schema=source)

    [tree] = tables_spec(app)
    assert "'next': {'fieldType': {'type': 'union', 'value': [{'type': 'any'}, {'type': 'null'}]}" in str(tree)


def test_a_module_that_raises_anything_at_all_is_refused(tmp_path: Path) -> None:
    source = "class Odd(BaseException):\n    pass\n\nraise Odd('as it likes')\n"

    with pytest.raises(AppInvalid, match="Odd: as it likes"):
        load(tmp_path / "oddities", notes=source)


def test_a_class_of_another_app_is_no_table_here(tmp_path: Path) -> None:
    class Stranger(Document):
        text: str

    app = load(tmp_path / "strict", schema="class Item(Document):\n    n: int\n")
    database = Database.open(MemoryStorage(), app, real_env(), b"secret")
    attempt = database.executor.prepare("mutation", lambda: Transaction.at_head(database.runtime.tables))
    attempt.begin()
    assert attempt.mutation is not None
    access = DatabaseWriter(attempt.mutation)

    with pytest.raises(TableUnknown, match="Stranger"):
        access.query(Stranger)
    with pytest.raises(TableUnknown, match="Stranger"):
        access.insert(Stranger(text="x")).send(None)


def test_an_app_has_a_bounded_number_of_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.engine.application.bundle.MODULES_MAX", 2)
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.py").write_text("")

    with pytest.raises(AppInvalid, match="3 modules; an app has at most 2"):
        load_app(tmp_path)


def test_a_field_has_a_name_that_fits(tmp_path: Path) -> None:
    with pytest.raises(AppInvalid, match="at most 64 characters"):
        load(tmp_path / "long", schema=f"class Item(Document):\n    {'n' * 65}: int\n")
