"""The index of the scenarios is complete: one line for each, under the file that proves it."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent


def test_every_scenario_is_in_the_index_under_its_file() -> None:
    expected = {path.name: sentences(path) for path in HERE.glob("test_*.py") if path != Path(__file__)}
    listed: dict[str, list[str]] = {}
    for line in (HERE / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            listed[line.split("`")[1]] = section = []
        elif line.startswith("- "):
            section.append(line[2:])

    assert listed == expected


def sentences(path: Path) -> list[str]:
    """What the names of the test functions say, in their order."""
    functions = ast.parse(path.read_text(encoding="utf-8")).body
    names = [function.name for function in functions if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [name.removeprefix("test_").replace("_", " ").capitalize() for name in names if name.startswith("test_")]
