"""What to do instead, one sentence or two for each family of forbidden calls."""

from __future__ import annotations

from enum import Enum


class Remedy(Enum):
    """Why a call is refused and where it belongs."""

    NETWORK = (
        "Queries and mutations run inside the database and may be run again at any time, so they cannot do "
        "network I/O. Move it to an @action and pass the result to a mutation."
    )
    FILES = "Queries and mutations cannot touch the file system. Read files at module load, or move it to an @action."
    PROCESSES = "Queries and mutations cannot start processes or threads. Move it to an @action."
    SLEEP = "Queries and mutations cannot wait. Use ctx.scheduler.run_after(...) or move it to an @action."
    ENVIRONMENT = (
        'The environment of the process is not part of the database. Use ctx.env["NAME"], '
        "which `relive env set NAME VALUE` sets."
    )
    NATIVE = "Native code cannot be made deterministic. Move it to an @action."
    STATE = (
        "Module-level objects live outside the database: they are not saved, not rolled back, and not seen "
        "by other servers. Keep the value in a table."
    )
    DEBUGGER = "All clients wait while a handler runs. Start the server with --debug to step through it."
    IDENTIFIER = "It depends on this machine and the time. Use uuid.uuid4(), which is deterministic here."
    SUSPENDED = "A handler may await only ctx and its own async functions. Move it to an @action."
    UNAWAITED = "The call did nothing. Write `await` before it."
    EXIT = "It would stop the server. Raise an Exception instead."
    IMPORTS = "Import modules at the top of the file."
    OTHER = "It would make the function non-deterministic. Move it to an @action."
