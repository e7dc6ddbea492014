"""The TypeScript compiler, as the chat example has it, put to what is generated for an app."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
from relive.engine.application.app import load_app
from relive.engine.codegen import files

WEB = Path(__file__).parents[2] / "examples" / "chat" / "web"
INSTALL_S_MAX = 300
CHECK_S_MAX = 120

OPTIONS = {
    "strict": True,
    "noEmit": True,
    "exactOptionalPropertyTypes": True,
    "noUnusedLocals": True,
    "skipLibCheck": False,
    "target": "ES2022",
    "lib": ["ES2022", "DOM"],
    "module": "ESNext",
    "moduleResolution": "bundler",
    "types": [],
}


class Check(Protocol):
    """Generates types for an app, compiles a module that uses them, and returns the complaints."""

    def __call__(self, sources: Mapping[str, str], uses: str) -> str: ...


def compiler() -> Path:
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("npm was not found. Install Node 20.19 or later: generated types are checked with it.")
    if not (WEB / "node_modules" / "typescript").exists():
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=WEB, check=True, timeout=INSTALL_S_MAX)
    return WEB / "node_modules" / ".bin" / "tsc"


def write_app(folder: Path, sources: Mapping[str, str]) -> Path:
    for name, text in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def compile_uses(folder: Path, app: Path, uses: str, *options: str) -> str:
    """What the compiler prints about a module that uses the types generated for ``app``."""
    client = folder / "client"
    files.write(load_app(app), client / "_generated")
    (client / "uses.ts").write_text(uses, encoding="utf-8")
    (client / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "files": ["uses.ts"]}))
    os.symlink(WEB / "node_modules", client / "node_modules")
    command = [str(compiler()), "-p", str(client), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CHECK_S_MAX)
    return done.stdout + done.stderr
