"""The disk's faults, the rare choices and the seam of a simulation do what they say, and no more."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from random import Random

import pytest
import trio
from attrs import evolve
from relive.log.checkpoint import checkpoint_name
from relive.log.entry import LSN, Entry
from relive.log.memory import MemoryStorage, keep_nothing
from relive.log.recovery import recover
from relive.log.segment import segment_name
from relive.simulations.attempts import Worker
from relive.simulations.damage import lost_checkpoints, misread, rot
from relive.simulations.driver import Clock
from relive.simulations.plan import CRASH, KILL, SYNC_LIES, Fault
from relive.simulations.probes import COMMON, RARE
from relive.simulations.run import run, simulated_app
from relive.simulations.sites import CHOICES, TABLES_FAIL, Chance
from relive.simulations.subject import attempt, shipped
from relive.simulations.swarm import generate
from relive.simulations.trace import Started
from relive.simulations.world import World


def written(*, lies: int) -> MemoryStorage:
    storage = MemoryStorage(lying_syncs=lies)
    storage.create("file")
    storage.sync_folder()
    storage.write("file", 0, b"data")
    storage.sync("file")
    return storage


def test_what_a_disk_lied_about_is_gone_after_a_crash_and_readable_before() -> None:
    storage = written(lies=1)
    before = storage.content("file")
    storage.crash(keep_nothing)

    assert before == b"data"
    assert storage.content("file") == b""
    assert not storage.has_lied


def test_an_honest_sync_makes_good_what_a_disk_lied_about() -> None:
    storage = written(lies=1)
    assert storage.has_lied
    storage.sync("file")
    storage.crash(keep_nothing)

    assert storage.content("file") == b"data"


def test_a_sync_that_fails_after_a_lie_loses_for_good_what_counted_as_synced() -> None:
    storage = written(lies=1)
    storage.failing_syncs = 1
    with pytest.raises(OSError, match="input/output error"):
        storage.sync("file")
    storage.sync("file")
    told = storage.has_lied
    storage.crash(keep_nothing)

    assert told
    assert storage.content("file") == b""


def test_a_start_leaves_out_checkpoints_that_a_disk_lied_about_and_those_of_segments_that_it_lied_about() -> None:
    gone = 0
    for seed in range(16):
        plan = generate(seed, ())
        faults = (Fault(70, SYNC_LIES, 0, 3), Fault(125, CRASH, 0, 0))
        knobs = evolve(plan.knobs, checkpoint_ms=40, segment_bytes=2048)
        verdict = attempt(evolve(plan, knobs=knobs, faults=faults))
        gone += verdict.run.trace.probes.get("a disk lied, and a checkpoint is gone", 0)
        assert not verdict.violations, (seed, verdict.violations)

    assert gone > 0


def test_a_kill_while_no_process_runs_leaves_the_disk_and_what_it_has_not_written_yet() -> None:
    world = World(generate(0, ()), simulated_app(), Clock())
    world.storage = written(lies=1)
    world.stop_process(Fault(0, KILL, 0, 0))

    assert world.storage.content("file") == b"data"
    assert world.storage.has_lied, "the machine goes on, and so does the lie"


def test_what_a_start_has_confirmed_may_be_lost_once_the_disk_has_lied_about_it() -> None:
    """Entry 2 was written again and confirmed by the start after a failed sync, by no writer: seed 27187."""
    whole = attempt(evolve(generate(0, ()), faults=())).run.storage
    assert whole is not None
    entries: list[Entry] = []
    recover(whole.copy(), entries.append)
    for confirmed, is_over in ((len(entries), False), (len(entries) + 1, True)):
        world = World(generate(0, ()), simulated_app(), Clock())
        world.storage = whole
        world.trace.add(Started(2, confirmed, torn=False))

        async def count_losses(world: World = world) -> bool:
            async with trio.open_nursery() as world.nursery:
                world.count_losses([*entries, *entries[-1:]])
            return world.nursery.cancel_scope.cancel_called

        assert (trio.run(count_losses), world.has_given_up) == (is_over, is_over)


def test_a_lie_about_a_checkpoint_counts_also_if_a_crash_brings_it_back() -> None:
    """Its removal had not come to the disk: seed 41917."""
    storage, name = MemoryStorage(), checkpoint_name(LSN(1))
    storage.create(name)
    storage.sync_folder()
    storage.lying_syncs = 1
    storage.write(name, 0, b"data")
    storage.sync(name)
    storage.remove(name)
    assert storage.has_lied
    confirmed = storage.contents()
    storage.crash(keep_nothing)

    assert (storage.content(name), lost_checkpoints(storage, confirmed)) == (b"", {name})


def test_a_crash_excuses_no_checkpoint_that_it_has_left_whole() -> None:
    storage = MemoryStorage()
    names = [checkpoint_name(LSN(lsn)) for lsn in (4, 8)] + [segment_name(LSN(lsn)) for lsn in (1, 5, 9)]
    for name in names:
        storage.replace(name, b"whole")
    confirmed = storage.contents()

    assert lost_checkpoints(storage, confirmed) == set()
    assert lost_checkpoints(storage, confirmed | {names[0]: b"more"}) == {names[0]}
    assert lost_checkpoints(storage, confirmed | {names[3]: b"more"}) == {names[1]}
    assert lost_checkpoints(storage, confirmed | {names[4]: b"more"}) == set()


def test_a_read_that_goes_astray_gives_other_bytes_once() -> None:
    storage = MemoryStorage(page_bytes=4, misread_at=2)
    storage.create("file")
    storage.write("file", 0, b"aaaabbbb")

    assert [storage.read("file", 0, 4) for _ in range(3)] == [b"aaaa", b"bbbb", b"aaaa"]
    assert storage.misread == "file"


def test_a_start_takes_no_damaged_log_for_a_whole_one() -> None:
    verdict = next(
        v for v in map(attempt, map(generate, range(20))) if not v.run.plan.knobs.checkpoint_ms and v.run.storage
    )
    storage, random = verdict.run.storage, Random(1)
    assert storage is not None
    tried = [rot(storage, random, in_checkpoint=False) for _ in range(40)]
    tried += [misread(storage, random) for _ in range(20)]

    assert [problem for _, problem in tried if problem] == []
    assert Counter(outcome for outcome, _ in tried)["a start refused a damaged log"] > 30


def test_a_site_chooses_the_same_in_each_run_and_something_rare_in_some() -> None:
    def choices(seed: int) -> list[bool]:
        chance = Chance(seed, True, lambda name: None)
        return [chance.buggify(site) for site in CHOICES * 5]

    assert choices(1) == choices(1)
    assert len({tuple(choices(seed)) for seed in range(10)}) > 5
    assert not any(Chance(1, False, lambda name: None).buggify(site) for site in CHOICES * 5)


def test_what_is_forced_happens_so_often_and_no_more() -> None:
    chance = Chance(1, True, lambda name: None)
    chance.forced[TABLES_FAIL] = 2

    assert [chance.buggify(TABLES_FAIL) for _ in range(4)] == [True, True, False, False]


def test_every_probe_that_is_reached_is_in_the_list_of_probes() -> None:
    worker = Worker(shipped())
    reached = {name for seed in range(30) for name in worker.attempt(generate(seed)).run.trace.probes}

    assert reached - {*COMMON, *RARE} == set()
    assert len(COMMON) >= 40


def test_the_listener_that_ships_serves_websockets_and_http_and_all_of_it_is_as_the_seed_says() -> None:
    plan = generate(3)
    plan = evolve(plan, knobs=evolve(plan.knobs, full_stack=True, calls=True))
    first, second = attempt(plan), run(plan)

    assert first.violations == ()
    assert first.run.text() == second.text()
    assert first.run.trace.probes["a websocket is asked for"] > 0


@pytest.mark.parametrize("hash_seed", ["0", "7"])
def test_the_trace_of_the_whole_stack_depends_on_no_hash_seed(hash_seed: str) -> None:
    code = (
        "from attrs import evolve\n"
        "from relive.simulations.run import run\n"
        "from relive.simulations.swarm import generate\n"
        "plan = generate(3)\n"
        "print(run(evolve(plan, knobs=evolve(plan.knobs, full_stack=True, calls=True))).digest())\n"
    )
    plan = generate(3)
    here = run(evolve(plan, knobs=evolve(plan.knobs, full_stack=True, calls=True))).digest()
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": hash_seed}
    )

    assert there.stdout.strip() == here
