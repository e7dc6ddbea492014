"""A process that appends to the log of a folder until it is killed, and prints what is durable."""

from __future__ import annotations

import sys
from pathlib import Path

from relive.log.storage import FolderStorage

from .samples import append, open_log


def main(folder: str) -> None:
    log = open_log(FolderStorage(Path(folder)), segment_bytes_max=20_000)
    while True:
        append(log, 1 + log.last_lsn % 7, document=bytes(300))
        print(log.writer.durable, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
