"""What a failure means: a follower is thrown away and rebuilt, the committer stops the process.

A follower's state is derived from the log, so losing it loses nothing.  The committer's is not:
if it, the log or a rebuilt follower fails, going on could acknowledge what is not there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NoReturn

import trio
from attrs import Factory, define

from .errors import CommitterFailed

REBUILDS_MAX = 3
"""A follower that fails more often than this in one process has a defect that replay repeats."""

logger = logging.getLogger("relive")


@define(eq=False)
class Supervisor:
    rebuilds: dict[str, int] = Factory(dict[str, int])
    failure: CommitterFailed | None = None
    failed: trio.Event = Factory(trio.Event)

    def follower_failed(self, name: str, error: Exception, rebuild: Callable[[], object]) -> None:
        """Rebuild the follower, or give up if that has not helped."""
        self.rebuilds[name] = self.rebuilds.get(name, 0) + 1
        logger.error("%s failed and is rebuilt from the log", name, exc_info=error)
        if self.rebuilds[name] > REBUILDS_MAX:
            self.stop(f"{name} failed {self.rebuilds[name]} times", error)
        try:
            rebuild()
        except Exception as again:
            self.stop(f"{name} could not be rebuilt", again)

    def stop(self, problem: str, error: BaseException) -> NoReturn:
        """Nothing may be acknowledged any more: end the process as soon as trio sees it."""
        if self.failure is None:
            self.failure = CommitterFailed(f"{problem}: {error}")
        self.failed.set()
        raise self.failure from error

    def require_health(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def wait_failed(self) -> NoReturn:
        """Raises the failure when there is one; run it in the nursery that must end."""
        await self.failed.wait()
        assert self.failure is not None
        raise self.failure
