"""What an author says of an app under simulation, in a file beside the app that is not deployed with it.

@invariant                                    # after every commit
def nothing_is_lost(state): ...
@invariant(subscription="accounts:all")       # of what a client was shown
def sorted_by_name(result): ...
@workload(weight=3)                           # what clients ask for
def transfer(ctx, a=ids("accounts"), amount=st.integers(1, 50)): return ctx.mutation(...)
@eventually(within=5)                         # once nothing fails any more
def all_jobs_are_done(state): ...
@sometimes("somebody is refused")             # what a campaign has to have seen
def refused(state): ...
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar, overload

from attrs import Factory, define, frozen

from ..errors import SimulationFileInvalid
from ..plan import MUTATE, SUBSCRIBE
from .state import State

FILE: Final = "simulation.py"
R = TypeVar("R")


@frozen(eq=False)
class Invariant:
    """Must be true of the state after each commit: raises AssertionError, or returns False, where it is not."""

    name: str
    holds: Callable[[State], object]


@frozen(eq=False)
class ShownInvariant:
    """Must be true of every result of a query that a client was shown."""

    name: str
    path: str
    holds: Callable[[Any], object]


@frozen(eq=False)
class Eventually:
    """Must be true so long after everything is well."""

    name: str
    within_s: float
    holds: Callable[[State], object]


@frozen(eq=False)
class Sometimes:
    """Must be true of some state in a campaign, or the campaign has not tried what it should."""

    name: str
    holds: Callable[[State], object]


@frozen(eq=False)
class Workload:
    """Makes operations of values that its strategies draw."""

    name: str
    weight: float
    make: Callable[..., object]
    strategies: Mapping[str, Any]


@define
class Asking:
    """``ctx`` of a workload: what a client is to do."""

    operations: list[tuple[str, str, dict[str, Any]]] = Factory(list)

    def mutation(self, path: str, /, **arguments: Any) -> None:
        """Ask for a mutation."""
        self.operations.append((MUTATE, path, arguments))

    def subscribe(self, path: str, /, **arguments: Any) -> None:
        """Watch a query from here on."""
        self.operations.append((SUBSCRIBE, path, arguments))


@overload
def invariant(function: Callable[[State], object], /) -> Invariant: ...
@overload
def invariant(*, subscription: str) -> Callable[[Callable[[Any], object]], ShownInvariant]: ...
def invariant(function: Callable[..., object] | None = None, /, *, subscription: str | None = None) -> Any:
    """What must be true of the state after every commit, or of every result of a query that a client was shown.

    Where it is not, the function raises AssertionError or returns False.
    """
    if function is not None:
        return Invariant(function.__name__, function)
    assert subscription is not None, 'write `@invariant`, or `@invariant(subscription="module:query")`'
    return lambda function: ShownInvariant(function.__name__, subscription, function)


def workload(*, weight: float = 1.0) -> Callable[[Callable[..., object]], Workload]:
    """What clients ask for; the defaults of its arguments are Hypothesis strategies that draw them.

    The function gets ``ctx`` and calls ``ctx.mutation`` and ``ctx.subscribe``. ``weight`` says how often it is
    chosen beside the others.
    """

    def declare(function: Callable[..., object]) -> Workload:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        without = [each.name for each in parameters if each.default is inspect.Parameter.empty]
        if without or weight <= 0:
            problem = f"`{without[0]}` has no strategy as its default" if without else "its weight must be more than 0"
            raise SimulationFileInvalid(f"workload {function.__name__}", problem)
        return Workload(function.__name__, weight, function, {each.name: each.default for each in parameters})

    return declare


def eventually(*, within: float) -> Callable[[Callable[[State], object]], Eventually]:
    """What must be true ``within`` so many seconds after faults have ended and everybody has what he asked for."""
    return lambda function: Eventually(function.__name__, within, function)


def sometimes(name: str) -> Callable[[Callable[[State], object]], Sometimes]:
    """What must be true at least once in a campaign: that it was tried at all.  The function returns whether it is."""
    return lambda function: Sometimes(name, function)


@frozen(eq=False)
class Declared:
    """Everything that a file says."""

    file: Path | None = None
    invariants: tuple[Invariant, ...] = ()
    shown: tuple[ShownInvariant, ...] = ()
    workloads: tuple[Workload, ...] = ()
    eventually: tuple[Eventually, ...] = ()
    sometimes: tuple[Sometimes, ...] = ()


NOTHING: Final = Declared()


def file_of(app: Path) -> Path | None:
    """The file of an app: ``simulation.py`` beside its folder; None if there is none."""
    file = app.resolve().parent / FILE
    return file if file.is_file() else None


def declared_in(file: Path) -> Declared:
    """What a file says.  Raises SimulationFileInvalid if it cannot be imported, or says nothing."""
    values = list(vars(imported(file)).values())

    def of(kind: type[R]) -> tuple[R, ...]:
        return tuple(value for value in values if isinstance(value, kind))

    declared = Declared(file, of(Invariant), of(ShownInvariant), of(Workload), of(Eventually), of(Sometimes))
    if not any((declared.invariants, declared.shown, declared.workloads, declared.eventually, declared.sometimes)):
        raise SimulationFileInvalid(str(file), "it has no `@invariant`, `@workload`, `@eventually` or `@sometimes`")
    return declared


def imported(file: Path) -> ModuleType:
    name = f"relive_simulation_{file.parent.name}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (SimulationFileInvalid, KeyboardInterrupt):
        raise
    except BaseException as error:  # Whatever it raises, it is the author's file that does.
        lines = [
            each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == str(file.absolute())
        ]
        where = f"{file}, line {lines[-1]}" if lines else str(file)
        lacks_library = isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "hypothesis"
        remedy = "; pip install 'relive[simulate]'" if lacks_library else ""
        raise SimulationFileInvalid(where, f"{type(error).__name__}: {error}{remedy}") from error
    return module
