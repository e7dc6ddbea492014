"""What a start imports: a server pays only for what its app uses.

Not how long it takes, which a machine decides, but which modules there are: those that were found to be slow.
"""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from relive.cli.collector import COLLECTOR_THRESHOLDS, collector_calmed

from .conftest import Relive, Running, Serve

NOT_FOR_A_PLAIN_APP = (
    "cronsim",
    "cryptography.x509",
    "dotenv",
    "httpx",
    "hypothesis",
    "joserfc",
    "numpy",
    "rich",
    "watchfiles",
    "relive.engine.codegen",
    "relive.engine.history.reexecution",
    "relive.engine.history.replica",
    "relive.simulations",
)
PROVIDERS = """
from relive import OidcProvider

providers = [OidcProvider(domain="https://example.com", application_id="a")]
"""
CRONS = 'from relive import Crons\n\ncrons = Crons()\ncrons.cron("empty", "0 9 * * *", "notes:clear", {})\n'


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python says on stderr what it imports."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")


def imported(running: Running) -> set[str]:
    """What a server that has ended had imported, modules and the packages around them."""
    assert running.end() == 0
    names = {line.rpartition("|")[2].strip() for line in running.err if line.startswith("import time:")}
    parts = [name.split(".") for name in names]
    packages = {".".join(each[:end]) for each in parts for end in range(1, len(each) + 1)}
    assert "relive.engine.server.listener" in packages
    return packages


def test_a_server_of_a_plain_app_imports_nothing_that_is_for_others(app: Path, serve: Serve, relive: Relive) -> None:
    running = serve(app)
    assert relive("run", "notes:all", "--data", app.parent / ".relive").stdout == "[]\n"

    assert [name for name in NOT_FOR_A_PLAIN_APP if name in imported(running)] == []


def test_what_an_app_needs_is_imported_at_the_start_and_not_by_its_first_caller(app: Path, serve: Serve) -> None:
    (app / "auth_config.py").write_text(PROVIDERS)
    (app / "planned.py").write_text(CRONS)

    assert imported(serve(app)) >= {"httpx", "joserfc", "cronsim"}


def test_a_command_that_needs_no_app_imports_nothing_that_apps_are_written_against(relive_process: Relive) -> None:
    told = relive_process("--version")

    assert told.returncode == 0
    assert "relive.cli.main" in told.stderr
    assert "relive.names" not in told.stderr
    assert "relive.engine.transactions.context" not in told.stderr


def test_what_a_start_makes_is_not_looked_through_for_garbage() -> None:
    begun: list[int] = []

    def note(phase: str, told: dict[str, int]) -> None:
        if phase == "start":
            begun.append(told["generation"])

    thresholds = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(note)
    try:
        with collector_calmed():
            made = [[number] for number in range(4 * COLLECTOR_THRESHOLDS[0])]
        again = [[number] for number in range(COLLECTOR_THRESHOLDS[0] // 2)]
    finally:
        gc.callbacks.remove(note)
        gc.unfreeze()
        gc.set_threshold(*thresholds)

    assert (len(made), len(again)) == (4 * COLLECTOR_THRESHOLDS[0], COLLECTOR_THRESHOLDS[0] // 2)
    assert gc.isenabled()
    assert begun == []
