"""What a developer writes to run functions again and again: `Crons`.

    crons = Crons()
    crons.every("sweep", timedelta(minutes=10), sweep)
    crons.daily("report", send_report, {"to": "all"}, hour_utc=8)
    crons.cron("workdays", "30 9 * * 1-5", greet)

All times are UTC.  Those that functions add and remove while they run: ``ctx.crons``.

Invariant: what is declared could run: there is such a function, and it takes the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from attrs import frozen

from ...protocol.errors import InvalidPath, InvalidValue
from ...protocol.paths import parse
from ...protocol.values import Value
from ..data.documents import to_value
from ..errors import AppInvalid, ArgumentValidationError
from ..limits import CRONS_MAX
from ..transactions.cron_schedules import Schedule
from ..transactions.crons import CronTimes, check_name
from ..transactions.scheduling import Schedulable
from .endpoint import Endpoint
from .functions import ActionFunction, AnyFunction, MutationFunction


@frozen(eq=False)
class Declared:
    """One cron, as its module says it."""

    name: str
    schedule: Schedule
    function: Schedulable[...] | str
    args: Value


@frozen(eq=False)
class Cron:
    """One cron of an app."""

    name: str
    schedule: Schedule
    path: str
    args: Value


class Crons(CronTimes[None]):
    """Functions that run again and again; make one in a module of the app, such as ``crons.py``.

    The first run of an interval is at the deploy.  Each method raises ValueError for a name that is taken, too.
    """

    def __init__(self) -> None:
        self._declared: dict[str, Declared] = {}

    def __iter__(self) -> Iterator[Declared]:
        return iter(self._declared.values())

    def _add(
        self, name: str, schedule: Schedule, function: Schedulable[...] | str, args: Mapping[str, Any] | None
    ) -> None:
        check_name(name)
        if name in self._declared:
            raise ValueError(f"there is a cron named {name!r} already")
        try:
            value = to_value(dict(args or {}))
        except (InvalidValue, TypeError, ValueError) as error:
            raise ValueError(f"{name!r}: its arguments are no object of values: {error}") from None
        self._declared[name] = Declared(name, schedule, function, value)


def find_crons(
    modules: Mapping[str, ModuleType],
    endpoints: Mapping[str, Endpoint],
    endpoint_of: Callable[[AnyFunction], Endpoint | None],
) -> dict[str, Cron]:
    """By name.  Raises AppInvalid for one that could not run."""
    found: dict[str, Cron] = {}
    seen: dict[int, Crons] = {}
    for module in modules.values():
        for value in list(vars(module).values()):
            if not isinstance(value, Crons) or id(value) in seen:
                continue
            seen[id(value)] = value
            for declared in value:
                where = f"{module.__file__}, cron {declared.name!r}"
                if declared.name in found:
                    raise AppInvalid(where, "there is another cron of that name")
                found[declared.name] = cron_of(where, declared, endpoints, endpoint_of)
    if len(found) > CRONS_MAX:
        raise AppInvalid("crons", f"there are {len(found):,}; an app has at most {CRONS_MAX:,}")
    return found


def cron_of(
    where: str,
    declared: Declared,
    endpoints: Mapping[str, Endpoint],
    endpoint_of: Callable[[AnyFunction], Endpoint | None],
) -> Cron:
    endpoint = None
    if isinstance(declared.function, str):
        try:
            endpoint = endpoints.get(str(parse(declared.function)))
        except InvalidPath:
            endpoint = None
    elif isinstance(declared.function, (MutationFunction, ActionFunction)):
        endpoint = endpoint_of(declared.function)
    if endpoint is None or endpoint.kind not in ("mutation", "action"):
        raise AppInvalid(where, f"{declared.function!r} is no mutation or action of the app")
    try:
        endpoint.bind(declared.args)
    except ArgumentValidationError as error:
        raise AppInvalid(where, str(error)) from None
    return Cron(declared.name, declared.schedule, endpoint.path, declared.args)
