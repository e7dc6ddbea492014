"""Values that an author's strategies draw, for one plan: Hypothesis draws, a seed decides.

Only what Hypothesis says of itself in public is used: one example of a test that draws all that a plan needs.
Its first example is the simplest there is and says little, so a later one is taken.

Hypothesis is wanted by those alone who write workloads: it is imported when the first is drawn from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import SimulationFileInvalid
from .declarations import Asking, Workload
from .references import NUMBERS, reference

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

EXAMPLES: Final = 3
"""Drawn for one plan; the last is taken."""
Choose = Callable[[], Workload]


def ids(table: str) -> Any:
    """A strategy: the id of some document of the table, whichever there is when a client asks."""
    return hypothesis().strategies.integers(0, NUMBERS - 1).map(lambda number: reference(table, number))


def drawn_from(strategy: SearchStrategy[T]) -> T:
    """A strategy as the default of an argument that has the type of what it draws."""
    return strategy  # type: ignore[return-value]


def hypothesis() -> Any:
    """Raises SimulationFileInvalid if it is not installed."""
    try:
        import hypothesis.strategies
    except ImportError:
        remedy = "workloads need Hypothesis: pip install 'relive[simulate]'"
        raise SimulationFileInvalid("simulation.py", remedy) from None
    return hypothesis


def drawn(seed: int, workloads: Sequence[Workload], pick: Callable[[float], float], count: int) -> list[Asking]:
    """``count`` calls of workloads, each with values of its own.

    ``pick`` gives a number below the one it is given; with it the next workload is chosen by weight.
    Raises SimulationFileInvalid if what a workload raises, or all that its strategies draw, is of no use.
    """
    library, found = hypothesis(), list[list[Asking]]()
    chosen = [by_weight(workloads, pick) for _ in range(count)]

    def body(data: Any) -> None:
        found.append([made(each, data) for each in chosen])

    test = library.given(library.strategies.data())(body)
    settings = library.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[library.Phase.generate],
        suppress_health_check=list(library.HealthCheck),
        verbosity=library.Verbosity.quiet,
    )
    try:
        library.seed(seed)(settings(test))()
    except library.errors.HypothesisException as error:
        raise SimulationFileInvalid("simulation.py", f"its strategies could not be drawn from: {error}") from None
    assert found, "hypothesis has run the test"
    return found[-1]


def made(workload: Workload, data: Any) -> Asking:
    asking = Asking()
    values = {name: data.draw(strategy) for name, strategy in workload.strategies.items()}
    try:
        workload.make(asking, **values)
    except Exception as error:
        problem = f"with {values}: {type(error).__name__}: {error}"
        raise SimulationFileInvalid(f"workload {workload.name}", problem) from error
    return asking


def by_weight(workloads: Sequence[Workload], pick: Callable[[float], float]) -> Workload:
    left = pick(sum(each.weight for each in workloads))
    for each in workloads:
        left -= each.weight
        if left < 0:
            return each
    return workloads[-1]
