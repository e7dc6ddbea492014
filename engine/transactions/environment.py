"""``ctx.env``: environment variables of the deployment, in the database instead of the process.

    key = ctx.env["API_KEY"]
    level = ctx.env.get("LEVEL", "info")
    settings = ctx.env.read(Shop)           # a class of `Settings`

They are set from outside, with ``relive env set``, and stay as they are over restarts and deploys.
A variable that was looked at is something that was read, whether it was there or not: when it is
set or removed, the queries that looked at it, and no others, run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar, overload

from ..data.settings import S, Settings, names_of, settings_of
from ..data.system_tables import CODECS, EnvironmentVariable
from ..errors import EnvironmentVariableMissing
from .query_run import QueryRun
from .range_query import whole_table

T = TypeVar("T")

TABLE: Final = EnvironmentVariable.__table__


class Environment:
    """The variables as one transaction sees them."""

    def __init__(self, run: QueryRun) -> None:
        self._run = run
        self._known: dict[str, str | None] = {}
        """What was looked at; nothing in a function's own transaction can change it."""

    def __getitem__(self, name: str) -> str:
        """Raises EnvironmentVariableMissing if it is not set."""
        value = self._find(name)
        if value is None:
            raise EnvironmentVariableMissing(name)
        return value

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, default: T, /) -> str | T: ...
    def get(self, name: str, default: object = None, /) -> object:
        """The variable's value, or the default if it is not set."""
        value = self._find(name)
        return default if value is None else value

    def read(self, declared: type[S], /) -> S:
        """The variables that a class of `Settings` declares, each as its hint says.

        Raises SettingsUnmet if one is missing or wrong, which no deploy to a running server lets happen.
        """
        if not (isinstance(declared, type) and issubclass(declared, Settings)):
            raise TypeError(f"ctx.env.read() takes a class of Settings, not {declared!r}")
        found = {name: self._find(name) for name in names_of(declared)}
        return settings_of(declared, {name: value for name, value in found.items() if value is not None})

    def _find(self, name: str) -> str | None:
        if not isinstance(name, str):
            raise TypeError(f"the name of an environment variable is text, not {type(name).__name__}")
        if name not in self._known:
            rows = whole_table(self._run.transaction, CODECS[TABLE]).index(EnvironmentVariable.by_name, name).rows()
            row = next(rows, None)
            self._known[name] = row.value if row is not None else None
        return self._known[name]


class FixedEnvironment(Environment):
    """The variables as they were when an action began: it runs for long, on any thread."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def _find(self, name: str) -> str | None:
        if not isinstance(name, str):
            raise TypeError(f"the name of an environment variable is text, not {type(name).__name__}")
        return self._values.get(name)
