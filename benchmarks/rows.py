"""The rows of the table: what each starts, loads and reads off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from attrs import frozen

from .figures import KB, MB, MS, RATE, SECONDS, Aim, Limit, Measurement
from .limits import CLIENTS, FSYNC_TIME, echo_rate, echo_time, push_rate, read_time
from .processes import Processes, Server
from .settings import Settings
from .wire import LISTED, connected, fill

Measure = Callable[[Processes, Settings], Iterator[Measurement]]

CHANNEL_WRITERS = 16
DOCUMENTS_PER_CHANNEL = 1_000
IDLE_SUBSCRIBERS_FACTOR = 2
SETTLE_S = 0.3
"""After connecting, before memory is read: tasks that connecting started have ended."""
ONE_WRITE = Limit((FSYNC_TIME, echo_time(1)))


@frozen
class Row:
    name: str
    title: str
    measure: Measure
    every_round: bool = True


def in_process(processes: Processes, settings: Settings) -> Iterator[Measurement]:
    for where, data in (("memory", None), ("folder", processes.new_folder())):
        result = processes.in_process(settings.seconds, data)
        named = partial(Measurement, "in-process", unit=RATE)
        yield named(f"mutations (send), {where}", result["send"])
        yield named(f"mutations (get_or_create), {where}", result["get_or_create"])
        yield named(f"queries (list {LISTED}), {where}", result["list_newest"])
        yield named(f"queries (page of {LISTED}), {where}", result["first_page"])
        yield named(f"queries (count), {where}", result["count"])
        yield named(f"queries (list {LISTED}, kept), {where}", result["list_kept"])


def mutations(clients: int, processes: Processes, settings: Settings) -> Iterator[Measurement]:
    with processes.relive() as server:
        channel = prepare(server, 1)
        result = processes.load("mutations", server, seconds=settings.seconds, writers=clients, channels=channel)
    aim = Aim(0.5, at_least=True) if clients == 64 else None
    note = f"p50 {result['answer_p50_ms']:.2f} ms, p99 {result['answer_p99_ms']:.2f} ms; {client_share(result)}"
    limit = Limit((echo_rate(clients),))
    yield Measurement(
        f"mutations-{clients}",
        f"mutations, {clients} {'client' if clients == 1 else 'clients'}",
        result["rate"],
        RATE,
        limit,
        aim=aim,
        note=note,
    )


def notify(processes: Processes, settings: Settings) -> Iterator[Measurement]:
    with processes.relive() as server:
        channel = prepare(server, 1)
        result = processes.load("notify", server, seconds=settings.seconds, channels=channel)
    named = partial(Measurement, "notify", unit=MS, limit=ONE_WRITE)
    note = f"{result['rate']:,.0f} writes/s"
    yield named("write to update, p50", result["arrival_p50_ms"], aim=Aim(3, at_least=False), note=note)
    yield named("write to update, p99", result["arrival_p99_ms"])


def fan_out(processes: Processes, settings: Settings) -> Iterator[Measurement]:
    with processes.relive() as server:
        channel = prepare(server, 1)
        result = processes.load(
            "fan_out", server, seconds=settings.seconds, channels=channel, subscribers=settings.subscribers
        )
    # Rounded, so that the limit has one name in all rounds.
    update_bytes = round(result["update_bytes"] / 1e3) * 1_000
    note = f"{result['rate']:,.0f} writes/s, {update_bytes // 1_000} kB each; {client_share(result)}"
    name = f"updates to {settings.subscribers} subscribers"
    yield Measurement("fan-out", name, result["updates"], RATE, Limit((push_rate(update_bytes),)), note=note)


def channels(processes: Processes, settings: Settings) -> Iterator[Measurement]:
    with processes.relive() as server:
        watched = prepare(server, settings.subscribers)
        writers = min(CHANNEL_WRITERS, len(watched))
        result = processes.load("channels", server, seconds=settings.seconds, channels=watched, writers=writers)
    name = f"writes, {len(watched)} live queries"
    note = f"{result['updates']:,.0f} updates/s; {client_share(result)}"
    limit = Limit((echo_rate(CHANNEL_WRITERS),))
    yield Measurement("channels", name, result["rate"], RATE, limit, note=note)
    named = partial(Measurement, "channels", unit=MS, limit=ONE_WRITE)
    yield named("write to update, p50", result["arrival_p50_ms"])
    yield named("write to update, p99", result["arrival_p99_ms"])


def restart(processes: Processes, settings: Settings) -> Iterator[Measurement]:
    data = processes.new_folder() / "data"
    count = max(settings.documents // DOCUMENTS_PER_CHANNEL, 1)
    named = partial(Measurement, "restart")
    documents = f"{settings.documents:,} documents"
    with processes.relive(data) as server:
        yield named("first answer, nothing stored", server.first_answer(), SECONDS)
        empty = server.resident_kib()
        yield named("resident, nothing stored", empty / 1024, MB)
        fill(server.port, count, settings.documents // count)
        yield named(f"resident after writing {documents}", server.resident_kib() / 1024, MB)
    log = data / "log"
    without, full = restarted(processes, settings, data)
    yield named(f"first answer, {documents}", without, SECONDS, reading(size_of(log)), note=f"log {megabytes(log)}")
    checkpoint = processes.checkpoint(data)
    start = [path for path in log.iterdir() if path.name > checkpoint] if checkpoint else list(log.iterdir())
    read = sum(path.stat().st_size for path in start) + (size_of(log / checkpoint) if checkpoint else 0)
    note = f"checkpoint {megabytes(log / checkpoint)}" if checkpoint else "no segment was full: without one, again"
    with_one, _ = restarted(processes, settings, data)
    yield named(f"first answer, {documents}, checkpoint", with_one, SECONDS, reading(read), note=note)
    yield named(f"resident after a restart, {documents}", full / 1024, MB)
    yield named("resident per idle subscriber", idle_subscriber_kib(processes, settings), KB)


def restarted(processes: Processes, settings: Settings, data: Path) -> tuple[float, int]:
    """Seconds to the first answer, and resident kibibytes after it."""
    times: list[float] = []
    for _ in range(settings.rounds):
        with processes.relive(data) as server:
            times.append(server.first_answer())
            full = server.resident_kib()
    return median(times), full


def search(processes: Processes, settings: Settings) -> Iterator[Measurement]:
    result = processes.searching(settings.documents, settings.seconds)
    listed = result.pop("range")
    texts = f"{settings.documents:,} texts"
    yield Measurement("search", f"range reads of 20, {texts}", listed, RATE)
    for word, value in result.items():
        note = f"{value / listed:.4f} of the range reads"
        yield Measurement("search", f"searches for the {word} word, 20 taken, {texts}", value, RATE, note=note)


def reading(size: int) -> Limit:
    """The time to read so many bytes, rounded, so that the limit has one name in all rounds."""
    return Limit((read_time(max(round(size / 1e6), 1) * 1_000_000),))


def size_of(place: Path) -> int:
    return sum(path.stat().st_size for path in place.iterdir()) if place.is_dir() else place.stat().st_size


def megabytes(place: Path) -> str:
    return f"{size_of(place) / 1e6:,.1f} {MB}"


def idle_subscriber_kib(processes: Processes, settings: Settings) -> float:
    """What each further subscriber of a query adds to a server that has done nothing else."""
    count = settings.subscribers * IDLE_SUBSCRIBERS_FACTOR
    # Not after a restart: subscribers would live in the memory that recovery has left free.
    with processes.relive() as server:
        (channel,) = prepare(server, 1)
        links = [connected(server.port, channel)[0]]
        before = server.resident_kib()
        links += [connected(server.port, channel)[0] for _ in range(count)]
        time.sleep(SETTLE_S)
        after = server.resident_kib()
        for link in links:
            link.close()
    return (after - before) / count


def prepare(server: Server, count: int) -> list[str]:
    """Channels that a result of the query already fills."""
    server.first_answer()
    return list(fill(server.port, count, LISTED))


def client_share(result: dict[str, float]) -> str:
    return f"load {result['client_cpu']:.0%} of a core"


ROWS = (
    Row("in-process", "functions called directly", in_process),
    *(Row(f"mutations-{n}", f"mutations, {n} at once", partial(mutations, n)) for n in CLIENTS),
    Row("notify", "from a write to the update of a subscriber", notify),
    Row("fan-out", "one writer, many subscribers of one query", fan_out),
    Row("channels", "many subscribers, each of another query", channels),
    Row("restart", "restart, and memory", restart, every_round=False),
    Row("search", "searches of text, beside range reads", search, every_round=False),
)
LIMITS = "limits"


def chosen(names: tuple[str, ...]) -> list[Row]:
    """The rows of these names; "mutations" means all rows whose names begin so.  Raises KeyError."""
    for name in names:
        if name != LIMITS and not any(named(row, name) for row in ROWS):
            raise KeyError(name)
    return [row for row in ROWS if not names or any(named(row, name) for name in names)]


def named(row: Row, name: str) -> bool:
    return row.name == name or row.name.startswith(f"{name}-")
