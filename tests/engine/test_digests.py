"""What tables hold, in few bytes."""

from __future__ import annotations

from relive.engine.history.digests import Look, TableDigest, done
from relive.engine.history.replica import Replica

from .bench import SECRET, Bench, value_of
from .test_shadow import bench as bench


def digests_of(look: Look) -> dict[str, TableDigest]:
    found: dict[str, TableDigest] = {}
    done(look.slices(found))
    return found


def look_at(bench: Bench) -> Look:
    return Look.at(bench.database.runtime.tables, bench.database.executor.codecs)


def test_what_is_served_is_what_the_log_tells(bench: Bench) -> None:
    replica = Replica.at(bench.database.log.reader, SECRET, bench.database.runtime.tables.position)
    found = digests_of(look_at(bench))

    assert found == digests_of(Look.at(replica.tables, replica.codecs))
    assert found["items"].documents == 4
    assert set(found["items"].indexes) == {"by_creation_time", "by_name"}


def test_a_look_is_of_one_moment(bench: Bench) -> None:
    before, look = digests_of(look_at(bench)), look_at(bench)
    late: dict[str, TableDigest] = {}
    slices = look.slices(late)
    value_of(bench.mutate("items:count_up", name="a"))
    value_of(bench.mutate("items:add", name="z"))
    done(slices)

    assert late == before
    after = digests_of(look_at(bench))
    assert after["items"].digest != before["items"].digest
    assert after["items"].indexes != before["items"].indexes
    assert after["_tables"] == before["_tables"]


def test_every_document_has_a_digest(bench: Bench) -> None:
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    nothing: dict[str, str] = {}
    done(look_at(bench).documents("items", before))
    value_of(bench.mutate("items:count_up", name="b"))
    done(look_at(bench).documents("items", after))
    done(look_at(bench).documents("nothing", nothing))

    assert len(before) == len(after) == 4
    assert sum(before[id] != after[id] for id in before) == 1
    assert nothing == {}
