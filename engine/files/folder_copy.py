"""A copy of a folder of files, for commands: forks, backups and restores.

Names are never used again and bytes never changed, so what has the name is the file: only what is missing is copied,
and where both folders are on one file system and may share, not even that.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from .file_store import NAME
from .folder_files import FOLDER_MODE, PART, sync_folder


def copy_folder(source: Path, target: Path, *, share: bool = False) -> int:
    """Bring ``target`` up to what ``source`` has; how many bytes were copied.  Nothing is ever removed from it.

    Files that are deleted meanwhile are left out.  Raises OSError; then what was copied is there, and whole.
    """
    if not source.is_dir():
        return 0
    names = [name for name in os.listdir(source) if NAME.fullmatch(name)]
    if not names:
        return 0
    target.mkdir(FOLDER_MODE, exist_ok=True)
    there, copied = set(os.listdir(target)), 0
    for name in names:
        if name not in there:
            with suppress(FileNotFoundError):
                copied += copy_file(source / name, target / name, share)
    sync_folder(target)
    sync_folder(target.parent)
    return copied


def copy_file(source: Path, target: Path, share: bool) -> int:
    """How many bytes were copied: none, if both names are of the same file now."""
    if share:
        with suppress(OSError):  # Another file system, or one that has no links.
            os.link(source, target)
            return 0
    unfinished = target.with_name(f"{target.name}{PART}")
    with source.open("rb") as original, unfinished.open("wb") as copy:
        os.fchmod(copy.fileno(), 0o600)
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())
        size = copy.tell()
    unfinished.rename(target)
    return size
