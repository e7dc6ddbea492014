"""Scheduled functions as causes of entries.

schedule ID                                          the function itself
action REQUEST PATH > PATH from schedule ID          what a scheduled action has called
"""

from __future__ import annotations

from typing import Final

from ...log.entry import Cause

SCHEDULE: Final = "schedule"
"""The kind of the cause."""


def job_of_cause(cause: Cause) -> str | None:
    """Id of the scheduled function that an entry is part of; None if it is part of none."""
    if cause.kind == SCHEDULE:
        return cause.id
    _, found, id = cause.id.rpartition(f" from {SCHEDULE} ")
    return id if found and cause.kind == "action" else None
