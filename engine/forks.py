"""Forks: a data folder that begins where another one was at some entry, and goes its own way from there.

    sealed segments, checkpoints    the very files of the original, where its file system can link; else copies
    the last segment wanted         a copy, cut behind the entry
    files                           linked as well: their bytes never change
    settings                        secret and hash seed of the original, without which its entries cannot be
                                    replayed; a name and an admin key of its own

Invariants
    * The original is only read; nothing that may still be written is shared with it.
    * There is all of the fork, under its name, or nothing.
    * What the fork does to the world outside is sealed, unless whoever makes it says otherwise: a second
      copy of a deployment must not send its mail once more.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from ..log.checkpoint import checkpoint_names
from ..log.copy import Extent, copy_log
from ..log.entry import LSN
from ..log.recovery import OnProgress
from ..log.storage import FolderStorage, sharing
from .data_folder import FILES, FOLDER_MODE, LOG, DataFolder, forked_settings, make_folder
from .determinism.real import real_entropy
from .errors import ForkRefused
from .files.folder_copy import copy_folder

NAME_BYTES = 4
CHECKPOINT_DIGITS = 20


@frozen(eq=False)
class Forked:
    """What was made."""

    folder: DataFolder
    extent: Extent
    """What of the original's log it begins with."""
    shared: int
    """Bytes of files that both have."""
    copied: int


def fork(
    original: DataFolder,
    target: Path,
    until: LSN | None = None,
    *,
    unseal: bool = False,
    entropy: Callable[[int], bytes] = real_entropy,
    on_progress: OnProgress | None = None,
) -> Forked:
    """A new data folder with the entries up to ``until``; None is the last one that is durable.

    The original may be served meanwhile.  Raises ForkRefused if there is something in ``target``, and what
    `copy_log` raises: NoLog, NoSuchEntry, Damaged, OSError; then ``target`` is as it was.
    """
    require_unused(target)
    make_folder(target.parent)
    unfinished = target.with_name(f".{target.name}.{entropy(NAME_BYTES).hex()}.unfinished")
    unfinished.mkdir(FOLDER_MODE)
    try:
        (unfinished / LOG).mkdir(FOLDER_MODE)
        extent, shared = copy_files(original, unfinished / LOG, until, on_progress)
        copy_folder(original.files, unfinished / FILES, share=True)
        made = DataFolder.create(unfinished, forked_settings(original, extent.lsn, sealed=not unseal, entropy=entropy))
        made.remember_reached(extent.lsn)
        FolderStorage(unfinished / LOG).sync_folder()
        take_place(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return Forked(DataFolder.read(target), extent, shared, extent.size - shared)


def require_unused(target: Path) -> None:
    """Raises ForkRefused."""
    try:
        if any(target.iterdir()):
            raise ForkRefused(str(target))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise ForkRefused(str(target)) from None


def copy_files(
    original: DataFolder, folder: Path, until: LSN | None, on_progress: OnProgress | None
) -> tuple[Extent, int]:
    """Segments and checkpoints; how many bytes of segments are shared."""
    source, copy = original.storage, FolderStorage(folder)
    shared: list[int] = []
    link = sharing(source, copy)

    def share(name: str) -> bool:
        if done := link(name):
            shared.append(source.size(name))
        return done

    try:
        extent = copy_log(source, copy, until, share=share, on_progress=on_progress)
        for name in checkpoint_names(source):
            # One of the last entry would ask for a segment behind it.
            if int(name[:CHECKPOINT_DIGITS]) < extent.pieces[-1].header.first:
                share_or_leave(link, name)
    finally:
        copy.unlock()  # Closes what is open.
    return extent, sum(shared)


def share_or_leave(link: Callable[[str], bool], name: str) -> None:
    """Nothing depends on a checkpoint: where it cannot be shared, another one is made in time."""
    with suppress(FileNotFoundError):  # The server has made a newer one, and deleted it.
        link(name)


def take_place(unfinished: Path, target: Path) -> None:
    """Raises ForkRefused if somebody was faster."""
    try:
        os.rename(unfinished, target)  # Over an empty folder, but never over a used one.
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise ForkRefused(str(target)) from None
        raise
    FolderStorage(target.parent).sync_folder()
