"""What the documents say is there: the files, the commands, and an app that works as the README shows it.

This file needs the checkout; the installed package is not enough.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from relive.engine.application.app import load_app

CHECKOUT = Path(__file__).resolve().parents[1]
DOCUMENTS = {
    path.relative_to(CHECKOUT).as_posix(): path.read_text(encoding="utf-8")
    for path in [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md"), *CHECKOUT.glob("examples/*/*.md")]
}
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
FILE_NAME = re.compile(r"`([\w.]+(?:/[\w.]+)*/?)`")
"""In backticks; a file of ours if it has a folder or a suffix."""
CODE_BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    links = LINK.findall(DOCUMENTS[name])

    assert [link for link in links if not (CHECKOUT / name).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/design.md", "docs/protocol.md"])
def test_files_that_are_named_are_there(name: str) -> None:
    top = {path.name for path in CHECKOUT.iterdir() if path.is_dir()}
    named = [file for file in FILE_NAME.findall(DOCUMENTS[name]) if file.split("/")[0] in top]

    assert [file for file in named if not (CHECKOUT / file).exists()] == []


def test_the_app_of_the_readme_loads(tmp_path: Path) -> None:
    for name, source in CODE_BLOCK.findall(DOCUMENTS["README.md"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source, encoding="utf-8")

    app = load_app(tmp_path / "board")
    assert sorted(app.endpoints) == ["notes:add", "notes:newest", "notes:vote"]
    assert sorted(app.tables) == ["notes"]
    assert app.warnings == ()
