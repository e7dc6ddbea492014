"""What the log cannot tell.

ReliveError
└── NoHistory    no entry wrote the document: check table and id
"""

from __future__ import annotations

from attrs import define

from ...protocol.errors import ReliveError


@define(auto_exc=True)
class NoHistory(ReliveError):
    """No entry ever wrote this document.  Check its table and id."""

    table: str
    """Empty if any would do."""
    id: str

    def __str__(self) -> str:
        name = f"{self.table}/{self.id}" if self.table else self.id
        return f"no entry of the log wrote {name}: check the table and the id, as `relive log show` tells them"
