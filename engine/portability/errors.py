"""What an import or a backup can be refused for; nothing was changed then.

ReliveError
├── FileInvalid          the file is not what it should be: cut off, not UTF-8, no ZIP
├── RowsInvalid          rows that do not fit: correct them, all that were found are named
├── ImportRefused        the file is good, but cannot be imported as it was asked: change how
├── ImportUnderWay       another import has not ended yet: wait for it
├── ImportInterrupted    it could not be finished, through no fault of its own: try again
├── BackupInvalid        a backup that is none, or not whole: make another, or restore another
└── BackupRefused        this backup cannot be made, or restored, there
"""

from __future__ import annotations

from attrs import define, frozen

from ...protocol.errors import ReliveError
from .limits import BAD_ROWS_MAX, BAD_ROWS_SHOWN_MAX


@define(auto_exc=True)
class FileInvalid(ReliveError):
    """A file that cannot be read as what it should be.  Nothing was imported."""

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}; nothing was imported"


@frozen
class BadRow:
    """A row that cannot be imported."""

    file: str
    row: int
    """From 1; in a CSV file the header is row 1."""
    problem: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.problem}"


@define(auto_exc=True)
class RowsInvalid(ReliveError):
    """Rows that cannot be imported.  Nothing was; correct the file."""

    rows: tuple[BadRow, ...]
    """As many as were found; no more are looked for after `BAD_ROWS_MAX`."""

    def __str__(self) -> str:
        shown = "\n".join(f"  {row}" for row in self.rows[:BAD_ROWS_SHOWN_MAX])
        count = f"{len(self.rows):,}" + (" rows or more" if len(self.rows) >= BAD_ROWS_MAX else " row(s)")
        more = f"\n  and {len(self.rows) - BAD_ROWS_SHOWN_MAX:,} more" if len(self.rows) > BAD_ROWS_SHOWN_MAX else ""
        return f"{count} cannot be imported, so nothing was:\n{shown}{more}"


@define(auto_exc=True)
class ImportRefused(ReliveError):
    """A good file, that cannot be imported like this.  Nothing was; the problem says what to change."""

    problem: str

    def __str__(self) -> str:
        return f"nothing was imported: {self.problem}"


@define(auto_exc=True)
class ImportUnderWay(ReliveError):
    """Another import has not ended yet.  Wait for it, then look whether yours is still wanted."""

    file: str

    def __str__(self) -> str:
        return f"nothing was imported: an import of {self.file} is under way; wait for its end"


@define(auto_exc=True)
class ImportInterrupted(ReliveError):
    """An import could not be finished, through no fault of its own.  Nothing was changed; try again."""

    problem: str

    def __str__(self) -> str:
        return f"nothing was imported: {self.problem}; try again"


@define(auto_exc=True)
class BackupInvalid(ReliveError):
    """A backup that is none, or not whole.  Use another; a new backup elsewhere is always possible."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


@define(auto_exc=True)
class BackupRefused(ReliveError):
    """A backup or a restored folder cannot be put there.  Nothing was changed."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}; nothing was changed"
