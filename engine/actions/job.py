"""One action that was asked for: its call, its log, and in the end its outcome.

    waiting for its turn ──> running ──> outcome, once
                                 └──> aside: waits for something, and leaves its place to others

Invariant: an outcome is set once and never changes; whoever waits is told then.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import Factory, define

from ...protocol.results import ActionSuccess, FunctionFailure
from ..application.app import App
from ..application.endpoint import Endpoint
from ..application.functions import ActionFunction
from ..determinism.recording import Recorder
from ..errors import FunctionError
from ..execution.arguments import Arguments
from ..execution.calls import Call, Request
from ..execution.results import log_lines

ActionOutcome = ActionSuccess | FunctionFailure


@define(eq=False)
class Job:
    """What `Actions.start` gives: wait for its outcome, or cancel it."""

    call: Call
    request: Request
    id: str
    """The request id: errors and records of executions name it."""
    started_ns: int
    chain: tuple[str, ...]
    """The actions that called one another, this one last."""
    origin: str
    """What the first of them was started by."""
    endpoint: Endpoint | None = None
    """None if there is no such action."""
    app: App | None = None
    """The code that was deployed when it was asked for: what it runs."""
    arguments: Arguments | None = None
    durable: str | None = None
    """Id of its row, if it is a durable action."""
    told: list[Callable[[ActionOutcome], None]] = Factory(list)
    """Called with the outcome."""
    recorder: Recorder = Factory(Recorder)
    outcome: ActionOutcome | None = None
    done: trio.Event = Factory(trio.Event)
    """There is an outcome."""
    ended: trio.Event = Factory(trio.Event)
    """Its code has ended, too."""
    turn: trio.Event | None = None
    """Set when it is its turn again; None before it begins."""
    scope: trio.CancelScope = Factory(trio.CancelScope)
    patience: trio.CancelScope = Factory(trio.CancelScope)
    """Its deadline is the action's."""
    reason: FunctionError | None = None
    """Why it is cancelled."""
    concluded: bool = False
    """How it ends is settled; a durable action is told so once that is durable."""

    @property
    def name(self) -> str:
        return self.call.path

    @property
    def function(self) -> ActionFunction[..., object]:
        assert self.endpoint is not None
        assert isinstance(self.endpoint.function, ActionFunction)
        return self.endpoint.function

    @property
    def cause_id(self) -> str:
        """What entries that it causes name as the id of their cause."""
        return f"{self.id} {' > '.join(self.chain)} from {self.origin}"

    def lines(self) -> tuple[str, ...]:
        return log_lines(list(self.recorder.logs))

    def cancel(self, reason: FunctionError) -> None:
        """End it; its outcome is the reason.  Harmless when it has ended."""
        if self.reason is None:
            self.reason = reason
        self.scope.cancel()

    def finish(self, outcome: ActionOutcome) -> None:
        assert self.outcome is None, "an outcome never changes"
        self.concluded, self.outcome = True, outcome
        self.done.set()
        for tell in self.told:
            tell(outcome)

    async def wait(self) -> ActionOutcome:
        await self.done.wait()
        assert self.outcome is not None
        return self.outcome
