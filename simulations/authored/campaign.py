"""An app of somebody's own as the subject of a campaign."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Final

from attrs import frozen

from ...engine.application.app import App, load_app
from ...engine.determinism import driver as guard
from ...engine.errors import AppInvalid
from ..checkers.verdict import Verdict
from ..errors import AppNotSimulated, SimulationFileInvalid
from ..plan import Plan
from ..run import run
from ..subject import Subject
from .checks import PROBE, Checks
from .declarations import NOTHING, Declared, declared_in, file_of
from .drawing import functions_of
from .planning import Clients, Planner
from .remarks import note
from .replayed import Replayed

COMMAND: Final = "relive simulate"
SEEDS_FOR_PROBES: Final = 30


@frozen
class Authored:
    """What a worker process needs to make the subject itself: a `Maker` by being called."""

    folder: Path
    file: Path | None
    clients: Clients = Clients()

    def __call__(self) -> Subject:
        """Raises AppNotSimulated, SimulationFileInvalid."""
        app = loaded(self.folder)
        declared = declared_in(self.file) if self.file is not None else NOTHING
        require_queries(app, declared)
        planner = Planner(app, declared, self.clients)
        return Subject(
            f"app {app.name}",
            app.code,
            f"{COMMAND} {self.folder}" + (f" --file {self.file}" if self.file != file_of(self.folder) else ""),
            planner.draw,
            partial(attempt, app, declared),
            tuple(f"{PROBE}{each.name}" for each in declared.sometimes),
            seeds_for_probes=SEEDS_FOR_PROBES,
            needs_all_faults=False,
        )


def of_app(folder: Path, file: Path | None = None, clients: Clients | None = None) -> Authored:
    """The app of a folder, with what the file beside it says, or another one."""
    return Authored(folder, file if file is not None else file_of(folder), clients or Clients())


def require_queries(app: App, declared: Declared) -> None:
    """What is said of a query that is not there would never be asked.  Raises SimulationFileInvalid."""
    queries = functions_of(app, "query")
    for each in declared.shown:
        if each.path not in queries:
            there_are = ", ".join(queries) or "none"
            problem = f"there is no query {each.path!r} that clients could subscribe to; there are {there_are}"
            raise SimulationFileInvalid(f"invariant {each.name}", problem)


@cache
def loaded(folder: Path) -> App:
    """Raises AppNotSimulated."""
    guard.install([])
    try:
        app = load_app(folder)
    except AppInvalid as error:
        raise AppNotSimulated(str(folder), str(error)) from error
    if not functions_of(app, "mutation") and not functions_of(app, "query"):
        raise AppNotSimulated(str(folder), "it has no function that clients could call")
    return app


def attempt(app: App, declared: Declared, plan: Plan) -> Verdict:
    """Raises InvariantFailed."""
    done = run(plan, app)
    replayed = Replayed(done, app)
    violations = Checks(done, declared, replayed).all()
    note(done, replayed)
    return Verdict(done, tuple(violations))
