"""Apps of somebody's own under simulation: what is found in sloppy ones, and that nothing is in sound ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from relive.engine.application.app import App
from relive.log.entry import LSN, Timestamp
from relive.simulations.authored.campaign import loaded
from relive.simulations.authored.checks import Checks
from relive.simulations.authored.declarations import NOTHING
from relive.simulations.authored.planning import Clients, Planner
from relive.simulations.authored.replayed import Replayed
from relive.simulations.run import Run
from relive.simulations.run import run as simulated
from relive.simulations.trace import Trace, Wrote

from relive.cli.simulate import simulate

BOOKING = Path(__file__).resolve().parents[3] / "examples" / "booking"
HEAD = "from __future__ import annotations\nfrom relive import *\n"
SCHEMA = HEAD + "class Note(Document):\n    text: str = field()\n    by_text = index(text)\n"


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, whatever it hashes with: a command would start itself over."""
    monkeypatch.setenv("RELIVE_KEEP_HASH_SEED", "1")


def made(folder: Path, functions: str, simulation: str = "") -> Path:
    app = folder / "app"
    app.mkdir()
    (app / "schema.py").write_text(SCHEMA)
    (app / "notes.py").write_text(HEAD + "import random\nfrom .schema import Note\n" + functions)
    if simulation:
        (folder / "simulation.py").write_text(
            "from hypothesis import strategies as st\nfrom relive.simulate import *\n" + simulation
        )
    return app


def run(app: Path, *options: str) -> Result:
    arguments = [str(app), "--keep", str(app.parent / "kept"), "--shrink", "5", *options]
    return CliRunner().invoke(simulate, arguments, standalone_mode=False, obj=None)


ADD = """
@mutation
async def add(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert(Note(text=text))
"""
COUNT = """
@query
async def count(ctx: QueryCtx) -> int:
    return await ctx.db.query(Note).count()
"""


def test_a_sound_app_passes(tmp_path: Path) -> None:
    done = run(made(tmp_path, ADD + COUNT), "--seeds", "15")

    assert (done.return_value, "15 seeds" in done.output) == (0, True), done.output


def test_a_seat_that_is_checked_in_one_mutation_and_booked_in_another_is_booked_twice(tmp_path: Path) -> None:
    found = run_booking(tmp_path, BOOKING / "seats")
    assert found.return_value == 1
    said = json.loads(found.output.splitlines()[-1])["finding"]
    assert said["kind"] == "invariant: no_seat_is_booked_twice"
    assert re.search(r"after entry \d+, seats:book: seat \d is booked 2 times", said["problem"])
    operations = [each["path"] for client in said["plan"]["clients"] for each in client]
    assert sorted(operations) == ["seats:book", "seats:book", "seats:hold", "seats:hold", "seats:open_show"]
    assert said["plan"]["faults"] == []


def test_a_seat_that_is_checked_where_it_is_booked_is_not(tmp_path: Path) -> None:
    mended = tmp_path / "seats"
    mended.mkdir()
    for name in ("schema.py", "seats.py"):
        (mended / name).write_text((BOOKING / "seats" / name).read_text())
    text = (mended / "seats.py").read_text()
    mistake = "    await ctx.db.delete(hold)\n"
    assert text.count(mistake) == 1
    remedy = "    await require_free(ctx, held.show, held.seat)\n"
    (mended / "seats.py").write_text(text.replace(mistake, remedy + mistake))

    done = run_booking(tmp_path, mended, "--seeds", "40")
    assert done.return_value == 0, done.output


def run_booking(folder: Path, app: Path, *options: str) -> Result:
    common = ["--file", str(BOOKING / "simulation.py"), "--keep", str(folder / "kept"), "--shrink", "300", "--json"]
    return CliRunner().invoke(simulate, [str(app), *common, *options], standalone_mode=False)


def test_the_guide_shows_what_is_found(tmp_path: Path) -> None:
    guide = (BOOKING.parents[1] / "docs" / "guide.md").read_text(encoding="utf-8")
    shown = guide.partition("FAIL  invariant")[2].partition("```")[0]
    source = (BOOKING / "simulation.py").read_text()

    assert "no_seat_is_booked_twice" in shown
    assert re.findall(r"seats:(\w+)\(", shown) == ["open_show", "hold", "hold", "book", "book"]
    for block in re.findall(r"```py\n(@workload.*?)```", guide, re.DOTALL):
        for part in block.strip().split("\n\n"):
            assert part in source


def test_what_only_bugs_raise_is_found(tmp_path: Path) -> None:
    functions = (
        ADD
        + COUNT
        + """
@mutation
async def first(ctx: MutationCtx) -> str:
    return (await ctx.db.query(Note).collect())[0].text
"""
    )
    done = run(made(tmp_path, functions), "--seeds", "20", "--faults", "none")

    assert done.return_value == 1
    assert "function: notes:first raises no IndexError" in done.output


def test_an_error_that_is_meant_for_clients_is_no_bug(tmp_path: Path) -> None:
    functions = (
        ADD
        + """
@mutation
async def refuse(ctx: MutationCtx) -> None:
    raise ApplicationError("no")
"""
    )
    assert run(made(tmp_path, functions), "--seeds", "10").return_value == 0


def test_a_function_that_does_not_come_out_the_same_is_named_with_what_differed(tmp_path: Path) -> None:
    functions = (
        COUNT
        + """
class Counter:
    def __init__(self) -> None:
        self.calls = 0

counter = Counter()

@mutation
async def add(ctx: MutationCtx) -> None:
    object.__setattr__(counter, "calls", counter.calls + 1)
    await ctx.db.insert(Note(text=str(counter.calls)))
"""
    )
    done = run(made(tmp_path, functions), "--seeds", "10", "--faults", "none")

    assert done.return_value == 1
    assert "function: notes:add comes out the same again" in done.output
    assert "write notes/" in done.output


def test_a_function_that_reads_a_whole_table_is_remarked_upon(tmp_path: Path) -> None:
    functions = (
        ADD
        + """
@query
async def all(ctx: QueryCtx) -> list[str]:
    return [note.text for note in await ctx.db.query(Note).collect()]
"""
    )
    done = run(made(tmp_path, functions), "--seeds", "10", "--faults", "none", "--clients", "3")

    assert done.return_value == 0
    assert "remark: notes:all reads all of the table notes" in done.output


def test_an_invariant_that_is_broken_itself_is_told_with_its_line(tmp_path: Path) -> None:
    simulation = "@invariant\ndef broken(state: State) -> None:\n    state.tables\n"
    done = run(made(tmp_path, ADD, simulation), "--seeds", "5")

    assert done.return_value == 3
    (line,) = [each for each in done.output.splitlines() if each.strip()]
    assert line.startswith("error: the invariant broken is broken itself, ")
    assert "simulation.py, line 5: AttributeError" in line


@pytest.mark.parametrize(
    ("simulation", "says"),
    [
        (
            "@invariant\ndef none(state: State) -> None:\n    assert not state.table('notse')\n",
            "simulation.py, line 5: LookupError: there is no table 'notse'; there are notes",
        ),
        (
            "@invariant(subscription='notes:conut')\ndef shown(count: object) -> bool:\n    return True\n",
            "invariant shown: there is no query 'notes:conut' that clients could subscribe to; there are notes:count",
        ),
    ],
)
def test_a_name_that_is_none_does_not_make_an_invariant_true(tmp_path: Path, simulation: str, says: str) -> None:
    done = run(made(tmp_path, ADD + COUNT, simulation), "--seeds", "5")

    assert done.return_value == 3
    assert says in done.output


def test_a_request_that_is_answered_again_is_acknowledged_once(tmp_path: Path) -> None:
    from relive.simulations.authored.campaign import of_app
    from relive.simulations.plan import CUT
    from relive.simulations.trace import Answered

    simulation = """
@invariant
def who_was_told_has_a_note(state: State) -> None:
    assert len(state.acked("notes:add")) <= len(state.table("notes"))
"""
    subject = of_app(made(tmp_path, ADD, simulation))()
    repeated = 0
    for seed in range(30):
        verdict = subject.attempt(subject.draw(seed, (CUT,)))
        events = [event for _, event in verdict.run.trace.events if isinstance(event, Answered) and event.ts]
        repeated += len(events) - len({(event.client, event.request) for event in events})
        assert not verdict.violations, (seed, verdict.violations)
    assert repeated > 0


@pytest.mark.parametrize(
    ("simulation", "says"),
    [
        ("x = 1\n", "it has no `@invariant`"),
        ("1 / 0\n", "simulation.py, line 3: ZeroDivisionError"),
        ("@workload()\ndef w(ctx, a): pass\n", "`a` has no strategy"),
        ("@workload()\ndef w(ctx, a=st.integers()): raise ValueError(a)\n", "workload w: with {'a': "),
        ("@workload()\ndef w(ctx, a=st.nothing()): pass\n", "could not be drawn from"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, simulation: str, says: str) -> None:
    done = run(made(tmp_path, ADD, simulation), "--seeds", "3")

    assert done.return_value == 3
    assert says in done.output


def test_what_was_never_true_is_no_pass(tmp_path: Path) -> None:
    simulation = (
        "@sometimes('a thousand notes')\ndef many(state: State) -> bool:\n    return len(state.table('notes')) > 999\n"
    )
    done = run(made(tmp_path, ADD, simulation), "--seeds", "30", "--faults", "none")

    assert done.return_value == 2
    assert "never reached: sometimes a thousand notes" in done.output


def test_what_must_be_true_in_the_end_and_what_is_shown_are_checked(tmp_path: Path) -> None:
    simulation = """
@workload()
def adds(ctx: WorkloadCtx, text: str = st.sampled_from("ab")) -> None:
    ctx.mutation("notes:add", text=text)

@{decorator}
def wrong(what) -> bool:
    return {truth}
"""
    for number, (decorator, truth) in enumerate(
        [("eventually(within=5)", "not what.table('notes')"), ('invariant(subscription="notes:count")', "what < 1")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        text = simulation.replace("{decorator}", decorator).replace("{truth}", truth)
        done = run(made(folder, ADD + COUNT, text), "--seeds", "10", "--faults", "none")

        assert done.return_value == 1, done.output
        assert "FAIL  invariant: wrong" in done.output


def test_an_app_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    done = run(made(tmp_path, "import nowhere\n"))

    assert done.return_value == 3
    assert "cannot be simulated" in done.output
    assert run(tmp_path / "absent").return_value == 3


def test_the_same_seed_is_the_same_run(tmp_path: Path) -> None:
    from relive.simulations.authored.campaign import of_app

    subject = of_app(made(tmp_path, ADD + COUNT))()
    for seed in range(4):
        plan = subject.draw(seed, subject.faults)
        assert subject.draw(seed, subject.faults) == plan
        assert subject.attempt(plan).run.digest() == subject.attempt(plan).run.digest()


def test_an_entry_that_is_lost_or_there_twice_or_told_too_soon_is_found(tmp_path: Path) -> None:
    app = loaded(made(tmp_path, ADD + COUNT))
    planner = Planner(app, NOTHING, Clients())
    plans = (planner.draw(seed, ()) for seed in range(100))
    plan = next(each for each in plans if not each.knobs.follower_lag and each.operations > 8)
    sound = simulated(plan, app)
    assert judged(sound, app) == []
    asked = [place for place, entry in enumerate(sound.entries) if entry.session is not None]
    assert asked, "somebody wrote"

    lost = evolve(sound, entries=sound.entries[: asked[-1]])
    assert "server: what was acknowledged is in the log" in judged(lost, app)
    again = evolve(
        sound.entries[asked[-1]], lsn=LSN(len(sound.entries) + 1), ts=Timestamp(sound.entries[-1].ts + 1), writes=()
    )
    assert "server: a request happens once" in judged(evolve(sound, entries=(*sound.entries, again)), app)
    events = [each for each in sound.trace.events if not isinstance(each[1], Wrote)]
    assert "server: nothing is acknowledged before it is durable" in judged(
        evolve(sound, trace=Trace(sound.trace.clock, events)), app
    )


def judged(run: Run, app: App) -> list[str]:
    return sorted({each.kind for each in Checks(run, NOTHING, Replayed(run, app)).all()})
