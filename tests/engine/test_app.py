"""Loading an app from a folder: what is found, what is refused and where it says the fault is."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
from relive.engine.application.app import App, load_app
from relive.engine.errors import AppInvalid

from .bench import failure_of, open_bench, text_of, value_of

SCHEMA = """
from relive import Document, field, index

class Book(Document):
    title: str = field()
    by_title = index(title)
"""
BOOKS = """
from relive import MutationCtx, QueryCtx, mutation, query
from .schema import Book

@mutation
async def add(ctx: MutationCtx, title: str) -> str:
    return await ctx.db.insert(Book(title=title))

@query
async def titles(ctx: QueryCtx) -> list[str]:
    return [book.title for book in await ctx.db.query(Book).collect()]
"""

Load = Callable[..., App]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes modules (``folder__module`` for a module in a folder) and loads the app; None takes a module away."""

    def load(**modules: str | None) -> App:
        folder = tmp_path / "library_app"
        for name, source in modules.items():
            path = folder / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            if source is None:
                path.unlink()
            else:
                path.write_text(source)
        return load_app(folder)

    return load


def refused(load: Load, **modules: str) -> str:
    with pytest.raises(AppInvalid) as caught:
        load(**modules)
    return str(caught.value)


def test_tables_and_functions_are_found_by_name(load: Load) -> None:
    app = load(schema=SCHEMA, books=BOOKS, admin__tools=BOOKS.replace(".schema", "..schema"))

    assert list(app.tables) == ["books"]
    assert sorted(app.endpoints) == ["admin/tools:add", "admin/tools:titles", "books:add", "books:titles"]


def test_an_app_runs(load: Load) -> None:
    bench = open_bench(load(schema=SCHEMA, books=BOOKS))
    bench.mutate("books:add", title="Emma")

    assert value_of(bench.query("books:titles")) == ["Emma"]
    assert value_of(bench.query("books.js:titles")) == ["Emma"]


def test_a_module_may_import_by_the_name_of_the_app(load: Load) -> None:
    app = load(schema=SCHEMA, books=BOOKS.replace(".schema", "library_app.schema"))

    assert "books:add" in app.endpoints


def test_a_function_may_be_called_list(load: Load) -> None:
    source = BOOKS.replace("async def titles", "async def list")
    bench = open_bench(load(schema=SCHEMA, books=source))

    assert value_of(bench.query("books:list")) == []


def test_a_function_imported_by_another_module_is_one_function(load: Load) -> None:
    app = load(schema=SCHEMA, books=BOOKS, other="from .books import add, titles\n")

    assert sorted(app.endpoints) == ["books:add", "books:titles"]


def test_the_hash_is_of_names_and_sources(load: Load) -> None:
    one = load(schema=SCHEMA, books=BOOKS)
    same = load(schema=SCHEMA, books=BOOKS)
    other = load(schema=SCHEMA, books=BOOKS + "\n")

    assert one.code == same.code != other.code


def test_tests_and_private_folders_are_not_part_of_an_app(load: Load) -> None:
    app = load(schema=SCHEMA, test_books="raise SystemExit", conftest="1 / 0", _private__module="1 / 0")

    assert list(app.bundle.source) == ["schema"]


def test_a_syntax_error_is_refused_with_file_and_line(load: Load) -> None:
    message = refused(load, schema=SCHEMA, books="\nasync def f(:\n")

    assert 'library_app/books.py", line 2' in message
    assert "invalid syntax" in message


def test_an_error_at_import_is_refused_with_file_and_line(load: Load) -> None:
    message = refused(load, schema=SCHEMA, books="import json\nfrom .schema import Magazine\n")

    assert 'library_app/books.py", line 2' in message
    assert "ImportError: cannot import name 'Magazine'" in message


def test_a_module_that_ends_the_process_is_refused(load: Load) -> None:
    message = refused(load, schema=SCHEMA, books="raise SystemExit(3)\n")

    assert 'library_app/books.py", line 1' in message


def test_two_tables_of_one_name_are_refused(load: Load) -> None:
    message = refused(load, schema=SCHEMA, more=SCHEMA)

    assert 'table "books" is defined by library_app.' in message


@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        ("set[int]", "sets have no order"),
        ("Decimal", "`Decimal` has no place in the value model"),
        ("dict[int, str]", "must be str"),
        ("list", "say what a `list` holds"),
        ("tuple[int, str]", "use a Record"),
        ("Missing", "name 'Missing' is not defined; is it imported in that module?"),
        ("str | bytes", "not supported"),
        ("Int64 | int", "not supported"),
        ("Book | Author", "not supported"),
    ],
)
def test_a_type_that_cannot_be_served_is_refused_for_fields_arguments_and_results(
    load: Load, hint: str, problem: str
) -> None:
    names = "from decimal import Decimal\nfrom relive import *\n"
    tables = "class Book(Document):\n    x: int\nclass Author(Document):\n    x: int\n"
    table = f"class Shelf(Document):\n    books: {hint}\n"
    takes = f"@query\nasync def f(ctx: QueryCtx, books: {hint}) -> None:\n    pass\n"
    gives = f"@query\nasync def f(ctx: QueryCtx) -> {hint}:\n    pass\n"
    future = "from __future__ import annotations\n"

    for source in (table, takes, gives):
        assert problem in refused(load, schema=future + names + tables + source)


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("id: int = 1", "`id` is given by the database"),
        ("creation_time: float = 0.0", "`creation_time` is given by the database"),
        ("_secret: int = 1", "names that begin with _ or $ belong to the system"),
        ("x: int = field(name='$x')", "names that begin with _ or $ belong to the system"),
    ],
)
def test_names_of_the_system_are_refused(load: Load, field: str, problem: str) -> None:
    assert problem in refused(load, schema=f"from relive import *\nclass Thing(Document):\n    {field}\n")


def test_a_table_name_that_no_id_could_carry_is_refused(load: Load) -> None:
    source = "from relive import *\nclass Thing(Document, table='_things'):\n    x: int\n"

    assert '"_things" cannot name a table' in refused(load, schema=source)


def test_a_handler_that_could_not_be_replayed_is_refused(load: Load) -> None:
    source = BOOKS + "    open('x')\n"
    source = source.replace("return [book", "import requests; requests.get('x'); return [book")
    message = refused(load, schema=SCHEMA, books=source)

    assert "books.py" in message
    assert "action" in message


def test_a_handler_that_assigns_a_global_is_refused(load: Load) -> None:
    source = BOOKS + "\ncount = 0\ndef bump() -> None:\n    global count\n    count += 1\n"
    message = refused(load, schema=SCHEMA, books=source)

    assert "books.py" in message


def test_a_parameter_without_a_type_is_refused_with_its_line(load: Load) -> None:
    source = "from relive import *\n\n@query\nasync def f(ctx: QueryCtx, x):\n    return x\n"
    message = refused(load, books=source)

    assert 'books.py", line 3, in f' in message
    assert "parameter `x` needs a type" in message


def test_a_plain_function_is_refused(load: Load) -> None:
    message = refused(load, books="from relive import *\n@query\ndef f(ctx: QueryCtx) -> None: ...\n")

    assert "write `async def`" in message


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppInvalid, match="no such folder"):
        load_app(tmp_path / "nowhere")
    with pytest.raises(AppInvalid, match="no Python module"):
        load_app(tmp_path)


def test_changed_modules_are_new_and_removed_ones_forgotten(load: Load) -> None:
    load(schema=SCHEMA, books=BOOKS, extra="LIMIT = 1\n")
    app = load(books=BOOKS.replace("def titles", "def names"), extra=None)

    assert sorted(app.endpoints) == ["books:add", "books:names"]
    with pytest.raises(ImportError):
        importlib.import_module("library_app.extra")


@pytest.mark.parametrize(
    "broken",
    [
        "async def f(:\n",
        "1 / 0\n",
        SCHEMA,
        "from relive import *\n@query\nasync def f(ctx: QueryCtx) -> set[int]:\n    return {1}\n",
        "count = 0\ndef bump() -> None:\n    global count\n    count += 1\n",
    ],
    ids=["syntax", "import", "duplicate table", "type", "global"],
)
def test_a_broken_version_leaves_the_last_good_one_importable(load: Load, broken: str) -> None:
    good = load(schema=SCHEMA, books=BOOKS)
    bench = open_bench(good)
    refused(load, extra=broken)
    module = importlib.import_module("library_app.books")

    assert module.add is good.endpoints["books:add"].function
    with pytest.raises(ImportError):
        importlib.import_module("library_app.extra")
    value_of(bench.mutate("books:add", title="Persuasion"))
    assert value_of(bench.query("books:titles")) == ["Persuasion"]


def test_an_uncaught_error_names_file_and_line_relative_to_the_app(load: Load) -> None:
    source = "from relive import *\n\ndef inner() -> None:\n    raise KeyError('x')\n"
    source += "\n@query\nasync def f(ctx: QueryCtx) -> None:\n    inner()\n"
    bench = open_bench(load(deep__books=source))

    assert text_of(bench.query("deep/books:f")) == (
        'Uncaught KeyError: \'x\'\n  File "deep/books.py", line 8, in f\n  File "deep/books.py", line 4, in inner'
    )


def test_a_neighbour_whose_name_begins_alike_is_not_the_app(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "library_app_helpers").mkdir()
    (tmp_path / "library_app_helpers" / "neighbour_of_library.py").write_text(
        "def fail() -> None:\n    raise KeyError\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "library_app_helpers"))
    source = "import neighbour_of_library\nfrom relive import *\n"
    source += "@query\nasync def f(ctx: QueryCtx) -> None:\n    neighbour_of_library.fail()\n"
    bench = open_bench(load(books=source))

    assert text_of(bench.query("books:f")) == 'Uncaught KeyError\n  File "books.py", line 5, in f'


def test_messages_and_log_lines_can_be_sent_whatever_they_hold(load: Load) -> None:
    source = "from relive import *\n@query\nasync def f(ctx: QueryCtx) -> None:\n"
    source += "    print('\\ud800')\n    raise ValueError('\\ud800')\n"
    answer = failure_of(open_bench(load(books=source)).query("books:f"))

    assert "ValueError: \\ud800" in answer.message.encode().decode()
    assert answer.log_lines == ("[LOG] '\\ud800'",)
