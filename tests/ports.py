"""Ports for servers that tests start as processes of their own."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator

HOST = "127.0.0.1"

# Below the ports that systems give to outgoing connections (32,768 on Linux), so that no client of
# another test takes one between the look here and the start of the server, or while it is restarted.
FIRST, LAST = 12_000, 32_000


def free_port() -> int:
    """A port that nobody serves, and nor the next one, where a server puts its HTTP actions."""
    with ONE_AT_A_TIME:
        return next(PORTS)


def free_ports() -> Iterator[int]:
    """Those that are free when asked for, none twice.

    Test processes of one run share none; runs beside each other begin at different places.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = range(FIRST + 2 * worker, LAST, 2 * workers)
    start = random.SystemRandom().randrange(len(mine))
    yield from filter(is_free, [*mine[start:], *mine[:start]])
    raise RuntimeError(f"no two ports in a row are free from {FIRST} to {LAST}: end what serves them")


def is_free(port: int) -> bool:
    try:
        with socket.socket() as first, socket.socket() as second:
            first.bind((HOST, port))
            second.bind((HOST, port + 1))
    except OSError:
        return False
    return True


PORTS = free_ports()
ONE_AT_A_TIME = threading.Lock()
