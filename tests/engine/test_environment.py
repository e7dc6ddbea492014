"""Environment variables: part of the database, read like documents, changed from outside."""

from __future__ import annotations

import pytest
from relive.actors.errors import Conflict
from relive.engine import limits
from relive.engine.application.functions import AnyFunction, mutation, query
from relive.engine.data.schema import Document
from relive.engine.deployment import environment_changes
from relive.engine.deployment.environment_changes import EnvironmentChange, change_environment, values_of
from relive.engine.errors import EnvironmentVariableInvalid, EnvironmentVariableMissing
from relive.engine.execution.calls import Call
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.log.entry import Kind

from .bench import Bench, app_of, bench_of, open_bench, text_of, value_of


class Note(Document):
    text: str


@query
async def key(ctx: QueryCtx) -> str:
    return ctx.env["KEY"]


@query
async def level(ctx: QueryCtx) -> str:
    return ctx.env.get("LEVEL", "info")


@mutation
async def note_key(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text=ctx.env["KEY"]))


FUNCTIONS: dict[str, AnyFunction] = {"app:key": key, "app:level": level, "app:note_key": note_key}


def change(bench: Bench, **variables: str | None) -> int:
    changes = tuple(EnvironmentChange(name, value) for name, value in variables.items())
    return bench.executor.write("env", "cli", lambda ctx: change_environment(ctx, changes)).value


def variables(bench: Bench) -> dict[str, str]:
    return bench.executor.rehearse("env", values_of)


def test_functions_read_what_was_set() -> None:
    bench = open_bench(app_of(Note, functions=FUNCTIONS))
    assert change(bench, KEY="one", LEVEL="debug") == 2
    assert bench.entry().kind is Kind.SYSTEM
    assert (value_of(bench.query("app:key")), value_of(bench.query("app:level"))) == ("one", "debug")
    bench.mutate("app:note_key")

    assert change(bench, KEY="two", LEVEL=None) == 2
    assert (value_of(bench.query("app:key")), value_of(bench.query("app:level"))) == ("two", "info")
    bench.check()

    async def look(ctx: QueryCtx) -> tuple[bool, bool, str | None, int]:
        return "KEY" in ctx.env, "LEVEL" in ctx.env, ctx.env.get("LEVEL"), ctx.env.get("LEVEL", 5)  # type: ignore[return-value]

    assert bench.read(look) == (True, False, None, 5)


def test_one_that_is_not_set_is_told_with_the_command_that_sets_it() -> None:
    bench = open_bench(app_of(Note, functions=FUNCTIONS))

    assert "environment variable KEY is not set" in text_of(bench.query("app:key"))
    assert "`relive env set KEY VALUE`" in text_of(bench.query("app:key"))
    with pytest.raises(EnvironmentVariableMissing):
        bench.read(key.handler)

    async def wrong(ctx: QueryCtx) -> str:
        return ctx.env[5]  # type: ignore[index]

    with pytest.raises(TypeError, match="the name of an environment variable is text, not int"):
        bench.read(wrong)


def test_a_change_runs_exactly_the_queries_again_that_looked_at_it() -> None:
    bench = open_bench(app_of(Note, functions=FUNCTIONS))
    live = bench.database.live
    keys = {name: live.watch(Call(f"app:{name}", [{}]), name) for name in ("key", "level")}

    def results() -> None:
        live.follow()
        for each in keys.values():
            live.result(each)

    results()
    change(bench, OTHER="x")
    assert live.follow() == ()
    change(bench, KEY="one")  # It was looked for in vain.
    assert live.follow() == ("key",)
    results()
    change(bench, KEY="two", OTHER=None)
    assert live.follow() == ("key",)
    results()
    change(bench, LEVEL="debug")
    assert live.follow() == ("level",)
    results()
    change(bench, KEY=None)
    assert live.follow() == ("key",)
    results()
    assert change(bench, LEVEL="debug", ABSENT=None) == 0
    assert live.follow() == ()


def test_a_change_conflicts_with_mutations_that_looked_at_it() -> None:
    bench = bench_of(Note)
    change(bench, KEY="one", OTHER="x")

    async def write(ctx: MutationCtx) -> None:
        await ctx.db.insert(Note(text=ctx.env["KEY"]))

    ran = bench.run(write)
    change(bench, OTHER="y")
    bench.database.runtime.commit(bench.commit_of(ran))
    ran = bench.run(write)
    change(bench, KEY="two")

    with pytest.raises(Conflict):
        bench.database.runtime.commit(bench.commit_of(ran))


def test_looking_twice_is_one_read() -> None:
    bench = bench_of(Note)
    change(bench, KEY="one")

    async def look(ctx: MutationCtx) -> str:
        return "".join(ctx.env["KEY"][0] for _ in range(10_000))

    ran = bench.run(look)
    assert len(ran.result) == 10_000
    assert len(ran.reads) == 1


def test_several_changes_are_one_entry_or_none() -> None:
    bench = bench_of(Note)
    head = bench.database.runtime.tail.head
    change(bench, A="1", B="2", C="3")
    assert bench.database.runtime.tail.head == head + 1
    with pytest.raises(EnvironmentVariableInvalid):
        change(bench, A=None, D="x" * (limits.ENVIRONMENT_VALUE_BYTES_MAX + 1))

    assert variables(bench) == {"A": "1", "B": "2", "C": "3"}
    assert bench.database.runtime.tail.head == head + 1


def test_the_last_of_several_changes_of_one_variable_counts() -> None:
    bench = bench_of(Note)
    changes = (EnvironmentChange("A", "1"), EnvironmentChange("A", None), EnvironmentChange("A", "2"))
    bench.executor.write("env", "cli", lambda ctx: change_environment(ctx, changes))

    assert variables(bench) == {"A": "2"}


def test_variables_stay_over_restarts_and_deploys() -> None:
    bench = open_bench(app_of(Note, functions=FUNCTIONS))
    change(bench, KEY="one")
    bench.deploy(app_of(Note, version=2, functions=FUNCTIONS))
    assert value_of(bench.query("app:key")) == "one"

    assert value_of(bench.reopen().query("app:key")) == "one"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("", "x", "begins with no digit"),
        ("1A", "x", "begins with no digit"),
        ("A-B", "x", "letters, digits and _"),
        ("Ä", "x", "letters, digits and _"),
        ("A\n", "x", "letters, digits and _"),
        ("A" * 257, "x", "its name has 257 characters; 256 are allowed"),
        ("A", "x" * 8193, "its value has 8,193 bytes; 8,192 are allowed"),
        ("A", "ä" * 4097, "its value has 8,194 bytes"),
        ("A", "\ud800", "surrogate"),
    ],
)
def test_names_and_values_have_their_limits(name: str, value: str, problem: str) -> None:
    with pytest.raises(EnvironmentVariableInvalid, match=problem):
        EnvironmentChange(name, value)


def test_values_at_the_limit_are_accepted() -> None:
    bench = bench_of(Note)
    change(bench, **{"_" * 256: "ä" * 4096, "b1": ""})

    assert variables(bench) == {"_" * 256: "ä" * 4096, "b1": ""}


def test_there_is_a_limit_to_all_variables_together(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(Note)
    change(bench, **{f"V{number}": "" for number in range(512)})
    with pytest.raises(EnvironmentVariableInvalid, match="there would be 513 variables; 512 are allowed"):
        change(bench, MORE="")
    assert change(bench, V0=None, MORE="") == 2

    monkeypatch.setattr(environment_changes, "ENVIRONMENT_BYTES_MAX", 10_000)
    with pytest.raises(
        EnvironmentVariableInvalid, match=r"all variables together would have .* bytes; 10,000 are allowed"
    ):
        change(bench, MORE="x" * 8_192)
