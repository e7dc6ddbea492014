"""The TypeScript types in the chat example are what `relive codegen` writes for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
COMMITTED = CHECKOUT / "examples" / "chat" / "web" / "src" / "_generated"
CODEGEN_S_MAX = 30


def test_the_types_of_the_chat_are_up_to_date(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "relive", "codegen", str(CHECKOUT / "examples" / "chat"), "--out"]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=CODEGEN_S_MAX
    )

    assert done.returncode == 0, done.stdout + done.stderr
    remedy = "run `relive codegen examples/chat --out examples/chat/web/src/_generated` and commit the result"
    assert contents(tmp_path) == contents(COMMITTED), remedy


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
