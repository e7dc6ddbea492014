"""For what tests share though they may run in several processes: packages that are installed on first use."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time(place: Path) -> Iterator[None]:
    """Whoever comes while another process is in here with the same place waits."""
    name = hashlib.blake2b(bytes(place.resolve()), digest_size=8).hexdigest()
    descriptor = os.open(
        Path(tempfile.gettempdir(), f"relive-tests-{os.getuid()}-{name}"), os.O_RDWR | os.O_CREAT, 0o600
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
