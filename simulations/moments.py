"""What time it was on the wall, for whoever looks at a run afterwards."""

from __future__ import annotations

from .history import History
from .plan import CLOCK
from .trace import Faulted, Phase
from .world import EPOCH_NS


def settled_ms(history: History) -> float | None:
    """Milliseconds since the Unix epoch, when all had settled; None if it never did."""
    skew_ms = skew_ms_max = 0
    for at_ns, event in history.events:
        if isinstance(event, Faulted) and event.kind == CLOCK:
            skew_ms += event.amount
            skew_ms_max = max(skew_ms_max, skew_ms)
        elif isinstance(event, Phase) and event.name == "settled":
            # When a run heals, its clock is set past every time that it has shown.
            return (EPOCH_NS + at_ns) / 1e6 + skew_ms_max
    return None
