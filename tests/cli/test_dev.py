"""`relive dev`: what a save does."""

from __future__ import annotations

from pathlib import Path

from .conftest import Relive, Serve

COUNT = """
from relive import QueryCtx, query

@query
async def answer(ctx: QueryCtx) -> int:
    return {}
"""


def test_every_save_is_deployed(app: Path, serve: Serve, relive: Relive) -> None:
    running = serve(app, command="dev")
    running.wait_remark("watching")

    (app / "count.py").write_text(COUNT.format(1))
    running.wait(lambda: len(deployed(running.err)) == 2)
    assert relive("run", "count:answer").stdout == "1\n"

    (app / "count.py").write_text(COUNT.format(2))
    running.wait(lambda: len(deployed(running.err)) == 3)
    assert relive("run", "count:answer").stdout == "2\n"

    (app / "inner").mkdir()
    (app / "inner" / "count.py").write_text(COUNT.format(3))
    running.wait(lambda: len(deployed(running.err)) == 4)
    assert relive("run", "inner/count:answer").stdout == "3\n"

    (app / "inner" / "count.py").write_text(COUNT.format(4))
    running.wait(lambda: len(deployed(running.err)) == 5)
    assert relive("run", "inner/count:answer").stdout == "4\n"
    assert running.end() == 0
    assert len(running.out) == 1


def test_a_broken_save_keeps_the_last_good_code(app: Path, serve: Serve, relive: Relive) -> None:
    running = serve(app, command="dev")
    running.wait_remark("watching")
    relive("run", "notes:add", '{"text": "one"}')
    good, schema = (app / "notes.py").read_text(), (app / "schema.py").read_text()

    (app / "notes.py").write_text(good + "\ndef broken(:\n")
    running.wait_remark(f'  File "{app}/notes.py", line')
    (app / "notes.py").write_text(good + "\nraise SystemExit(3)\n")
    running.wait_remark("SystemExit: 3")
    (app / "notes.py").write_text(good)
    (app / "schema.py").write_text(schema.replace("text: str", "text: int"))
    running.wait_remark("1 stored document(s) do not fit the schema")
    assert relive("run", "notes:all").stdout == '["one"]\n'
    (app / "schema.py").write_text(schema)
    (app / "count.py").write_text(COUNT.format(1))
    running.wait(lambda: "tables: 1, functions: 6" in running.err[-1])

    assert relive("run", "count:answer").stdout == "1\n"
    assert relive("run", "notes:all").stdout == '["one"]\n'
    refused = [line for line in running.err if "not deployed" in line]
    assert len(refused) == 3, running.err


def test_types_follow_the_code(app: Path, serve: Serve) -> None:
    types = app / "web" / "_generated"
    running = serve(app, "--codegen", types, command="dev")
    running.wait_remark("watching")
    assert '"answer"' not in (types / "api.d.ts").read_text()

    (app / "count.py").write_text(COUNT.format(1))
    running.wait_remark(f"wrote api.d.ts in {types}")

    assert '"answer": FunctionReference<"query", "public", {}, number>;' in (types / "api.d.ts").read_text()


def test_what_functions_print_is_shown(app: Path, serve: Serve, relive: Relive) -> None:
    running = serve(app, command="dev")

    relive("run", "notes:add", '{"text": "hello"}')

    running.wait_remark("notes:add [LOG] adding hello")


def deployed(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("relive: deployed")]
