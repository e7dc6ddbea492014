"""A copy of a data folder that may be served meanwhile: complete as of one durable entry, or as before.

    <backup>/backup.json    which files make it up, their hashes, and the settings of the data folder; mode 0600
    <backup>/files/         segments, each in a file of its own, that may go on behind what counts of it
    <backup>/uploads/       files that clients have uploaded; those that were deleted since stay, for whoever goes back
    <backup>/lock           one process at a time

    what is new ──> copied, synced ──> read back, checked ──> backup.json, in place of the one before

Invariants
    * `backup.json` changes in one step, after everything that it names is durable: a crash, a full disk or
      a damaged log leaves the backup as it was.
    * A file is never changed within the length that `backup.json` says; what a newer backup does not name
      is removed after it.
    * The history of a backup is a prefix of that of the next one: another deployment is refused.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
from attrs import frozen

from ...log.checkpoint import Checkpoint
from ...log.copy import Extent, Piece, copy_log, extent_of, read_piece
from ...log.entry import LSN, NO_TIME, Timestamp
from ...log.errors import Damaged, Malformed, NoSuchEntry
from ...log.log import ignore_entry
from ...log.recovery import recover
from ...log.segment import first_lsn
from ...log.storage import LOCK_NAME, FolderStorage
from ...log.verify import verify
from ..data_folder import ADMIN_KEYS, LOG, SETTINGS, DataFolder, make_folder, write_durably
from ..data_folder import FILES as STORED
from ..files.folder_copy import copy_folder
from .backup_view import BackupView, Stored
from .errors import BackupInvalid, BackupRefused

MANIFEST: Final = "backup.json"
FILES: Final = "files"
UPLOADS: Final = "uploads"
GIVEN: Final = (SETTINGS, ADMIN_KEYS)
"""Files of a data folder that no log tells of."""
FORMAT: Final = 1
HASH_BYTES: Final = 32
NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)

OnProgress = Callable[[int, int], None]


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One segment in a backup."""

    segment: str
    """What it is called in the log."""
    file: str
    """What it is called here."""
    length: int
    """Bytes that count."""
    hash: str
    """Of these, hexadecimal."""
    sealed: bool
    """It is a whole segment, that never grows any more."""
    origin: tuple[int, int, int]
    """Inode, time of the last change in nanoseconds and size of the file that it was copied from: another
    one in its place has others."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a backup says of itself."""

    format: int
    serial: int
    """Grows with each backup made in the same place."""
    deployment: str
    instance_name: str
    lsn: int
    """The last entry."""
    ts: int
    """Its time, in nanoseconds since the Unix epoch."""
    hash: str
    """Of that entry, hexadecimal: it stands for all history before it."""
    settings: dict[str, str]
    """The files that the data folder was given, by name, with its secrets."""
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        return sum(file.length for file in self.files)


@frozen
class BackedUp:
    """What a backup has come to."""

    manifest: Manifest
    before: LSN | None
    """Where the backup before it ended; None if this is the first."""
    copied: int
    """Bytes that were copied for it."""


def back_up(data: Path, place: Path, on_progress: OnProgress = lambda done, total: None) -> BackedUp:
    """Make a backup, or bring the one that is there up to date.

    Raises DataFolderInvalid, NoLog, Damaged, FolderInUse, BackupRefused, BackupInvalid, OSError; then the
    backup that was there is as it was.
    """
    folder = DataFolder.read(data)
    refuse_place(data, place)
    make_folder(place)
    with held(place), space_told(place):
        before = read_manifest(place) if (place / MANIFEST).exists() else None
        if before is not None:
            remove_unnamed(place, before)
        source = FolderStorage(data / LOG)
        extent = extent_of(source)
        if before is not None:
            require_prefix(source, extent, before, place)
        try:
            files, copied = copy_files(source, extent, before, place, on_progress)
            manifest = Manifest(
                FORMAT,
                before.serial + 1 if before is not None else 1,
                extent.deployment.hex(),
                folder.instance_name,
                extent.lsn,
                extent.ts,
                extent.hash.hex(),
                {name: (data / name).read_text(encoding="utf-8") for name in GIVEN if (data / name).exists()},
                files,
            )
            check_new(place, manifest, before)
            # After the log: bytes are there before their row is.
            copied += copy_folder(folder.files, place / UPLOADS)
        except BaseException:
            with suppress(OSError):
                remove_unnamed(place, before)
            raise
        write_durably(place / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        remove_unnamed(place, manifest)
    return BackedUp(manifest, LSN(before.lsn) if before is not None else None, copied)


def verify_backup(place: Path, on_progress: OnProgress = lambda done, total: None) -> Manifest:
    """Read all of a backup: hashes of files, checksums, the chain of entries.

    Raises BackupInvalid, FolderInUse, OSError.
    """
    with held(place):
        manifest = read_manifest(place)
        view = view_of(place, manifest)
        for file in manifest.files:
            if hash_of(view, piece_of(view, file)) != file.hash:
                raise BackupInvalid(str(place / FILES / file.file), "it is not what was written: its hash differs")
        try:
            found = verify(view, on_progress)
        except Damaged as error:
            raise BackupInvalid(str(place), str(error)) from None
        require_end(place, manifest, LSN(found.entries), found.hash)
        return manifest


def restore(
    place: Path,
    data: Path,
    until: Callable[[BackupView], LSN | None],
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[Manifest, Extent]:
    """Make a data folder of a backup, up to the entry that ``until`` chooses; None is its last one.

    The folder is there once it is complete.  Raises BackupInvalid, BackupRefused, NoSuchEntry, FolderInUse.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BackupRefused(str(data), "it is not empty: name a new folder")
    with held(place):
        manifest = read_manifest(place)
        view = view_of(place, manifest)
        lsn = until(view)
        unfinished = data.absolute().with_name(f".{data.absolute().name}.unfinished")
        remove_folder(unfinished)
        with space_told(unfinished):
            try:
                extent = fill(unfinished, manifest, view, lsn, on_progress)
                copy_folder(place / UPLOADS, unfinished / STORED)
                os.replace(unfinished, data)
                FolderStorage(data.absolute().parent).sync_folder()
            except BaseException:
                with suppress(OSError):
                    remove_folder(unfinished)
                raise
    return manifest, extent


def fill(folder: Path, manifest: Manifest, view: BackupView, lsn: LSN | None, on_progress: OnProgress) -> Extent:
    make_folder(folder)
    target = FolderStorage(folder / LOG)
    make_folder(folder / LOG)
    try:
        extent = copy_log(view, target, lsn, on_progress=on_progress)
        found = verify(target)
    except Damaged as error:
        raise BackupInvalid(str(view), str(error)) from None
    if (found.entries, found.hash) != (extent.lsn, extent.hash):
        raise BackupInvalid(str(view), "what was restored is not what was in it")
    write_durably(folder / ".gitignore", b"*\n")
    for name, text in manifest.settings.items():
        write_durably(folder / name, text.encode())
    DataFolder.read(folder).remember_reached(extent.lsn)
    return extent


def refuse_place(data: Path, place: Path) -> None:
    """Raises BackupRefused for a place that is something else."""
    inside = place.absolute().resolve()
    if inside == data.resolve() or data.resolve() in inside.parents:
        raise BackupRefused(str(place), "a backup inside the data folder is lost with it: name another place")
    if place.exists() and not place.is_dir():
        raise BackupRefused(str(place), "a file is in the way: name another folder")
    if place.is_dir() and not (place / MANIFEST).exists():
        others = {path.name for path in place.iterdir()} - {LOCK_NAME, FILES, UPLOADS, f"{MANIFEST}.unfinished"}
        if others:
            raise BackupRefused(
                str(place), f"it holds other things ({sorted(others)[0]}): name a folder for backups alone"
            )


def require_prefix(source: FolderStorage, extent: Extent, before: Manifest, place: Path) -> None:
    """Raises BackupRefused unless the history of the backup is where this log comes from."""
    if extent.deployment.hex() != before.deployment:
        raise BackupRefused(str(place), f"it holds backups of another deployment, {before.instance_name}")
    try:
        known = extent_of(source, LSN(before.lsn)).hash.hex()
    except NoSuchEntry as error:
        problem = f"it goes up to entry {before.lsn}, and this log only to {error.last}: back up to another place"
        raise BackupRefused(str(place), problem) from None
    if known != before.hash:
        problem = f"its entry {before.lsn} is another one than in this log: back up to another place"
        raise BackupRefused(str(place), problem)


def copy_files(
    source: FolderStorage, extent: Extent, before: Manifest | None, place: Path, on_progress: OnProgress
) -> tuple[tuple[File, ...], int]:
    """Copy what is not there yet; the files, and how many bytes that was."""
    known = {file.segment: file for file in before.files} if before is not None else {}
    serial = before.serial + 1 if before is not None else 1
    make_folder(place / FILES)
    target, files, done, copied = FolderStorage(place / FILES), [], 0, 0
    for piece in extent.pieces:
        origin = origin_of(source.folder / piece.name)
        held = known.get(piece.name)
        if (
            held is not None
            and held.sealed
            and piece.is_sealed
            and (held.origin, held.length) == (origin, piece.length)
        ):
            files.append(held)
        else:
            file, count = copy_piece(source, target, piece, origin, held, serial)
            files.append(file)
            copied += count
        done += piece.length
        on_progress(done, extent.size)
    target.sync_folder()
    return tuple(files), copied


def copy_piece(
    source: FolderStorage,
    target: FolderStorage,
    piece: Piece,
    origin: tuple[int, int, int],
    held: File | None,
    serial: int,
) -> tuple[File, int]:
    """Copy a segment, or what is new of it behind what is there already."""
    digest, at, name = blake2b(digest_size=HASH_BYTES), 0, f"{piece.name}.{serial}"
    rest = read_piece(source, piece)
    if held is not None and goes_on(source, piece, held):
        name = held.file
        for data in read_piece(source, Piece(piece.name, piece.header, held.length, is_sealed=False)):
            digest.update(data)
        at, rest = held.length, read_piece(source, piece, held.length)
    else:
        with suppress(FileNotFoundError):
            target.remove(name)
        target.create(name)
    before = at
    for data in rest:
        target.write(name, at, data)
        digest.update(data)
        at += len(data)
    target.sync(name)
    return File(piece.name, name, piece.length, digest.hexdigest(), piece.is_sealed, origin), at - before


def goes_on(source: FolderStorage, piece: Piece, held: File) -> bool:
    """Whether the segment begins with what was copied of it: another file may have taken its place."""
    if held.sealed or held.length > piece.length:
        return False
    return hash_of(source, Piece(piece.name, piece.header, held.length, is_sealed=False)) == held.hash


def check_new(place: Path, manifest: Manifest, before: Manifest | None) -> None:
    """Read back what was copied, and the chain across it.  Raises BackupInvalid."""
    view = view_of(place, manifest)
    known = set(before.files) if before is not None else set()
    kept = []
    for file in manifest.files[:-1]:
        if file not in known:
            break
        kept.append(file)
    after = None
    if kept:
        following = manifest.files[len(kept)]
        header = view.header(following.segment)
        segments = tuple((first_lsn(file.segment), file.length) for file in kept)
        after = Checkpoint(LSN(header.first - 1), NO_TIME, header.prev, bytes.fromhex(manifest.deployment), segments)
    try:
        found = recover(view, ignore_entry, after=after)
    except Damaged as error:
        raise BackupInvalid(str(place), f"{error} No backup was made of it.") from None
    require_end(place, manifest, found.last_lsn, found.last_hash)


def require_end(place: Path, manifest: Manifest, lsn: LSN, hash: bytes) -> None:
    if (lsn, hash.hex()) != (manifest.lsn, manifest.hash):
        problem = f"it ends with entry {lsn} instead of {manifest.lsn}, or with another one of that number"
        raise BackupInvalid(str(place), problem)


def read_manifest(place: Path) -> Manifest:
    """Raises BackupInvalid."""
    path = place / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise BackupInvalid(str(place), f"this is no backup, for it has no {MANIFEST}") from None
    except msgspec.DecodeError as error:
        raise BackupInvalid(str(path), f"it is damaged ({error}); the files beside it are not") from None
    if manifest.format != FORMAT:
        problem = f"format {manifest.format}, but this relive reads format {FORMAT}: use the one that wrote it"
        raise BackupInvalid(str(path), problem)
    if not set(manifest.settings) <= set(GIVEN) or SETTINGS not in manifest.settings:
        raise BackupInvalid(str(path), "the settings of a data folder are not in it")
    if not manifest.files or any(Path(file.file).name != file.file for file in manifest.files):
        raise BackupInvalid(str(path), "it names no files, or files elsewhere")
    return manifest


def view_of(place: Path, manifest: Manifest) -> BackupView:
    """The log in a backup.  Raises BackupInvalid if a file is not there, or too short."""
    view = BackupView(place / FILES, {}, LSN(manifest.lsn), Timestamp(manifest.ts))
    for file in manifest.files:
        path = place / FILES / file.file
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise BackupInvalid(str(path), "this file of the backup is missing") from None
        if size < file.length:
            raise BackupInvalid(str(path), f"it has {size} bytes, and {file.length} were written")
        view.stored[file.segment] = Stored(file.file, file.length)
        try:
            view.header(file.segment)
        except Malformed as error:
            raise BackupInvalid(str(path), f"this file of the backup is damaged: {error.problem}") from None
    return view


def piece_of(view: BackupView, file: File) -> Piece:
    return Piece(file.segment, view.header(file.segment), file.length, file.sealed)


def hash_of(source: FolderStorage | BackupView, piece: Piece) -> str:
    digest = blake2b(digest_size=HASH_BYTES)
    for data in read_piece(source, piece):
        digest.update(data)
    return digest.hexdigest()


def origin_of(path: Path) -> tuple[int, int, int]:
    about = path.stat()
    return about.st_ino, about.st_mtime_ns, about.st_size


def remove_unnamed(place: Path, manifest: Manifest | None) -> None:
    """Files that no backup needs: a crash left them, or a newer one has others."""
    named = {file.file for file in manifest.files} if manifest is not None else set()
    target = FolderStorage(place / FILES)
    for name in target.names():
        if name not in named:
            target.remove(name)


def remove_folder(folder: Path) -> None:
    """What a restore that was cut off has left."""
    for inner in (folder / LOG, folder / STORED, folder):
        if inner.is_dir():
            for path in inner.iterdir():
                if not path.is_dir():
                    path.unlink()
            inner.rmdir()


@contextmanager
def held(place: Path) -> Iterator[None]:
    """One process at a time.  Raises FolderInUse, BackupInvalid."""
    if not place.is_dir():
        raise BackupInvalid(str(place), "there is no such folder")
    storage = FolderStorage(place)
    storage.lock()
    try:
        yield
    finally:
        storage.unlock()


@contextmanager
def space_told(place: Path) -> Iterator[None]:
    """A full disk is told as what it is.  Raises BackupRefused."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise BackupRefused(str(place), "there is no space left on the disk") from None
        raise
