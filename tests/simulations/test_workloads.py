"""Workloads, the app and its model: whatever one knows of, the others know, too."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from attrs import evolve
from relive.simulations.apps import version_of, versions
from relive.simulations.model.state import INTERNAL_BY_PATH, MUTATION_BY_PATH, QUERY_BY_PATH, State
from relive.simulations.paging import PAGES
from relive.simulations.plan import DEPLOY, MIGRATE, MORE, MUTATE, SPLIT, SUBSCRIBE, Operation
from relive.simulations.run import run
from relive.simulations.swarm import generate
from relive.simulations.workloads.catalog import WORKLOADS
from relive.simulations.workloads.drawing import Asked, Drawing

DRAWS = 400


def drawn(kind: str) -> Iterator[Asked]:
    for name, workload in WORKLOADS.items():
        drawing = Drawing(Random(f"tests {name}"))
        for _ in range(DRAWS):
            yield getattr(workload, kind)(drawing)


def test_the_model_has_every_function_of_every_version_of_the_app() -> None:
    for app in versions():
        kinds = {path: endpoint.kind for path, endpoint in app.endpoints.items()}

        assert {path for path, kind in kinds.items() if kind == "mutation"} == MUTATION_BY_PATH.keys()
        assert {path for path, kind in kinds.items() if kind == "query"} == QUERY_BY_PATH.keys()


def test_every_function_is_asked_for() -> None:
    assert {path for path, _ in drawn("mutation")} == MUTATION_BY_PATH.keys() - INTERNAL_BY_PATH.keys()
    assert {path for path, _ in drawn("query")} == QUERY_BY_PATH.keys()
    assert set(PAGES) < QUERY_BY_PATH.keys()


def test_the_model_can_do_whatever_is_drawn() -> None:
    state = State()
    for path, args in drawn("query"):
        state.query(path, args)


def test_versions_of_the_app_are_told_apart() -> None:
    assert [version_of(app.code) for app in versions()] == [1, 2, 3]
    assert version_of(b"of another app") == 1


def test_plans_deploy_the_older_version_first_and_migrate_now_and_then() -> None:
    plans = [generate(seed) for seed in range(200)]
    deploys = [
        [operation.args["version"] for client in plan.clients for operation in client if operation.verb == DEPLOY]
        for plan in plans
    ]
    verbs = {operation.verb for plan in plans for client in plan.clients for operation in client}

    assert all(each == sorted(each) for each in deploys)
    assert {tuple(each) for each in deploys} == {(), (2,), (3,), (2, 3)}
    assert {MUTATE, SUBSCRIBE, MORE, SPLIT, DEPLOY, MIGRATE} <= verbs


def test_a_migration_that_is_asked_for_too_soon_waits_for_its_version() -> None:
    put = [Operation(1, MUTATE, "items:put", {"name": name, "size": 1}) for name in ("i1", "i2", "i3")]
    later = [Operation(0, MIGRATE, "", {}), Operation(30, DEPLOY, "", {"version": 3})]
    plan = evolve(generate(1), clients=((*put, *later),), faults=())

    done = run(plan)
    assert done.trace.probes["a migration was done"] == 1
    assert [version_of(entry.code) for entry in done.entries if entry.kind.value == "deploy"] == [1, 3]
