"""What a command says of an error that ended it, and with which code it ends."""

from __future__ import annotations

from ..engine.errors import AppInvalid, DataFolderInvalid, ForkRefused, SchemaMismatch
from ..engine.history.errors import BeforeHistory, DoesNotFit, NoHistory, NotReproducible, NotYet
from ..engine.portability.errors import BackupInvalid, BackupRefused
from ..engine.server.groups import leaves
from ..log.errors import Damaged, FolderInUse, LogTooShort, NoLog, NoSuchEntry
from ..protocol.errors import ReliveError
from .errors import DeployRefused, FileExists, PortUnavailable
from .exit_codes import APP_REFUSED, DAMAGED, FAILED, IN_USE, USAGE

CODES: tuple[tuple[type[Exception], int], ...] = (
    (FolderInUse, IN_USE),
    (PortUnavailable, IN_USE),
    (AppInvalid, APP_REFUSED),
    (SchemaMismatch, APP_REFUSED),
    (DeployRefused, APP_REFUSED),
    (Damaged, DAMAGED),
    (DoesNotFit, APP_REFUSED),
    (LogTooShort, DAMAGED),
    (DataFolderInvalid, USAGE),
    (ForkRefused, USAGE),
    (NoLog, USAGE),
    (NoSuchEntry, USAGE),
    (NoHistory, USAGE),
    (BeforeHistory, USAGE),
    (NotYet, USAGE),
    (NotReproducible, FAILED),
    (FileExists, USAGE),
    (BackupRefused, USAGE),
    (BackupInvalid, DAMAGED),
)


def exit_code_of(error: BaseException) -> int:
    return next((code for kind, code in CODES if isinstance(error, kind)), FAILED)


def text_of(error: BaseException) -> str:
    if isinstance(error, ReliveError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return f"unexpected {type(error).__name__}: {error}; `--traceback` shows where"


def plainest(error: BaseException) -> BaseException:
    """The error behind what nurseries wrapped around it; of several, one that people can act on."""
    errors = list(leaves(error))
    for kind in (ReliveError, OSError):
        for each in errors:
            if isinstance(each, kind):
                return each
    return errors[0]
