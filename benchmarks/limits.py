"""What the machine and the libraries below us allow, measured when a figure is compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from time import perf_counter

from attrs import Factory, define
from relive.log.storage import FolderStorage

from .figures import MS, RATE, SECONDS, Limit, Measurement
from .processes import Processes
from .settings import Settings

APPEND_BYTES = 500
APPENDS_MIN = 20
PUSH_BYTES = 13_000
"""About as long as an update of 50 messages."""
FILE = "appends"
PUSH, READ = "push-", "read-"
READS = 5
CLIENTS = (1, 16, 64)


@define(eq=False)
class Limits:
    """The limits of one round, each measured once."""

    processes: Processes
    settings: Settings
    measured: dict[str, float] = Factory(dict[str, float])

    def measure_missing(self) -> None:
        """Those that no figure was compared with."""
        for name in (*map(echo_rate, CLIENTS), FSYNC_RATE):
            self.one(name)
        if not any(name.startswith(PUSH) for name in self.measured):
            self.measure_push(PUSH_BYTES)

    def value(self, limit: Limit) -> float:
        return sum(map(self.one, limit.names))

    def one(self, name: str) -> float:
        if name not in self.measured:
            self.measure(name)
        return self.measured[name]

    def measure(self, name: str) -> None:
        kind, _, argument = name.partition("-")
        if kind == "echo":
            # "echo-16" is a rate, "echo-16 p50" a time.
            self.measure_echo(int(argument.partition(" ")[0]))
        elif kind == "push":
            self.measure_push(int(argument))
        elif kind == "read":
            self.measure_read(int(argument))
        else:
            self.measure_fsync()

    def measure_echo(self, clients: int) -> None:
        with self.processes.echo() as server:
            result = self.processes.load("echo", server, seconds=self.settings.seconds, writers=clients)
        self.measured[echo_rate(clients)] = result["rate"]
        self.measured[echo_time(clients)] = result["answer_p50_ms"]

    def measure_push(self, message_bytes: int) -> None:
        with self.processes.echo() as server:
            result = self.processes.load(
                "push",
                server,
                seconds=self.settings.seconds,
                subscribers=self.settings.subscribers,
                push_bytes=message_bytes,
            )
        self.measured[push_rate(message_bytes)] = result["updates"]

    def measure_fsync(self) -> None:
        storage = FolderStorage(self.processes.new_folder())
        storage.create(FILE)
        data, took, start = b"x" * APPEND_BYTES, list[float](), perf_counter()
        while perf_counter() - start < self.settings.seconds / 2 or len(took) < APPENDS_MIN:
            before = perf_counter()
            storage.write(FILE, len(took) * APPEND_BYTES, data)
            storage.sync(FILE)
            took.append(perf_counter() - before)
        self.measured[FSYNC_RATE] = len(took) / sum(took)
        self.measured[FSYNC_TIME] = median(took) * 1e3
        storage.unlock()

    def measure_read(self, size: int) -> None:
        """Bytes that were written a moment ago, so that memory is measured and not the disk."""
        path = self.processes.new_folder() / FILE
        path.write_bytes(b"x" * size)
        took = []
        for _ in range(READS):
            before = perf_counter()
            path.read_bytes()
            took.append(perf_counter() - before)
        self.measured[read_time(size)] = median(took)
        path.unlink()

    def measurements(self) -> Iterator[Measurement]:
        for name, value in self.measured.items():
            unit = SECONDS if name.startswith(READ) else MS if name.endswith("p50") else RATE
            yield Measurement("limits", name, value, unit)


def echo_rate(clients: int) -> str:
    return f"echo-{clients}"


def echo_time(clients: int) -> str:
    return f"echo-{clients} p50"


def push_rate(message_bytes: int) -> str:
    return f"{PUSH}{message_bytes}"


def read_time(size: int) -> str:
    return f"{READ}{size}"


FSYNC_RATE, FSYNC_TIME = "fsync", "fsync p50"
