"""Calling functions as clients do: arguments, results, errors, limits, resends and conflicts."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from relive.engine.application.functions import internal_mutation, internal_query, mutation, query
from relive.engine.data.schema import Document, Id, Int64, Record, field, index
from relive.engine.errors import ApplicationError
from relive.engine.execution.calls import Call, Request
from relive.engine.limits import COMMIT_ATTEMPTS_MAX
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.usage import TransactionLimits
from relive.protocol import limits as protocol_limits
from relive.protocol.results import MutationSuccess

from .bench import SESSION, Bench, bench_of, failure_of, text_of, value_of

logger = logging.getLogger("app")


ZERO = Int64(0)


class Counter(Document):
    name: str = field()
    count: int = 0
    by_name = index(name)


class Other(Document):
    x: int = 0


class Point(Record):
    x: int
    y: int = 0


class Money(Record):
    amount: Int64


@mutation
async def bump(ctx: MutationCtx, name: str, by: int = 1) -> int:
    counter = await ctx.db.query(Counter).index(Counter.by_name, name).unique()
    if counter is None:
        await ctx.db.insert(Counter(name=name, count=by))
        return by
    await ctx.db.patch(counter.id, count=counter.count + by)
    return counter.count + by


@mutation
async def bump_twice(ctx: MutationCtx, name: str) -> int:
    await bump(ctx, name)
    return await bump(ctx, name, by=10)


@mutation
async def bump_and_fail(ctx: MutationCtx, name: str) -> int:
    return "no number" if await bump(ctx, name) else 0  # type: ignore[return-value]


@query
async def count(ctx: QueryCtx, name: str) -> int:
    counter = await ctx.db.query(Counter).index(Counter.by_name, name).unique()
    return counter.count if counter is not None else 0


@mutation
async def read_count(ctx: MutationCtx, name: str) -> int:
    return await count(ctx, name)


@query
async def counters(ctx: QueryCtx) -> list[Counter]:
    return await ctx.db.query(Counter).collect()


@query
async def by_id(ctx: QueryCtx, id: Id[Counter] | None = None) -> Counter | None:
    return await ctx.db.get(id) if id is not None else None


@mutation
async def make_other(ctx: MutationCtx) -> Id[Other]:
    return await ctx.db.insert(Other())


@query
async def echo(
    ctx: QueryCtx,
    text: str = "",
    whole: int = 0,
    real: float = 0.0,
    big: Int64 = ZERO,
    raw: bytes = b"",
    flag: bool = False,
    point: Point | None = None,
    names: dict[str, list[int]] | None = None,
    anything: Any = None,
) -> dict[str, Any]:
    return {
        "text": text,
        "whole": whole,
        "real": real,
        "big": big,
        "raw": raw,
        "flag": flag,
        "point": point,
        "names": names,
        "anything": anything,
    }


@query
async def wrong_point(ctx: QueryCtx, deep: bool) -> list[Point]:
    return [Point(x=1), Point(x="one") if deep else None]  # type: ignore[arg-type, list-item]


@query
async def price(ctx: QueryCtx, wrong: bool) -> Money:
    return Money(amount=5 if wrong else Int64(5))  # type: ignore[arg-type]


@query
async def unordered(ctx: QueryCtx) -> Any:
    return {1, 2}


@query
async def huge(ctx: QueryCtx, size: int) -> list[str]:
    return ["x" * 1000] * size


@query
async def fail(ctx: QueryCtx, data: Any) -> None:
    raise ApplicationError(data)


@mutation
async def fail_late(ctx: MutationCtx) -> None:
    await bump(ctx, "a")
    raise ApplicationError({"code": 7})


@query
async def crash(ctx: QueryCtx) -> None:
    raise KeyError("secret")


@query
async def leave(ctx: QueryCtx) -> None:
    raise SystemExit(3)


@query
async def talk(ctx: QueryCtx, and_fail: bool = False) -> None:
    print("one", 2)
    logger.warning("careful: %s", "x")
    logger.error("bad")
    if and_fail:
        raise KeyError


@internal_query
async def hidden_count(ctx: QueryCtx) -> int:
    return 7


@internal_mutation
async def hidden_bump(ctx: MutationCtx) -> int:
    return await bump(ctx, "hidden")


def bench() -> Bench:
    return bench_of(
        Counter,
        Other,
        bump=bump,
        bump_twice=bump_twice,
        bump_and_fail=bump_and_fail,
        count=count,
        read_count=read_count,
        counters=counters,
        by_id=by_id,
        make_other=make_other,
        echo=echo,
        wrong_point=wrong_point,
        price=price,
        unordered=unordered,
        huge=huge,
        fail=fail,
        fail_late=fail_late,
        crash=crash,
        leave=leave,
        talk=talk,
        hidden_count=hidden_count,
        hidden_bump=hidden_bump,
    )


def test_a_mutation_is_one_entry_with_its_cause() -> None:
    calls = bench()
    outcome = calls.mutate("app:bump", name="a", by=2, request=5)
    entry = calls.entry()

    assert value_of(outcome) == 2
    assert (outcome.lsn, entry.lsn) == (2, 2)
    assert isinstance(outcome.outcome, MutationSuccess)
    assert outcome.outcome.ts == entry.ts
    assert (entry.function, entry.cause.kind, entry.session, entry.request) == ("app:bump", "client", SESSION, 5)
    assert (entry.snapshot, entry.result, entry.code) == (1, b"2.0", calls.executor.app.code)


def test_functions_call_each_other_in_one_transaction() -> None:
    calls = bench()

    assert value_of(calls.mutate("app:bump_twice", name="a")) == 11
    assert calls.database.runtime.tail.head == 2
    assert value_of(calls.query("app:count", name="a")) == 11


def test_documents_come_with_their_system_fields_newest_version_first_time_and_again() -> None:
    calls = bench()
    calls.mutate("app:bump", name="a")
    (first,) = value_of(calls.query("app:counters"))
    again = value_of(calls.query("app:counters"))
    calls.mutate("app:bump", name="a")
    (bumped,) = value_of(calls.query("app:counters"))

    assert again == [first]
    assert set(first) == {"_id", "_creationTime", "name", "count"}
    assert bumped == {**first, "count": 2}
    assert value_of(calls.query("app:by_id", id=first["_id"])) == bumped


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"text": "é", "whole": 3, "real": 1, "flag": True, "point": {"x": 1}, "names": {"b": [1], "a": []}},
        {"real": 1.5, "anything": {"z": 1, "a": [None, {"b": 1}]}},
        {"big": {"$integer": "BQAAAAAAAAA="}, "raw": {"$bytes": "aGk="}, "anything": {"$integer": "BQAAAAAAAAA="}},
    ],
)
def test_arguments_and_results_are_values_of_every_kind(args: dict[str, Any]) -> None:
    calls = bench()
    answer = value_of(calls.query("app:echo", **args))

    assert answer["point"] == ({"x": 1, "y": 0} if "point" in args else None)
    assert list(answer["names"] or {}) == sorted(args.get("names", {}))
    if "big" in args:
        assert (answer["big"], type(answer["big"]), answer["raw"]) == (5, Int64, b"hi")
        assert type(answer["anything"]) is Int64


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"text": 1}, "Expected `str`, got `int` (at $.text)"),
        ({"whole": 1.5}, "Expected `int`, got `float` (at $.whole)"),
        ({"whole": True}, "Expected `int`, got `bool` (at $.whole)"),
        ({"whole": "1"}, "Expected `int`, got `str` (at $.whole)"),
        ({"big": 5}, "Expected `Int64`, got `int` (at $.big)"),
        ({"raw": "aGk="}, "Expected `bytes`, got `str` (at $.raw)"),
        ({"text": {"$bytes": "aGk="}}, "Expected `str`, got `bytes` (at $.text)"),
        ({"point": {"y": 1}}, "Object missing required field `x` (at $.point)"),
        ({"point": {"x": 1, "z": 1}}, "Object contains unknown field `z` (at $.point)"),
        ({"names": {"a": [1, None]}}, "Expected `int`, got `null` (at $.names.a[1])"),
        ({"other": 1}, "Object contains unknown field `other` (at $)"),
        ({"anything": {"$x": 1}}, "$x"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(args: dict[str, Any], problem: str) -> None:
    message = text_of(bench().query("app:echo", **args))

    assert message.startswith("ArgumentValidationError: app:echo: ")
    assert problem in message


def test_an_argument_that_must_be_there_is_named() -> None:
    assert "Object missing required field `name`" in text_of(bench().query("app:count"))


@pytest.mark.parametrize("args", [[], None, [{}, {}], ["x"], "x", 7])
def test_arguments_are_one_object(args: Any) -> None:
    calls = bench()
    answer = calls.executor.query(Call("app:count", args)).result

    assert text_of(answer).startswith("ArgumentValidationError: app:count: ")


def test_ids_of_other_tables_are_refused_in_arguments() -> None:
    calls = bench()
    other = value_of(calls.mutate("app:make_other"))

    for id, problem in ((other, "got an id of another table (at $.id)"), ("nothing", "is not a document id")):
        message = text_of(calls.query("app:by_id", id=id))
        assert "expected an id of table `counters`" in message
        assert problem in message


def test_arguments_have_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relive.engine.execution.arguments.ARGS_BYTES_MAX", 100)

    assert "a call takes at most 100" in text_of(bench().query("app:echo", text="x" * 100))


def test_a_result_that_is_not_what_was_declared_is_named_and_nothing_is_written() -> None:
    calls = bench()

    assert text_of(calls.query("app:wrong_point", deep=True)) == (
        "ReturnsValidationError: app:wrong_point: Expected `int`, got `str` (at $[1].x)"
    )
    assert "Expected `object`, got `null` (at $[1])" in text_of(calls.query("app:wrong_point", deep=False))
    assert "ReturnsValidationError" in text_of(calls.mutate("app:bump_and_fail", name="a"))
    assert value_of(calls.query("app:count", name="a")) == 0
    assert calls.database.runtime.tail.head == 1


def test_a_declared_int64_has_to_be_one() -> None:
    calls = bench()
    amount = value_of(calls.query("app:price", wrong=False))["amount"]

    assert (amount, type(amount)) == (5, Int64)
    assert "Expected `Int64`, got `int` (at $.amount)" in text_of(calls.query("app:price", wrong=True))


def test_a_result_outside_of_the_value_model_is_refused() -> None:
    assert "a set has no order" in text_of(bench().query("app:unordered"))


def test_results_have_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_limits, "RESULT_BYTES_MAX", 10_000)
    calls = bench()

    assert len(value_of(calls.query("app:huge", size=9))) == 9
    assert "a result has at most 10,000" in text_of(calls.query("app:huge", size=10))


@pytest.mark.parametrize(
    ("data", "encoded", "shown"),
    [
        ("no", b'"no"', "no"),
        ({"b": 1, "a": [None]}, b'{"a":[null],"b":1.0}', '{"a":[null],"b":1.0}'),
        (None, b"null", "null"),
        (7, b"7.0", "7.0"),
    ],
)
def test_an_application_error_carries_its_data(data: Any, encoded: bytes, shown: str) -> None:
    failure = failure_of(bench().query("app:fail", data=data))

    assert failure.data == encoded
    assert f"Uncaught ConvexError: {shown}\n" in failure.message


def test_an_application_error_undoes_what_was_written() -> None:
    calls = bench()
    failure = failure_of(calls.mutate("app:fail_late"))

    assert failure.data == b'{"code":7.0}'
    assert value_of(calls.query("app:count", name="a")) == 0


def test_an_uncaught_error_is_told_with_its_line_and_without_data() -> None:
    failure = failure_of(bench().query("app:crash"))
    line = crash.handler.__code__.co_firstlineno + 2

    assert failure.data is None
    assert failure.message.startswith("[Request ID: ")
    assert failure.message.endswith(f"Uncaught KeyError: 'secret'\n  File \"test_calls.py\", line {line}, in crash")


def test_a_handler_cannot_end_the_process() -> None:
    assert "Uncaught" in text_of(bench().query("app:leave"))


def test_the_same_failure_says_the_same_but_for_the_request() -> None:
    calls = bench()
    one, two = calls.query("app:crash"), calls.query("app:crash")

    assert failure_of(one).message != failure_of(two).message
    assert one.digest == two.digest


def test_a_resent_request_that_failed_has_the_same_request_id() -> None:
    calls = bench()

    first = failure_of(calls.mutate("app:fail_late", request=3)).message
    assert failure_of(calls.mutate("app:fail_late", request=3)).message == first


@pytest.mark.parametrize("and_fail", [False, True])
def test_what_a_function_says_becomes_log_lines(and_fail: bool) -> None:
    calls = bench()
    answer = calls.query("app:talk", and_fail=and_fail)
    lines = ("[LOG] 'one 2'", "[WARN] 'careful: x'", "[ERROR] 'bad'")

    assert answer.log_lines == lines
    (execution,) = calls.executor.executions.kept
    assert (execution.path, execution.log_lines, execution.success) == ("app:talk", lines, not and_fail)


@pytest.mark.parametrize("path", ["app:nothing", "nothing:bump", "app", "", "::", "a b:c", "app:hidden_count"])
def test_what_is_not_there_or_hidden_is_not_found(path: str) -> None:
    assert text_of(bench().query(path)) == f"Could not find public function for '{path}'."


def test_a_function_is_called_as_what_it_is() -> None:
    calls = bench()

    assert text_of(calls.query("app:bump", name="a")) == (
        "Trying to execute app.js:bump as Query, but it is defined as Mutation."
    )
    assert "as Mutation, but it is defined as Query." in text_of(calls.mutate("app:count", name="a"))


def test_internal_functions_need_the_admin_key() -> None:
    calls = bench()

    assert value_of(calls.query("app:hidden_count", admin=True)) == 7
    assert value_of(calls.mutate("app:hidden_bump", admin=True)) == 1
    assert "Could not find public function" in text_of(calls.mutate("app:hidden_bump"))


@pytest.mark.parametrize(
    ("name", "allowed", "path", "args", "problem"),
    [
        ("documents_read", 2, "app:counters", {}, "too many documents read: 3 in one transaction, 2 allowed"),
        ("bytes_read", 50, "app:counters", {}, "too many bytes read"),
        ("ranges_read", 0, "app:count", {"name": "a"}, "too many index ranges read"),
    ],
)
def test_a_query_reads_within_limits(name: str, allowed: int, path: str, args: dict[str, Any], problem: str) -> None:
    calls = bench()
    for counter in "abc":
        calls.mutate("app:bump", name=counter)
    calls.executor.limits = TransactionLimits(**{name: allowed})

    assert problem in text_of(calls.query(path, **args))


def test_the_keys_of_ranges_count_as_bytes_read() -> None:
    calls = bench()
    calls.executor.limits = TransactionLimits(bytes_read=2_000)

    assert value_of(calls.query("app:count", name="x" * 900)) == 0
    assert "too many bytes read" in text_of(calls.query("app:count", name="x" * 1_100))


@pytest.mark.parametrize(("what", "allowed"), [("documents", 1), ("bytes", 150)])
def test_a_mutation_writes_within_limits(what: str, allowed: int) -> None:
    calls = bench()
    calls.executor.limits = TransactionLimits(**{f"{what}_written": allowed})

    assert value_of(calls.mutate("app:bump", name="a")) == 1
    assert f"too many {what} written" in text_of(calls.mutate("app:bump_twice", name="b"))
    assert value_of(calls.query("app:count", name="b")) == 0


def test_a_request_happens_once() -> None:
    calls = bench()
    first = calls.mutate("app:bump", name="a", request=1)
    again = calls.mutate("app:bump", name="a", request=1)

    assert (again.lsn, again.outcome) == (first.lsn, first.outcome)
    assert value_of(calls.query("app:count", name="a")) == 1


def test_a_request_happens_once_even_across_a_restart() -> None:
    calls = bench()
    first = calls.mutate("app:bump", name="a", request=1)
    calls.mutate("app:bump", name="a", request=2)
    reopened = calls.reopen()
    again = reopened.mutate("app:bump", name="a", request=1)

    assert (again.lsn, again.outcome) == (first.lsn, first.outcome)
    assert value_of(reopened.query("app:count", name="a")) == 2


def test_requests_of_other_sessions_are_others() -> None:
    calls = bench()
    calls.mutate("app:bump", name="a", request=1)
    calls.executor.mutate(Call("app:bump", [{"name": "a"}]), Request("client", b"another session!", 1))
    calls.executor.mutate(Call("app:bump", [{"name": "a"}]), Request("cli", None, 1))
    calls.executor.mutate(Call("app:bump", [{"name": "a"}]), Request("cli", None, 1))

    assert value_of(calls.query("app:count", name="a")) == 4


def test_a_mutation_that_writes_nothing_is_no_entry() -> None:
    calls = bench()
    calls.mutate("app:bump", name="a")
    first = calls.mutate("app:read_count", name="a", request=9)
    calls.mutate("app:bump", name="a")

    assert (value_of(first), first.lsn) == (1, 2)
    assert isinstance(first.outcome, MutationSuccess)
    assert first.outcome.ts == calls.entry(first.lsn).ts
    assert value_of(calls.mutate("app:read_count", name="a", request=9)) == 1
    assert value_of(calls.mutate("app:read_count", name="a", request=10)) == 2
    assert calls.database.runtime.tail.head == 3


def rival(calls: Bench, times: int) -> list[int]:
    """Somebody else commits between the run and the commit of the next mutation, so many times."""
    looks: list[int] = []

    def on_look(look: int) -> None:
        # The execution looks when it starts and when it ends; each attempt when it begins, and when it commits.
        looks.append(look)
        if len(looks) % 2 == 1 and 1 < len(looks) <= 2 * times + 1:
            calls.clock.on_look = lambda look: None
            value_of(calls.executor.mutate(Call("app:bump", [{"name": "a"}]), Request("cli", None, 1)))
            calls.clock.on_look = on_look

    calls.clock.on_look = on_look
    return looks


@pytest.mark.parametrize("times", [1, COMMIT_ATTEMPTS_MAX - 1])
def test_a_mutation_whose_reads_changed_runs_again(times: int) -> None:
    calls = bench()
    looks = rival(calls, times)
    outcome = calls.mutate("app:bump", name="a", by=100)

    assert value_of(outcome) == 100 + times
    assert len(looks) == 2 * (times + 1) + 2
    assert [execution.retries for execution in calls.executor.executions.kept] == [0] * times + [times]
    assert calls.entry(outcome.lsn).snapshot == outcome.lsn - 1
    calls.check()


@mutation
async def bump_and_give_the_old_one(ctx: MutationCtx) -> list[Counter]:
    (counter,) = await ctx.db.query(Counter).collect()
    return [counter, await ctx.db.patch(counter.id, count=9)]


def test_a_document_is_sent_as_it_was_when_it_was_read() -> None:
    calls = bench_of(Counter, bump=bump, bump_and_give_the_old_one=bump_and_give_the_old_one)
    calls.mutate("app:bump", name="a")

    assert [counter["count"] for counter in value_of(calls.mutate("app:bump_and_give_the_old_one"))] == [1, 9]


def test_the_clock_of_a_function_is_past_the_newest_entry() -> None:
    calls = bench()
    first = calls.mutate("app:bump", name="a")
    calls.clock.now_ns -= 3600 * 10**9
    second = calls.mutate("app:bump", name="b")

    assert calls.entry(second.lsn).clock > calls.entry(first.lsn).ts
    assert [counter["name"] for counter in value_of(calls.query("app:counters"))] == ["a", "b"]


def test_a_request_committed_meanwhile_is_answered_from_the_log() -> None:
    calls = bench()
    once = Request("client", SESSION, 1)

    def on_look(look: int) -> None:
        calls.clock.on_look = lambda look: None
        calls.executor.mutate(Call("app:bump", [{"name": "b"}]), once)

    calls.clock.on_look = on_look
    outcome = calls.executor.mutate(Call("app:bump", [{"name": "a", "by": 5}]), once)

    assert value_of(outcome) == 1
    assert value_of(calls.query("app:count", name="a")) == 0
