"""Why a file is refused, or cannot be had.

ReliveError
├── FileTooLarge       more bytes than a file may have
├── ChecksumMismatch   the bytes are not those that were announced
├── FileGone           there is a row, and no bytes any more
└── FilesUnavailable   what keeps the bytes cannot be reached, or belongs to another deployment
"""

from __future__ import annotations

from attrs import define

from ...protocol.errors import ReliveError


@define(auto_exc=True)
class FileTooLarge(ReliveError):
    """More bytes than a file may have.  Nothing was kept."""

    bytes_max: int

    def __str__(self) -> str:
        return f"a file has at most {self.bytes_max:,} bytes here; nothing was kept"


@define(auto_exc=True)
class ChecksumMismatch(ReliveError):
    """The bytes that came are not those that were announced.  Nothing was kept; send them again."""

    announced: str
    found: str
    """Both SHA-256 in base64."""

    def __str__(self) -> str:
        return f"the SHA-256 of what arrived is {self.found}, not {self.announced}; nothing was kept: send it again"


@define(auto_exc=True)
class FileGone(ReliveError):
    """There is a row for the file, and no bytes: somebody has removed them from outside, or lost them."""

    name: str

    def __str__(self) -> str:
        return f"the bytes of the file {self.name} are not there: restore them from a backup"


@define(auto_exc=True)
class FilesUnavailable(ReliveError):
    """What keeps the bytes does not do so now.  Try again later, or look at it."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"files in {self.where}: {self.problem}"
