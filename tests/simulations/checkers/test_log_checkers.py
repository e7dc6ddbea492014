"""Checkers of the log: each is silent on a run as it was, and names what was planted into it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from attrs import evolve
from relive.actors.recovery import Recovery
from relive.engine.data.system_tables import CODECS
from relive.log.checkpoint import CheckpointFile
from relive.log.entry import LSN, NO_TIME
from relive.log.errors import Malformed
from relive.protocol import cbor
from relive.simulations.apps import versions
from relive.simulations.checkers import agreement, audit, liveness, migrations, recovery, serializability, shape
from relive.simulations.checkers.verdict import CHECKERS
from relive.simulations.keys import INDEXES, SYSTEM_INDEXES
from relive.simulations.run import Run
from relive.simulations.trace import Phase, Stuck, Unlike

from .tampered import (
    changed,
    deploy,
    entry_of,
    found,
    migrate,
    mutate,
    nothing,
    problems,
    ran,
    with_entry,
    with_events,
    without_entry,
)


@cache
def bank() -> Run:
    """Two transfers from one account, one after the other."""
    opened = [mutate("bank:open", name=name, amount=100) for name in "abc"]
    transfers = [mutate("bank:transfer", source="a", target=name, amount=30) for name in "bc"]
    return ran([*opened, *transfers])


@cache
def behind() -> Run:
    """Four who count at once, on an executor that is behind."""
    adds = [mutate("counters:add", name="x", by=1) for _ in range(6)]
    return ran(*([mutate("counters:tick", name="u"), *adds] for _ in range(4)), follower_lag=3)


@cache
def migrated() -> Run:
    items = [mutate("items:put", name=f"i{number}", size=number) for number in range(1, 6)]
    return ran([*items, deploy(3), mutate("items:grow", 30, name="i1", by=1), migrate()])


@pytest.mark.parametrize("make", [bank, behind, migrated])
def test_a_run_that_is_right_has_no_violations(make: Callable[[], Run]) -> None:
    assert all(nothing(check, make()) for check in CHECKERS)


def test_an_entry_that_is_missing_is_found() -> None:
    assert found(shape.check, without_entry(bank(), "bank:transfer")) == {"LSNs are dense"}


def test_an_entry_of_the_past_is_found() -> None:
    assert found(shape.check, with_entry(bank(), "bank:transfer", ts=NO_TIME)) == {"time goes forward"}


def test_a_request_that_is_in_the_log_twice_is_found() -> None:
    twice = with_entry(bank(), "bank:transfer", request=entry_of(bank(), "bank:open").request)

    assert found(shape.check, twice) == {"each request is in the log once"}


def test_a_result_that_the_function_does_not_give_is_found() -> None:
    wrong = with_entry(bank(), "bank:transfer", 1, result=b"[40.0,160.0]")

    assert found(serializability.check, wrong) == {"the log can be executed again"}
    assert "its result is b'[40.0,160.0]', and must be" in problems(serializability.check, wrong)[0]


def test_a_document_that_the_function_does_not_write_is_found() -> None:
    entry = entry_of(bank(), "bank:transfer")
    first = entry.writes[0]
    assert first.document is not None
    fields = cbor.decode(first.document)
    assert isinstance(fields, dict)
    writes = (evolve(first, document=cbor.encode({**fields, "amount": 71})), *entry.writes[1:])

    assert found(serializability.check, with_entry(bank(), "bank:transfer", writes=writes)) == {
        "the log can be executed again"
    }


def test_a_write_that_is_left_out_is_found() -> None:
    writes = entry_of(bank(), "bank:transfer").writes[:1]

    assert found(serializability.check, with_entry(bank(), "bank:transfer", writes=writes)) == {
        "the log can be executed again"
    }


def test_an_executor_that_is_behind_commits_from_old_snapshots() -> None:
    run = behind()

    assert any(entry.snapshot < entry.lsn - 1 for entry in run.entries)
    assert run.trace.probes["a mutation ran again after a conflict"]


def stale(**fields: object) -> Run:
    """The second transfer is said to have read before the first."""
    return with_entry(bank(), "bank:transfer", 1, snapshot=LSN(entry_of(bank(), "bank:transfer").lsn - 1), **fields)


def test_a_hole_in_a_read_set_is_found_and_told() -> None:
    hole = stale(reads=())
    first, second = (entry_of(bank(), "bank:transfer", which).lsn for which in (0, 1))

    assert found(agreement.check, hole) == {"a mutation reads the same at its snapshot and at its commit"}
    (problem,) = problems(agreement.check, hole)
    assert (
        f"entry {second}, bank:transfer, read as of entry {first - 1}; entry {first}, bank:transfer, wrote" in problem
    )
    assert "its result is b'[70.0,130.0]', and b'[40.0,130.0]'; it is said to have read nothing" in problem


def test_a_conflict_that_was_let_through_is_found_and_told() -> None:
    (problem,) = problems(audit.check, stale())
    first, second = (entry_of(bank(), "bank:transfer", which).lsn for which in (0, 1))

    assert found(audit.check, stale()) == {"nothing that was read has changed"}
    assert f"entry {second}, bank:transfer, read as of entry {first - 1} accounts.by_" in problem
    assert f"entry {first}, bank:transfer, moved accounts.by_" in problem


def test_a_document_that_comes_into_a_range_that_was_read_is_found() -> None:
    sent = [mutate("chat:send", channel="red", position=place, body=f"m{place}") for place in (1, 2)]
    run = ran(sent)
    first = entry_of(run, "chat:send")
    blind = with_entry(run, "chat:send", 1, snapshot=LSN(first.lsn - 1))

    assert found(audit.check, blind) == {"nothing that was read has changed"}
    assert found(agreement.check, blind) == {"a mutation reads the same at its snapshot and at its commit"}


def test_a_write_over_what_is_newer_than_the_snapshot_is_found() -> None:
    assert found(audit.check, stale(reads=())) == {"only merges write over what is newer than the snapshot"}


def test_the_keys_of_the_audit_are_those_of_the_app() -> None:
    newest = versions()[-1]
    declared = {
        name: {index.name: tuple(".".join(path) for path in index.fields) for index in table.cls.__indexes__.values()}
        for name, table in newest.tables.items()
    }

    jobs = CODECS["_scheduled_functions"].indexes.values()
    system = {index.name: tuple(".".join(field.stored) for field in index.fields) for index in jobs}

    assert declared == INDEXES
    assert {"_scheduled_functions": system} == SYSTEM_INDEXES


def test_a_document_that_a_migration_left_out_is_found() -> None:
    entry = entry_of(migrated(), "items:repaint", 1)
    kept = tuple(write for write in entry.writes if write.table != "items")
    left_out = with_entry(migrated(), "items:repaint", 1, writes=kept)

    assert found(migrations.check, left_out) == {"each document is migrated once"}
    assert "0 times" in problems(migrations.check, left_out)[0]


def test_a_document_that_was_migrated_twice_is_found() -> None:
    first, second = entry_of(migrated(), "items:repaint", 1), entry_of(migrated(), "items:repaint", 2)
    again = (*second.writes, *(write for write in first.writes if write.table == "items"))

    assert found(migrations.check, with_entry(migrated(), "items:repaint", 2, writes=again)) == {
        "each document is migrated once"
    }


def test_a_run_that_does_not_end_is_found() -> None:
    unsettled = with_events(bank(), Phase, lambda event: Phase("healed") if event.name == "settled" else event)

    assert found(liveness.check, unsettled) == {"a run comes to its end"}


def test_whoever_is_stuck_is_found() -> None:
    stuck = changed(bank(), events=[*bank().trace.events, (0, Stuck("client 0 waits"))])

    assert found(liveness.check, stuck) == {"all get done"}


@cache
def long() -> Run:
    """Its log has several files, of which all but the last make a checkpoint."""
    counts = [mutate("counters:add", name=name, by=1) for name in "xyxyxyxy"]
    return ran(counts, [deploy(2)], segment_bytes=1_024)


def test_a_checkpoint_and_the_tail_are_compared_with_the_log() -> None:
    assert nothing(recovery.check, long())
    assert long().trace.probes["a checkpoint and the tail were compared with the log"]


def test_a_checkpoint_that_forgets_a_request_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recovery, "apply", lambda self, entry: self.newest.apply(entry))

    assert found(recovery.check, long()) == {"checkpoint and tail are the log"}
    assert "it remembers {}, and must remember" in "".join(problems(recovery.check, long()))


def test_a_checkpoint_that_has_another_document_is_found() -> None:
    entry = entry_of(long(), "counters:add", -1)
    other = with_entry(long(), "counters:add", -1, writes=(evolve(entry.writes[0], document=None),))

    assert found(recovery.check, other) == {"checkpoint and tail are the log"}


def test_a_checkpoint_that_cannot_be_used_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CheckpointFile, "check_fits", refuse)

    assert found(recovery.check, long()) == {"a checkpoint can be used"}


def refuse(file: CheckpointFile) -> None:
    raise Malformed("on purpose")


def test_a_process_that_recovered_something_else_is_found() -> None:
    unlike = changed(long(), events=[*long().trace.events, (0, Unlike(1, "table x"))])

    assert found(recovery.check, unlike) == {"recovery builds what the log says"}
