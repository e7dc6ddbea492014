"""The data folder: where one deployment keeps its log, and what it was given on its first start.

    <folder>/settings.json    instance name, hash seed, secret, what it was forked from; mode 0600
    <folder>/admin_keys.json  the admin keys that were made, as hashes; mode 0600
    <folder>/reached          an entry that the log must hold: the last durable one of a start or stop
    <folder>/url              where it is being served, while it is
    <folder>/local_key        the admin key of commands on this machine, while it is being served; mode 0600
    <folder>/log/             segments
    <folder>/.gitignore       keeps all of it out of repositories

The settings are written once, whole and durable, before anything depends on them: entries can only
be replayed with the hash seed and the secret under which they were made.  No admin key can be had from
what lies in the folder of a server that is not running.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from attrs import field, frozen

from ..log.entry import BEFORE_FIRST, LSN
from ..log.segment import segment_names
from ..log.storage import FolderStorage
from .admin_key import POWERS, AdminKey, AdminKeys, Power, hash_of
from .determinism import hash_seed
from .determinism.real import real_entropy
from .errors import AdminKeyRefused, DataFolderInvalid

SETTINGS = "settings.json"
REACHED = "reached"
ADMIN_KEYS = "admin_keys.json"
LOCAL_KEY = "local_key"
URL = "url"
LOG = "log"
FILES = "files"
FORMAT = 2
ADMIN_KEYS_MAX = 100
SECRET_BYTES = 32
ADMIN_KEY_BYTES = 32
NAME_BYTES = 3
FOLDER_MODE = 0o700
FILE_MODE = 0o600


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """What the settings file holds.  Secrets are hexadecimal."""

    format: int
    instance_name: str
    hash_seed: int
    secret: str
    sealed: bool = False
    """Nothing is done to the world outside: see `DataFolder.sealed`."""
    forked_from: str | None = None
    """Instance name of the deployment that it was forked from; None if it is none."""
    forked_at: int = 0
    """The last entry of that one."""

    def problem(self) -> str | None:
        if self.format != FORMAT:
            return f"format {self.format}, but this relive reads format {FORMAT}: use the one that wrote it"
        if not 0 < self.hash_seed <= hash_seed.SEED_MAX:
            return f"the hash seed must be from 1 to {hash_seed.SEED_MAX}"
        if len(self.secret) != 2 * SECRET_BYTES or set(self.secret) - set("0123456789abcdef"):
            return f"the secret must be {2 * SECRET_BYTES} hexadecimal digits"
        return None


class StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is kept of an admin key."""

    name: str
    """What people call it."""
    hash: str
    made_ns: int
    """When, in nanoseconds since the epoch."""
    powers: tuple[Power, ...]
    """What it may do."""


@frozen
class DataFolder:
    folder: Path
    instance_name: str
    hash_seed: int
    """What ``PYTHONHASHSEED`` must be wherever handlers run."""
    secret: bytes = field(repr=False)
    sealed: bool = False
    """The one place that says whether this deployment may act on the world outside by itself: run scheduled
    functions, crons and actions.  Forks may not, unless they were made so: the original does it already."""
    forked_from: str | None = None
    """Instance name of the deployment that it was forked from; None if it is none."""
    forked_at: LSN = BEFORE_FIRST

    @classmethod
    def create(cls, folder: Path, settings: Settings) -> DataFolder:
        """A folder that exists becomes a data folder.  Raises OSError."""
        write_durably(folder / ".gitignore", b"*\n")
        write_durably(folder / SETTINGS, encode(settings))
        return cls.read(folder)

    @classmethod
    def open(cls, folder: Path, entropy: Callable[[int], bytes] = real_entropy) -> DataFolder:
        """The data folder at that place, made if there is none.  Safe if two processes do it at once.

        Raises DataFolderInvalid, OSError.
        """
        make_folder(folder)
        with locked(folder):
            if not (folder / SETTINGS).exists():
                if segment_names(FolderStorage(folder / LOG)):
                    problem = f"{SETTINGS} is missing, and without it the log cannot be replayed: restore it"
                    raise DataFolderInvalid(str(folder), problem)
                cls.create(folder, new_settings(entropy))
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> DataFolder:
        """The data folder at that place; makes and changes nothing.

        Raises DataFolderInvalid if there is none, OSError.
        """
        path = folder / SETTINGS
        try:
            settings = msgspec.json.decode(path.read_bytes(), type=Settings)
        except (FileNotFoundError, NotADirectoryError):
            problem = f"this is no data folder, for it has no {SETTINGS}; `relive serve APP --data {folder}` makes one"
            raise DataFolderInvalid(str(folder), problem) from None
        except msgspec.DecodeError as error:
            raise DataFolderInvalid(str(path), f"{error}: restore the file from a backup") from None
        problem_found = settings.problem()
        if problem_found is not None:
            raise DataFolderInvalid(str(path), f"{problem_found}: restore the file from a backup")
        return cls(
            folder,
            settings.instance_name,
            settings.hash_seed,
            bytes.fromhex(settings.secret),
            settings.sealed,
            settings.forked_from,
            LSN(settings.forked_at),
        )

    @property
    def settings_file(self) -> Path:
        return self.folder / SETTINGS

    @property
    def storage(self) -> FolderStorage:
        """Where the log's segments are."""
        return FolderStorage(self.folder / LOG)

    @property
    def files(self) -> Path:
        """Where the bytes of files are, unless they are kept elsewhere."""
        return self.folder / FILES

    @property
    def reached(self) -> LSN:
        """An entry that was durable when a server last started or stopped here; 0 if none ever did.

        A log that ends before it has lost files, or the ends of files, and nothing in it says so.
        """
        try:
            return LSN(int((self.folder / REACHED).read_text(encoding="ascii")))
        except FileNotFoundError:
            return BEFORE_FIRST
        except ValueError:
            raise DataFolderInvalid(str(self.folder / REACHED), "this is no number: restore the file") from None

    def remember_reached(self, lsn: LSN) -> None:
        write_durably(self.folder / REACHED, str(lsn).encode("ascii"))

    @property
    def url(self) -> str | None:
        """Where the database is being served, or was when a crash ended it; None if nowhere."""
        try:
            return (self.folder / URL).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    @property
    def local_key(self) -> str | None:
        """The admin key of the server that serves this folder; None if none does."""
        try:
            return (self.folder / LOCAL_KEY).read_text(encoding="ascii").strip() or None
        except FileNotFoundError:
            return None

    @contextmanager
    def opened_by(self, key: AdminKey) -> Iterator[None]:
        """Let others on this machine open the server with that key.

        Before it takes requests: whoever finds it again after a crash would come with the key of the one before.
        """
        write_durably(self.folder / LOCAL_KEY, key.key.encode("ascii"))
        try:
            yield
        finally:
            (self.folder / LOCAL_KEY).unlink(missing_ok=True)

    @contextmanager
    def served_at(self, url: str) -> Iterator[None]:
        """Let others on this machine find the server while it runs."""
        (self.folder / URL).write_text(f"{url}\n", encoding="utf-8")
        try:
            yield
        finally:
            (self.folder / URL).unlink(missing_ok=True)

    def admin_keys(self) -> tuple[StoredKey, ...]:
        """The admin keys that were made and not revoked.  Raises DataFolderInvalid."""
        path = self.folder / ADMIN_KEYS
        try:
            return msgspec.json.decode(path.read_bytes(), type=tuple[StoredKey, ...])
        except FileNotFoundError:
            return ()
        except msgspec.DecodeError as error:
            raise DataFolderInvalid(
                str(path), f"{error}: restore the file, or remove it and all keys with it"
            ) from None

    def new_admin_key(
        self,
        name: str,
        now_ns: int,
        powers: Collection[Power] = tuple(POWERS),
        entropy: Callable[[int], bytes] = real_entropy,
    ) -> AdminKey:
        """Make another admin key, to be shown once: only its hash is kept.  Raises AdminKeyRefused."""
        with locked(self.folder):
            keys = self.admin_keys()
            if any(key.name == name for key in keys):
                raise AdminKeyRefused(name, "there is one of that name: revoke it, or choose another name")
            if len(keys) >= ADMIN_KEYS_MAX:
                raise AdminKeyRefused(name, f"there are {len(keys)}, which is as many as there may be: revoke some")
            secret = entropy(ADMIN_KEY_BYTES).hex()
            self.write_admin_keys((*keys, StoredKey(name, hash_of(secret), now_ns, tuple(sorted(powers)))))
        return AdminKey(f"{self.instance_name}|{secret}")

    def revoke_admin_key(self, name: str) -> None:
        """From here on it opens nothing, also at a server that runs.  Raises AdminKeyRefused."""
        with locked(self.folder):
            keys = self.admin_keys()
            left = tuple(key for key in keys if key.name != name)
            if left == keys:
                raise AdminKeyRefused(name, f"there is none of that name; there are {[key.name for key in keys]}")
            self.write_admin_keys(left)

    def write_admin_keys(self, keys: tuple[StoredKey, ...]) -> None:
        write_durably(self.folder / ADMIN_KEYS, msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")

    def keys(self, local: AdminKey) -> AdminKeys:
        """What opens a server of this folder, now and whenever keys are made or revoked."""
        return AdminKeys(
            self.instance_name, local, lambda: [(key.hash, frozenset(key.powers)) for key in self.admin_keys()]
        )

    def new_local_key(self, entropy: Callable[[int], bytes] = real_entropy) -> AdminKey:
        return AdminKey(f"{self.instance_name}|{entropy(ADMIN_KEY_BYTES).hex()}")


def new_settings(entropy: Callable[[int], bytes]) -> Settings:
    name = f"relive-{entropy(NAME_BYTES).hex()}"
    return Settings(
        format=FORMAT,
        instance_name=name,
        hash_seed=hash_seed.from_entropy(entropy(4)),
        secret=entropy(SECRET_BYTES).hex(),
    )


def forked_settings(original: DataFolder, lsn: LSN, *, sealed: bool, entropy: Callable[[int], bytes]) -> Settings:
    """Of a fork: entries of the original can be replayed with them, and nobody takes one for the other."""
    return msgspec.structs.replace(
        new_settings(entropy),
        hash_seed=original.hash_seed,
        secret=original.secret.hex(),
        sealed=sealed,
        forked_from=original.instance_name,
        forked_at=lsn,
    )


def encode(settings: Settings) -> bytes:
    return msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n"


def make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    try:
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise DataFolderInvalid(str(folder), "a file is in the way: name another folder") from None
    FolderStorage(folder.parent).sync_folder()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time.  Waits; nobody holds it for longer than it takes to write a file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """All of the file or nothing of it, whatever happens meanwhile; readable for its owner only."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with suppress(FileNotFoundError):
        unfinished.unlink()  # A crash left it.
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    FolderStorage(path.parent).sync_folder()
