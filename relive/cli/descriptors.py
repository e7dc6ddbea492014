"""How many files and connections this process may have open: as many as the system lets it have."""

from __future__ import annotations

from contextlib import suppress

from ..engine.limits import CONNECTIONS_MAX
from ..engine.server.descriptors import RESERVED, for_clients
from .output import say

FEW = 1_000


def descriptors_for_clients() -> int:
    """Raise the limit of this process; how many of them clients may hold."""
    import resource  # POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = CONNECTIONS_MAX + RESERVED
    if soft != unlimited and soft < wanted:
        with suppress(ValueError, OSError):  # There are systems that allow less than they say.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == unlimited else min(wanted, hard), hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = for_clients(soft if soft != unlimited else wanted)
    if most < FEW:
        say(f"this process may open {soft} files: {most} clients at most; raise the limit (ulimit -n) for more")
    return most
