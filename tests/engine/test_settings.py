"""Declared environment variables: read with their types, and checked before anybody reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from relive.engine.application.app import App, load_bundle
from relive.engine.application.bundle import bundle_of
from relive.engine.application.functions import query
from relive.engine.data.settings import Settings, names_of, require_settings, settings_of
from relive.engine.deployment.environment_changes import EnvironmentChange, change_environment
from relive.engine.errors import AppInvalid, SettingsUnmet
from relive.engine.transactions.context import QueryCtx

from .bench import Bench, app_of, open_bench, text_of, value_of


class Shop(Settings):
    SHOP_NAME: str = "the shop"
    MODE: Literal["test", "live"] = "test"
    ORDERS: int = 100
    RATE: float = 0.5
    OPEN: bool = True
    NOTE: str | None = None
    API_KEY: str


@query
async def orders(ctx: QueryCtx) -> int:
    return ctx.env.read(Shop).ORDERS


@query
async def key(ctx: QueryCtx) -> str:
    return ctx.env["API_KEY"]


TEXTS = st.sampled_from(["", "live", "true", "0", "1.5", "nan", "null", "x"]) | st.integers().map(str)

SOURCE = """
from relive import QueryCtx, Settings, query

class Shop(Settings):
    ORDERS: int = 100
    API_KEY: {hint}

@query
async def orders(ctx: QueryCtx) -> int:
    return ctx.env.read(Shop).ORDERS
"""


def app_with(hint: str) -> App:
    return load_bundle("shop", bundle_of("shop", {"shop": SOURCE.format(hint=hint).encode()}))


def change(bench: Bench, **variables: str | None) -> None:
    changes = tuple(EnvironmentChange(name, value) for name, value in variables.items())
    declared = bench.executor.app.settings
    bench.executor.write("env", "cli", lambda ctx: change_environment(ctx, changes, declared))


def test_variables_have_the_types_of_their_hints_or_their_defaults() -> None:
    set_ = {"MODE": "live", "ORDERS": "7", "RATE": "2", "OPEN": "false", "API_KEY": "k", "OTHER": "not ours"}
    read = settings_of(Shop, set_)
    assert read == Shop(MODE="live", ORDERS=7, RATE=2.0, OPEN=False, API_KEY="k")
    assert (read.SHOP_NAME, read.NOTE, type(read.RATE)) == ("the shop", None, float)


@given(st.dictionaries(st.sampled_from(names_of(Shop)), TEXTS))
def test_what_passes_the_check_can_be_read_and_nothing_else(values: dict[str, str]) -> None:
    try:
        require_settings([Shop], values)
    except SettingsUnmet:
        with pytest.raises(SettingsUnmet):
            settings_of(Shop, values)
    else:
        read = settings_of(Shop, values)
        assert values["API_KEY"] == read.API_KEY
        assert read.MODE in ("test", "live")
        assert (type(read.ORDERS), type(read.RATE), type(read.OPEN)) == (int, float, bool)


def test_every_variable_that_is_missing_or_wrong_is_named_and_no_value_is_told() -> None:
    with pytest.raises(SettingsUnmet) as refused:
        settings_of(Shop, {"MODE": "hunter2", "ORDERS": "hunter3", "OPEN": "hunter4"})
    assert refused.value.problems == (
        "what MODE is set to is not one of 'test', 'live', as Shop declares it",
        "what ORDERS is set to is not a whole number, as Shop declares it",
        "what OPEN is set to is not true or false, as Shop declares it",
        "API_KEY is not set; Shop declares it as text",
    )
    assert "hunter" not in str(refused.value)
    assert "`relive env set NAME VALUE`" in str(refused.value)


def test_a_query_that_read_them_runs_again_when_one_of_them_changes() -> None:
    bench = open_bench(app_of(functions={"app:orders": orders, "app:key": key}))
    assert "API_KEY is not set" in text_of(bench.query("app:orders"))
    change(bench, API_KEY="k", ORDERS="7")
    assert value_of(bench.query("app:orders")) == 7
    change(bench, ORDERS=None)
    assert value_of(bench.query("app:orders")) == 100
    bench.check()


def test_a_deploy_is_refused_while_a_variable_is_missing_or_wrong() -> None:
    bench = open_bench(app_of())
    with pytest.raises(SettingsUnmet, match="API_KEY is not set; Shop declares it as a whole number"):
        trio.run(bench.database.deploy, app_with("int"))
    head = bench.database.runtime.tail.head
    change(bench, API_KEY="many")
    with pytest.raises(SettingsUnmet, match="API_KEY is set to is not a whole number"):
        trio.run(bench.database.deploy, app_with("int"))
    change(bench, API_KEY="5")
    assert bench.database.runtime.tail.head == head + 2

    deployed = trio.run(bench.database.deploy, app_with("int"))
    assert deployed.lsn is not None
    assert value_of(bench.query("shop:orders")) == 100


def test_a_change_that_the_declaration_does_not_allow_changes_nothing() -> None:
    bench = open_bench(app_of())
    change(bench, API_KEY="5")
    trio.run(bench.database.deploy, app_with("int"))
    head = bench.database.runtime.tail.head
    for variables in ({"API_KEY": None}, {"API_KEY": "x"}, {"ORDERS": "1", "API_KEY": ""}):
        with pytest.raises(SettingsUnmet, match="API_KEY"):
            change(bench, **variables)
    assert bench.database.runtime.tail.head == head
    change(bench, API_KEY="6", ORDERS="1", OTHER="anything")
    assert value_of(bench.query("shop:orders")) == 1


def test_a_server_that_starts_with_less_serves_and_takes_the_variables_one_by_one() -> None:
    bench = open_bench(app_with("int"))
    with pytest.raises(SettingsUnmet):
        bench.database.require_settings(bench.executor.app)
    change(bench, ORDERS="3")
    assert "API_KEY is not set" in text_of(bench.query("shop:orders"))
    change(bench, API_KEY="3")
    assert value_of(bench.query("shop:orders")) == 3


@pytest.mark.parametrize("hint", ["list[str]", "bytes", "int | str", "Literal[5]", "Missing", "dict[str, str] | None"])
def test_a_hint_that_no_text_can_become_is_refused_when_the_app_is_loaded(hint: str) -> None:
    with pytest.raises(AppInvalid, match=r"Shop|Missing|Literal"):
        app_with(hint)


def test_only_classes_of_settings_can_be_read(tmp_path: Path) -> None:
    @query
    async def wrong(ctx: QueryCtx) -> None:
        ctx.env.read(dict)  # type: ignore[type-var]

    bench = open_bench(app_of(functions={"app:wrong": wrong}))
    assert "takes a class of Settings" in text_of(bench.query("app:wrong"))
