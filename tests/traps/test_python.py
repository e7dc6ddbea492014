"""What Python does differently each time, and what must not reach a function, an entry or a client."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from relive.engine.application.app import App, load_app
from relive.engine.data.schema import Document, Int64, field, index
from relive.engine.determinism import limits
from relive.engine.errors import AppInvalid, DocumentInvalid
from relive.engine.execution.calls import Call
from relive.engine.execution.live_queries import key_of
from relive.engine.transactions.context import MutationCtx
from relive.protocol.errors import InvalidValue
from relive.protocol.results import QueryFailure, QuerySuccess
from relive.protocol.values import equal, normalize

from ..engine.bench import Bench, failure_of, open_bench, text_of, value_of
from .nodes import database

NAN = math.nan

SOURCE = """
import asyncio, datetime, decimal, itertools, json, locale, os, random, secrets, threading, time, uuid
from relive import ApplicationError, Document, Int64, MutationCtx, QueryCtx, mutation, query

class Note(Document):
    text: str

class Thing:
    pass

class Never:
    def __await__(self):
        while True:
            yield "not yet"

cache = {"first": 1}
numbers = itertools.count()
machine = {
    "environment": lambda: os.environ["PATH"],
    "process": lambda: os.getpid(),
    "folder": lambda: os.getcwd(),
    "file": lambda: open("/etc/hostname"),
    "thread": lambda: threading.Thread(target=print).start(),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C"),
    "hardware": lambda: uuid.uuid1(),
    "sleep": lambda: time.sleep(0),
}
# Nothing that the text of a function shows: what is found at load is another scenario.
hidden = {
    "put": lambda: cache.update(second=2),
    "round": lambda: setattr(decimal.getcontext(), "prec", 3),
    "forget": lambda query: query.collect() and None,
}

@mutation
async def draw(ctx: MutationCtx) -> list[str]:
    drawn = [random.random(), secrets.token_hex(4), uuid.uuid4(), ctx.random.random(), random.sample(range(99), 9)]
    times = [time.time_ns(), time.monotonic(), datetime.datetime.now(datetime.UTC), ctx.now]
    return [*map(str, drawn), *map(str, times), await ctx.db.insert(Note(text="x"))]

@query
async def names_of(ctx: QueryCtx, tags: dict[str, int]) -> list[str]:
    return list(tags)

@query
async def address(ctx: QueryCtx) -> int:
    return hash(Thing())

@query
async def counter(ctx: QueryCtx) -> int:
    return next(numbers)

@mutation
async def remember(ctx: MutationCtx) -> None:
    hidden["put"]()

@query
async def remembered(ctx: QueryCtx) -> list[str]:
    return sorted(cache)

@query
async def ask(ctx: QueryCtx, what: str) -> str:
    return str(machine[what]())

@query
async def precision(ctx: QueryCtx) -> int:
    before = decimal.getcontext().prec
    hidden["round"]()
    return before

@mutation
async def forever(ctx: MutationCtx) -> None:
    await ctx.db.insert(Note(text="never seen"))
    while True:
        pass

@mutation
async def take(ctx: MutationCtx, amount: int, exact: Int64 = Int64(0), flag: bool = False) -> None:
    pass

@query
async def fail(ctx: QueryCtx, how: str) -> None:
    if how == "text":
        raise ValueError(f"no {Thing()} here")
    if how == "key":
        {}[Thing()]
    if how == "function":
        raise TypeError(lambda: 1)
    if how == "query":
        raise ValueError(ctx.db.query(Note))
    if how == "file":
        raise ValueError("cannot read " + __file__)
    if how == "library":
        raise ValueError("cannot import " + json.__file__)
    if how == "inside a library":
        json.loads("{")
    print("seen", Thing(), ctx.db)
    raise ApplicationError("known")

@query
async def wait(ctx: QueryCtx, what: str) -> None:
    if what == "forgotten":
        hidden["forget"](ctx.db.query(Note))
    else:
        await waiting[what]()

async def through_another():
    await Never()

waiting = {"never": Never, "another": through_another, "sleep": lambda: asyncio.sleep(0)}
"""


def load(folder: Path, source: str) -> App:
    (folder / "python_app").mkdir()
    (folder / "python_app" / "app.py").write_text(source)
    return load_app(folder / "python_app")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return load(tmp_path_factory.mktemp("traps"), SOURCE)


@pytest.fixture
def bench(app: App) -> Bench:
    app.install()
    return open_bench(app)


@pytest.fixture
def limited() -> Iterator[None]:
    limits.configure(0.1, limits.MEMORY_BYTES_DEFAULT)
    limits.arm()
    yield
    limits.disarm()
    limits.configure(limits.CPU_S_DEFAULT, limits.MEMORY_BYTES_DEFAULT)


# The same again.


def test_chance_and_time_are_those_of_the_run_and_repeat_with_it(bench: Bench) -> None:
    """One source that was forgotten, and a replay differs from what the log says."""
    bench.executor.twice = True  # Runs it with the same clock and seed, and compares.
    first, second = value_of(bench.mutate("app:draw")), value_of(bench.mutate("app:draw"))

    assert all(one != other for one, other in zip(first, second, strict=True))


def test_sets_of_text_have_one_order_in_every_process_of_a_deployment() -> None:
    """Python draws a seed for hashes at each start, and with it the order of every set of text."""
    program = """
from relive.engine.determinism import hash_seed
hash_seed.ensure(42)
print([*{str(number) for number in range(20)}])
"""
    command = [sys.executable, "-c", program]
    orders = {
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout for seed in "12"
    }
    assert len(orders) == 1


@pytest.mark.parametrize("path", ["app:address", "app:counter"])
def test_what_differs_from_run_to_run_without_asking_anybody_is_found_by_running_twice(bench: Bench, path: str) -> None:
    """Addresses, and iterators that go on where the last call stopped, ask nothing that could be guarded."""
    assert isinstance(bench.query(path), QuerySuccess)
    bench.executor.twice = True

    assert "is not deterministic" in text_of(bench.query(path))


@pytest.mark.parametrize(
    "body",
    [
        "return id(ctx)",
        "return hash(weakref.ref(ctx))",
        "return list({'a', 'b'})",
        "return os.environ['HOME']",
        "global cache; cache = ctx",
        "cache.append(ctx)",
        "gc.collect()",
    ],
)
def test_what_the_text_of_a_function_shows_already_is_said_when_it_is_loaded(tmp_path: Path, body: str) -> None:
    """Found at the first call, it is found by a user; found by a replay, it is too late."""
    head = "import gc, os, weakref\nfrom typing import Any\nfrom relive import QueryCtx, query\ncache = []\n"
    source = f"{head}@query\nasync def wrong(ctx: QueryCtx) -> Any:\n    {body}\n"
    try:
        said = "\n".join(load(tmp_path, source).warnings)
    except AppInvalid as error:
        said = str(error)

    assert "app.py:7:" in said


@pytest.mark.parametrize("what", ["environment", "process", "folder", "file", "thread", "locale", "hardware", "sleep"])
def test_the_machine_is_not_asked_from_inside_a_function(bench: Bench, what: str) -> None:
    """What the machine answers is in no log."""
    text = text_of(bench.query("app:ask", what=what))

    assert text.startswith("Uncaught DeterminismViolation")
    assert 'File "app.py"' in text


def test_arguments_come_in_one_order_whoever_sent_them(bench: Bench) -> None:
    """Dictionaries keep the order of the message, and the log that of its encoding."""
    sent = [{"b": 1, "a": 2, "c": 3}, {"c": 3, "b": 1, "a": 2}]

    assert [value_of(bench.query("app:names_of", tags=tags)) for tags in sent] == [["a", "b", "c"]] * 2


def test_what_a_function_puts_into_a_module_does_not_wait_there_for_the_next_call(bench: Bench) -> None:
    """Modules outlive calls: such a cache is not saved, not rolled back, and not seen by a replay."""
    assert "changing a module-level dict" in text_of(bench.mutate("app:remember"))
    assert value_of(bench.query("app:remembered")) == ["first"]


def test_what_belongs_to_the_thread_is_as_at_first_in_every_call(bench: Bench) -> None:
    """The precision of decimals, set by one call, would round the numbers of the next."""
    assert [value_of(bench.query("app:precision")) for _ in range(2)] == [28, 28]


def test_loading_an_app_leaves_nothing_in_its_folder(tmp_path: Path) -> None:
    """Compiled files from before decide what runs, while the log says which source did."""
    load(tmp_path, SOURCE)

    assert [path.name for path in (tmp_path / "python_app").rglob("*")] == ["app.py"]


# Limits of time.


@pytest.mark.usefixtures("limited")
def test_a_function_that_never_ends_is_interrupted_and_has_done_nothing(bench: Bench) -> None:
    """Everybody waits while it runs; how long it took is no input of a commit, so it must not make one."""
    head = bench.database.runtime.tail.head

    assert "more than 0.1 s of CPU" in text_of(bench.mutate("app:forever"))
    assert bench.database.runtime.tail.head == head
    assert value_of(bench.mutate("app:take", amount=1)) is None


# Numbers and truth.


class Cell(Document):
    holds: Any = field()
    exact: Int64 = Int64(0)
    by_holds = index(holds)


@pytest.mark.parametrize(
    ("field_name", "given"),
    [("amount", True), ("amount", 1.5), ("flag", 1), ("exact", 5), ("exact", True), ("amount", {"$integer": "AQ=="})],
)
def test_a_bool_is_no_number_and_a_number_is_no_int64(bench: Bench, field_name: str, given: Any) -> None:
    """For Python True is 1 and 1 is 1.0; stored, they are three different values."""
    args = {"amount": 1, field_name: given}

    assert "ArgumentValidationError" in text_of(bench.mutate("app:take", **args))


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**30, Int64(2**62) * 4])
def test_a_number_that_no_client_could_hold_is_refused(number: int) -> None:
    """Python's integers have no end; cut to 64 bits, or rounded to a float, they come back as others."""
    cells = database(Cell)

    async def store(ctx: MutationCtx) -> None:
        await ctx.db.insert(Cell(holds=number))

    with pytest.raises(DocumentInvalid, match=r"\$\.holds"):
        cells.run(store)
    with pytest.raises(InvalidValue):
        normalize([number])


def test_one_and_one_point_zero_are_equal_and_true_is_not() -> None:
    """As keys of a dictionary all three are one: a change from 1 to True is lost as if it were none."""
    cells = database(Cell)

    async def change(ctx: MutationCtx) -> list[Any]:
        id = await ctx.db.insert(Cell(holds=1))
        same = await ctx.db.patch(id, holds=1.0)
        assert same.holds == 1
        await ctx.db.patch(id, holds=True)
        found = [len(await ctx.db.query(Cell).index(Cell.by_holds, value).collect()) for value in (1, 1.0, True)]
        return [(await ctx.db.query(Cell).take(1))[0].holds is True, *found]

    assert cells.write(change) == [True, 0, 0, 1]
    assert (equal(1, 1.0), equal(1, True), equal(Int64(1), 1), equal(NAN, NAN)) == (True, False, False, True)


def test_queries_with_one_and_with_true_are_two_and_with_one_point_zero_one() -> None:
    """A cache whose key is a tuple of arguments gives the one the result of the other."""
    keys = [key_of(Call("app:same", [{"value": value}])) for value in (1, 1.0, True, "1", [1], [True])]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 5


def test_a_patch_from_nan_to_nan_changes_nothing() -> None:
    """Unequal to itself, it would be written again each time, and wake whoever looks at it."""
    cells = database(Cell)

    async def store(ctx: MutationCtx) -> Any:
        return await ctx.db.insert(Cell(holds=[NAN]))

    id = cells.write(store)

    async def again(ctx: MutationCtx) -> None:
        await ctx.db.patch(id, holds=[float("nan")])

    assert cells.run(again).transaction.changes() == ()


# What leaves.

EVERY_FAILURE = ["text", "key", "function", "query", "file", "library", "inside a library", "log"]


@pytest.mark.parametrize("how", EVERY_FAILURE)
def test_an_error_says_nothing_of_the_machine_and_the_same_each_time(bench: Bench, how: str) -> None:
    """With an address in it the same failure is a new result each time, and is sent to everybody again."""
    kept = [object() for _ in range(50)]
    answers = []
    for _ in range(2):
        answer = failure_of(bench.query("app:fail", how=how))
        assert isinstance(answer, QueryFailure)
        answers.append(answer)
        kept += [object(), [], {}]
    said = f"{answers[0].message} {answers[0].log_lines}"

    assert answers[0].digest == answers[1].digest
    assert not re.search(r"0x[0-9a-f]{6}|/tmp|/usr|/root|/home|site-packages|python3", said), said
    assert 'File "app.py", line' in said
    assert len(said) < 500, "and nothing of the database"


# Waiting.


@pytest.mark.parametrize("what", ["never", "another", "sleep", "forgotten"])
def test_awaiting_anything_but_ctx_is_refused_and_not_waited_for(bench: Bench, what: str) -> None:
    """Nobody will ever wake it, and while it hangs its transaction, or the server, hangs with it."""
    text = text_of(bench.query("app:wait", what=what))

    assert text.startswith("Uncaught DeterminismViolation")
    assert "forgetting to await" in text if what == "forgotten" else "awaiting anything but ctx" in text
    assert value_of(bench.query("app:precision")) == 28
