"""The disk as the process sees it that makes a checkpoint, and that may end at any change of a file."""

from __future__ import annotations

from typing import Any

from attrs import define

from ..log.memory import MemoryStorage

CHANGES = frozenset({"create", "write", "truncate", "sync", "sync_folder", "remove", "rename"})


class MakerDied(BaseException):
    """Nothing in the process may react to this."""


@define(eq=False)
class Maker:
    """A `Storage`: the world's, until it dies."""

    storage: MemoryStorage
    changes_left: int | None
    """None is without end."""

    def __getattr__(self, name: str) -> Any:
        if name in CHANGES and self.changes_left is not None:
            if self.changes_left == 0:
                raise MakerDied
            self.changes_left -= 1
        return getattr(self.storage, name)
