"""What can go wrong with a simulation itself; what a simulation finds is a `Violation`, and no error.

ReliveError
└── SimulationError
    ├── TrioUnsupported   this version of trio cannot be driven
    ├── PlanInvalid       a plan file that cannot be run
    ├── FileRefused       a file, of a plan or a page, that cannot be written
    ├── SimulatorFailed   the world or a checker has a bug
    ├── AppNotSimulated   an app that cannot be simulated, because it does not load
    ├── SimulationFileInvalid  what an author says of an app cannot be used
    ├── InvariantFailed   an author's invariant raised something else than AssertionError
    ├── Deadlock          nothing can run any more, and nobody waits for a time
    └── TooManySteps      the program runs in circles
"""

from __future__ import annotations

from attrs import define

from ..protocol.errors import ReliveError


class SimulationError(ReliveError):
    """Base of what a simulation raises on purpose."""


@define(auto_exc=True)
class TrioUnsupported(SimulationError):
    """Install a version of trio that the driver knows, or repair the driver."""

    version: str
    problem: str

    def __str__(self) -> str:
        return (
            f"trio {self.version} cannot be simulated: {self.problem}.  "
            "Install the version of trio that this version of relive was tested with"
        )


@define(auto_exc=True)
class PlanInvalid(SimulationError):
    """Make the plan again, from its seed."""

    problem: str

    def __str__(self) -> str:
        return f"this is no plan that can be run: {self.problem}"


@define(auto_exc=True)
class FileRefused(SimulationError):
    """Name another place."""

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file} cannot be written: {self.problem}"


@define(auto_exc=True)
class Deadlock(SimulationError):
    """A defect of what is simulated."""

    now_ns: int
    tasks: tuple[str, ...]
    """Names of those that wait."""

    def __str__(self) -> str:
        return f"at {self.now_ns / 1e9:.6f} s nothing can run any more; waiting: {', '.join(self.tasks)}"


@define(auto_exc=True)
class TooManySteps(SimulationError):
    """A defect of what is simulated, or a plan that is too long."""

    steps: int

    def __str__(self) -> str:
        return f"not done after {self.steps} steps"


@define(auto_exc=True)
class SimulatorFailed(SimulationError):
    """Repair the simulator: this says nothing about what is simulated."""

    seed: int | None
    """None if it is not known."""
    problem: str

    def __str__(self) -> str:
        where = f" at seed {self.seed}" if self.seed is not None else ""
        return f"the simulator itself failed{where}: {self.problem}"


@define(auto_exc=True)
class AppNotSimulated(SimulationError):
    """Repair the app."""

    folder: str
    problem: str

    def __str__(self) -> str:
        return f"{self.folder} cannot be simulated: {self.problem}"


@define(auto_exc=True)
class SimulationFileInvalid(SimulationError):
    """Repair the file that says what must be true of the app."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


@define(auto_exc=True)
class InvariantFailed(SimulationError):
    """Repair the invariant: it says neither yes nor no."""

    name: str
    where: str
    problem: str

    def __str__(self) -> str:
        return f"the invariant {self.name} is broken itself, {self.where}: {self.problem}"
