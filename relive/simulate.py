"""What must be true of an app, for ``relive simulate``: written in ``simulation.py`` beside the app's folder.

    from hypothesis import strategies as st
    from relive.simulate import State, WorkloadCtx, drawn_from, ids, invariant, workload

    @workload(weight=3)
    def deposit(ctx: WorkloadCtx, account: str = ids("accounts"), amount: int = drawn_from(st.integers(1, 50))) -> None:
        ctx.mutation("bank:deposit", account=account, amount=amount)

    @invariant
    def nothing_is_lost(state: State) -> None:
        balance = sum(account["balance"] for account in state.table("accounts"))
        assert balance >= sum(call["amount"] for call in state.acked("bank:deposit"))

Without such a file, clients ask for what the types of the functions allow, and what must always be true is
checked: functions come out the same again, raise nothing that only bugs raise, and clients are shown the truth.
Workloads need Hypothesis: ``pip install 'relive[simulate]'``.
"""

from __future__ import annotations

from .simulations.authored.declarations import Asking as WorkloadCtx
from .simulations.authored.declarations import Eventually as Eventually
from .simulations.authored.declarations import Invariant as Invariant
from .simulations.authored.declarations import ShownInvariant as ShownInvariant
from .simulations.authored.declarations import Sometimes as Sometimes
from .simulations.authored.declarations import Workload as Workload
from .simulations.authored.declarations import eventually as eventually
from .simulations.authored.declarations import invariant as invariant
from .simulations.authored.declarations import sometimes as sometimes
from .simulations.authored.declarations import workload as workload
from .simulations.authored.state import State as State
from .simulations.authored.strategies import drawn_from as drawn_from
from .simulations.authored.strategies import ids as ids

__all__ = [
    "Eventually",
    "Invariant",
    "ShownInvariant",
    "Sometimes",
    "State",
    "Workload",
    "WorkloadCtx",
    "drawn_from",
    "eventually",
    "ids",
    "invariant",
    "sometimes",
    "workload",
]
