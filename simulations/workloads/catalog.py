"""All workloads by name."""

from __future__ import annotations

from typing import Final

from . import bank, chat, counters, items, lists, names, pages, parts, pins, queues, stamps, timers
from .drawing import Workload

WORKLOADS: Final[dict[str, Workload]] = {
    module.__name__.rpartition(".")[2]: Workload(module.mutation, module.query)
    for module in (bank, counters, names, chat, pages, queues, lists, pins, parts, stamps, items, timers)
}
