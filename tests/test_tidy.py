"""The shape of the source: layers, sizes, folder maps, and what is said twice being said alike.

Each test collects everything that breaks its rule, so that one run shows it all.  The rules are
explained in CONTRIBUTING.md.  This file needs the checkout; the installed package is not enough.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
ROOMS = (
    "determinism",
    "authentication",
    "data",
    "transactions",
    "application",
    "codegen",
    "execution",
    "files",
    "actions",
    "scheduling",
    "deployment",
    "history",
    "portability",
    "server",
)
"""Of the engine; what assembles them stands beside."""
LAYERS = ("protocol", "log", "actors", "engine", "simulations", "relive")
"""A folder imports only from itself and from those to its left."""

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60

OUTSIDE_WORLD = {
    "trio": {"actors/runtime.py", "actors/supervisor.py"},
    "os": {"log/storage.py"},
    "pathlib": {"log/storage.py"},
    "fcntl": {"log/storage.py"},
    "datetime": set(),
    "random": set(),
    "secrets": set(),
    "socket": set(),
    "threading": set(),
    "time": set(),
}
"""What protocol, log and actors may not import, and the files that may: everything that is not
deterministic comes in through these few doors."""

TEMPLATE = "relive/cli/template"
"""What `relive init` copies: an app, and no part of the package but its text."""

SOURCE = {path.relative_to(CHECKOUT).as_posix(): path for layer in LAYERS for path in (CHECKOUT / layer).rglob("*.py")}
EVERYTHING = SOURCE | {
    path.relative_to(CHECKOUT).as_posix(): path
    for folder in ("tests", "examples", "benchmarks")
    for path in (CHECKOUT / folder).rglob("*.py")
    if "node_modules" not in path.parts
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8"), name) for name, path in EVERYTHING.items()}
PROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


def imports(name: str) -> Iterator[str]:
    """Every module that a file imports, by its full name; ours begin with ``relive.<layer>``."""
    package = name.removeprefix("relive/").split("/")[:-1]
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ["relive", *package][: len(package) + 2 - node.level]
            yield from (".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names)


def layer_of(module: str) -> str | None:
    """The layer of a module by its full name, or None if it is not ours."""
    first, *rest = module.split(".")
    if first != "relive":
        return None
    return rest[0] if rest and rest[0] in LAYERS else "relive"


def test_a_layer_imports_only_from_its_left() -> None:
    offenders = [
        f"{name} imports {module}"
        for name in SOURCE
        for module in imports(name)
        if (layer := layer_of(module)) and LAYERS.index(layer) > LAYERS.index(name.split("/")[0])
    ]

    assert offenders == []


def room_of(module: str) -> str | None:
    """The room of the engine that a module is in, by its full name; None if it is in none."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["relive", "engine"] and len(parts) > 2 and parts[2] in ROOMS else None


def test_a_room_of_the_engine_imports_only_from_its_left() -> None:
    offenders = [
        f"{name} imports {module}"
        for name in SOURCE
        if (own := room_of("relive." + name.removesuffix(".py").replace("/", ".")))
        for module in imports(name)
        if (room := room_of(module)) and ROOMS.index(room) > ROOMS.index(own)
    ]

    assert offenders == []


def test_no_modules_import_each_other() -> None:
    names = {"relive." + name.removesuffix(".py").replace("/", ".").removeprefix("relive."): name for name in SOURCE}
    imported = {
        name: {
            names[target] for module in imports(name) if (target := longest(module, names)) and names[target] != name
        }
        for name in SOURCE
    }
    ground: set[str] = set()
    # What imports only from the ground stands on it; what never gets there is part of a circle.
    while standing := {name for name, needs in imported.items() if name not in ground and needs <= ground}:
        ground |= standing

    assert imported.keys() - ground == set()


def longest(module: str, names: Mapping[str, str]) -> str | None:
    """The module that ``from module import name`` reads, where the last part may be a name in it."""
    for candidate in (module, module.rpartition(".")[0]):
        if candidate in names:
            return candidate
    return None


def test_the_inner_layers_do_not_reach_outside() -> None:
    offenders = [
        f"{name} imports {module}"
        for name in SOURCE
        if name.startswith(("protocol/", "log/", "actors/"))
        for module in imports(name)
        if (top := module.split(".")[0]) in OUTSIDE_WORLD and name not in OUTSIDE_WORLD[top]
    ]

    assert offenders == []


def test_every_module_says_what_it_is_for() -> None:
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_no_file_is_longer_than_its_reader_can_hold() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in EVERYTHING.items()}

    assert {name: count for name, count in lines.items() if count > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    offenders = [
        f"{name}:{node.lineno} {node.name}: {length} lines"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]

    assert offenders == []


def test_nothing_hides_a_broken_assertion() -> None:
    offenders = [
        f"{name}:{node.lineno}"
        for name in SOURCE
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.ExceptHandler) and node.type is not None and "AssertionError" in ast.unparse(node.type)
        # The runtime ends the process when the committer's invariants break; and an author's invariants are
        # written as assertions, for a simulation to find where they do not hold.
        if ast.unparse(node.body[-1]) != "raise" and name not in ("actors/runtime.py", "simulations/authored/checks.py")
    ]

    assert offenders == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")

    assert [name for name, path in EVERYTHING.items() if later.search(path.read_text(encoding="utf-8"))] == []


def folders() -> set[str]:
    """Every folder of the source that is a package."""
    return {name.removesuffix("/__init__.py") for name in SOURCE if name.endswith("/__init__.py")}


def test_every_folder_of_modules_is_a_package() -> None:
    assert {name.rpartition("/")[0] for name in SOURCE} - folders() == set()


def test_the_packages_installed_are_the_folders() -> None:
    tools = PROJECT["tool"]["setuptools"]
    expected = {package_of(folder): folder for folder in folders()}

    assert sorted(tools["packages"]) == sorted(expected)
    # Below `relive` setuptools finds the folders without being told.
    mapped = {package: folder for package, folder in expected.items() if not folder.startswith("relive/")}
    assert mapped.items() <= tools["package-dir"].items()
    assert tools["package-dir"].items() <= expected.items()


def package_of(folder: str) -> str:
    return folder.replace("/", ".") if folder.split("/")[0] == "relive" else "relive." + folder.replace("/", ".")


def test_type_checkers_find_the_folders() -> None:
    links = {path.name: path.resolve() for path in (CHECKOUT / ".typing" / "relive").iterdir()}

    expected = [CHECKOUT / folder for folder in LAYERS if folder != "relive"]
    expected += [path for path in (CHECKOUT / "relive").iterdir() if path.suffix == ".py" or package(path)]
    assert links == {path.name: path for path in expected}


def package(path: Path) -> bool:
    return (path / "__init__.py").exists()


def test_every_folder_has_a_map_that_is_true() -> None:
    for folder in sorted(folders() - {TEMPLATE}):
        here = CHECKOUT / folder
        modules = {path.stem for path in here.glob("*.py")} | {path.name for path in here.iterdir() if package(path)}
        drawn = re.findall(r"^(\w+)  +\S", ast.get_docstring(TREES[f"{folder}/__init__.py"]) or "", re.MULTILINE)

        assert set(drawn) == modules - {"__init__"}, f"{folder}/__init__.py: one line for each module"


def test_the_version_is_the_same_everywhere() -> None:
    (version,) = [
        ast.literal_eval(node.value)
        for node in TREES["engine/version.py"].body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ENGINE_VERSION"
    ]

    assert version == PROJECT["project"]["version"]
    assert f"## [{version}]" in (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")


def dependency_name(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement)[0]


def import_name(dependency: str) -> str:
    return {"python-dotenv": "dotenv"}.get(dependency, dependency.replace("-", "_"))


def test_every_dependency_has_its_reason() -> None:
    requirements = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    table = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Dependencies")[2]

    reasons = set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE))
    assert reasons == {dependency_name(requirement) for requirement in requirements}


def test_every_dependency_is_used() -> None:
    used = {module.split(".")[0] for name in SOURCE for module in imports(name)}

    names = {import_name(dependency_name(requirement)) for requirement in PROJECT["project"]["dependencies"]}
    assert names - used == set()
