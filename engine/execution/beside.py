"""What the system writes together with a mutation of the app: both are in one entry, or neither is.

    outcome = executor.mutate(call, request, Beside(before=still_wanted, after=note_that_it_ran))

That is how something that runs a mutation knows for certain whether it ran: its row changes in the same
entry as what the mutation wrote.

Invariants
    * What the function sees does not depend on what runs beside it: ``before`` writes nothing.
    * The system's rows count against no limit of the function's transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import evolve, frozen

from ..application.endpoint import Endpoint
from ..application.functions import MutationFunction
from ..transactions.context import MutationCtx
from ..transactions.scheduling import uncounted
from .system_writes import SystemCtx


async def nothing_before(ctx: SystemCtx) -> None:
    """For those that need no check."""


async def nothing_after(ctx: SystemCtx, result: bytes) -> None:
    """For those that write nothing."""


@frozen(eq=False)
class Beside:
    """Both run in the transaction of the mutation, and again whenever it does."""

    before: Callable[[SystemCtx], Awaitable[None]] = nothing_before
    """May look, and raise if the mutation must not run; what it looked at belongs to the read set."""
    after: Callable[[SystemCtx, bytes], Awaitable[None]] = nothing_after
    """Given the mutation's result as Convex JSON, writes rows of the system."""


def with_beside(endpoint: Endpoint, beside: Beside, encode: Callable[[object], bytes]) -> Endpoint:
    """An endpoint whose handler also does what is beside it, and gives its result encoded."""

    async def both(ctx: MutationCtx, **arguments: Any) -> bytes:
        system = SystemCtx(ctx._run)
        with uncounted(ctx._run):
            await beside.before(system)
            assert not ctx._run.transaction.overlay.staged, "what runs before a mutation writes nothing"
        value = encode(endpoint.check_result(await endpoint.function.handler(ctx, **arguments)))
        with uncounted(ctx._run):
            await beside.after(system, value)
        return value

    function: MutationFunction[..., bytes] = MutationFunction(both, public=endpoint.public)
    return evolve(endpoint, function=function)
