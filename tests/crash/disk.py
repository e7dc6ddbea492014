"""What a power failure leaves of a folder: what was confirmed, and of the rest whatever chance will have.

`kill -9` alone keeps all that was written, for the system has it. So after some kills the harness takes
away what no fsync has confirmed: the ends of files, names of files, new names of files.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

from attrs import Factory, define


@define
class Disk:
    """The disk under the folder ``data``, as the notes of `witness/sitecustomize.py` in ``record`` tell it."""

    data: Path
    record: Path
    sizes: dict[int, int] = Factory(dict[int, int])
    """Confirmed length, by inode."""
    looked_ns: dict[int, int] = Factory(dict[int, int])
    """When that was so, by inode: what was there by then is confirmed."""
    names: dict[int, dict[str, int]] = Factory(dict[int, dict[str, int]])
    """Confirmed names and their inodes, by inode of the folder."""

    def cut(self, draw: Random) -> None:
        """The power fails.  No process may be writing."""
        self.follow()
        for folder, _, files in os.walk(self.data, topdown=False):
            confirmed = self.names.get(os.stat(folder).st_ino, {})
            for name in sorted(files):
                path = Path(folder, name)
                if self.keeps_name(path, confirmed, draw):
                    self.lose_end(path, draw)

    def follow(self) -> None:
        """Read what was noted since the last time.  Each note is one write: a kill does not tear it."""
        if not self.record.exists():
            return
        for line in self.record.read_text().splitlines():
            note = json.loads(line)
            if note["at"] < self.looked_ns.get(note["inode"], 0):
                continue  # Two threads have synced it, and the one that had looked first was told last.
            self.looked_ns[note["inode"]] = note["at"]
            self.sizes[note["inode"]] = note["size"]
            if note["names"] is not None:
                self.names[note["inode"]] = note["names"]
        self.record.write_bytes(b"")

    def keeps_name(self, path: Path, confirmed: dict[str, int], draw: Random) -> bool:
        """What was put in the place of another file stays: that one is gone for good here."""
        inode = path.stat().st_ino
        if path.name in confirmed or draw.random() < 0.5:
            return True
        former = [name for name, known in confirmed.items() if known == inode]
        if former and not (path.parent / former[0]).exists():
            path.rename(path.parent / former[0])
        elif not former:
            path.unlink()
        return False

    def lose_end(self, path: Path, draw: Random) -> None:
        found = path.stat()
        safe = self.sizes.get(found.st_ino, 0)
        if safe < found.st_size:
            os.truncate(path, draw.choice((safe, draw.randint(safe, found.st_size), found.st_size)))
