"""``ctx.meta``: what a function can know of itself, its transaction and its deployment."""

from __future__ import annotations

from typing import Literal, cast

from attrs import frozen

from ..data.schema import Id
from ..data.system_tables import ScheduledFunction
from ..version import ENGINE_VERSION
from .usage import Metric, Usage

Visibility = Literal["public", "internal"]


@frozen
class FunctionMetadata:
    """The function that is running."""

    name: str
    """``folder/module:function``."""
    kind: str
    """``query``, ``mutation`` or ``action``."""
    visibility: Visibility


@frozen
class DeploymentMetadata:
    """What is deployed."""

    app: str
    code: str
    """Hash of the source bundle, hexadecimal."""
    engine: str
    """Version of relive."""


@frozen(eq=False)
class About:
    """What one run knows of itself."""

    function: FunctionMetadata
    deployment: DeploymentMetadata
    request_id: str
    """As errors and the server's records name the request; empty in queries."""
    job: str | None = None
    """Id of the scheduled function that this is part of; None if it is part of none."""
    session: str | None = None
    """The client's session that this mutation runs for; None if it runs for none."""


SYSTEM = About(FunctionMetadata("", "system", "internal"), DeploymentMetadata("", "", ENGINE_VERSION), "")
"""Of runs that are no function's."""


class Meta:
    """Of one run; see the module."""

    def __init__(self, about: About, usage: Usage) -> None:
        self._about, self._usage = about, usage

    @property
    def function(self) -> FunctionMetadata:
        """The function that is running: of nested calls, the innermost."""
        return self._about.function

    @property
    def deployment(self) -> DeploymentMetadata:
        return self._about.deployment

    def transaction_metrics(self) -> dict[str, Metric]:
        """How much of each limit is used, and how much is left: ``documents_read``, ``bytes_read``,
        ``ranges_read``, ``documents_written``, ``bytes_written``, ``functions_scheduled``, ``scheduled_bytes``."""
        return self._usage.metrics()


class MutationMeta(Meta):
    """Of one run of a mutation."""

    @property
    def request_id(self) -> str:
        """Of the request that caused this run; errors and the server's records name it, too.

        Queries have none: their results are shared by all who ask.
        """
        return self._about.request_id

    @property
    def scheduled_function_id(self) -> Id[ScheduledFunction] | None:
        """Of the scheduled function that this is, or is called by; None if it was not scheduled."""
        return cast("Id[ScheduledFunction] | None", self._about.job)

    @property
    def session(self) -> str | None:
        """The session of the client that called this over its socket, or, in `on_connect`, of the one that came.

        None in mutations that an action, a schedule, a cron or a plain HTTP request runs.  Whoever has the page open
        in two tabs has two.
        """
        return self._about.session


class ActionMeta:
    """Of one run of an action."""

    def __init__(self, about: About) -> None:
        self._about = about

    @property
    def function(self) -> FunctionMetadata:
        """The action that is running."""
        return self._about.function

    @property
    def deployment(self) -> DeploymentMetadata:
        """What was deployed when it was started: the code that it runs."""
        return self._about.deployment

    @property
    def request_id(self) -> str:
        """Of the request that caused this run; errors and the server's records name it, too."""
        return self._about.request_id

    @property
    def scheduled_function_id(self) -> Id[ScheduledFunction] | None:
        """Of the scheduled function that this is, or is called by; None if it was not scheduled."""
        return cast("Id[ScheduledFunction] | None", self._about.job)
