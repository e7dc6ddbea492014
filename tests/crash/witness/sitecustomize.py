"""Notes, in the process that is killed, what the disk has confirmed: `disk.py` takes the rest away.

Python imports a module of this name at its start, if it finds one.
"""

from __future__ import annotations

import json
import os
import stat
import time
from typing import Any

RECORD = os.environ.get("CRASH_SYNCED")
SYNC_S = float(os.environ.get("CRASH_SYNC_S", "0"))
"""How long the disk takes for each."""


def noted(sync: Any) -> Any:
    """As it is, with a line in the record before it returns."""

    def noting(target: Any) -> None:
        descriptor = target if isinstance(target, int) else target.fileno()
        looked_ns = time.monotonic_ns()
        found = os.fstat(descriptor)
        names: dict[str, int] | None = None
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(descriptor) as entries:
                names = {entry.name: entry.inode() for entry in entries}
        time.sleep(SYNC_S)
        sync(target)  # What was written by now is safe; what comes meanwhile need not be.
        line = json.dumps({"at": looked_ns, "inode": found.st_ino, "size": found.st_size, "names": names})
        os.write(record, f"{line}\n".encode())

    return noting


if RECORD is not None:
    record = os.open(RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.fsync = noted(os.fsync)
    os.fdatasync = noted(os.fdatasync)
