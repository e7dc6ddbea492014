"""The load, as a process of its own: ``python -m benchmarks.loads '{"load": ...}'`` prints its result.

Everything runs in one loop over sockets.  A writer sends its next request when it has all answers to
the last; a subscriber notes the newest message of each update.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Protocol

from attrs import Factory, define, field, frozen

from .websocket import Link
from .wire import ANY_CHANNEL, LISTED, PING_BYTES, Channel, WrongAnswer, connected, newest, require_exact

WARM_UP = 0.15
"""Part of the measured time that goes before it and does not count."""
DRAIN_S_MAX = 20.0
RESPONSE, SUCCESS = b'{"type":"MutationR', b'"success":true'
MUTATION_ANSWERS = 2
"""MutationResponse and Transition."""


@frozen
class Spec:
    load: str
    port: int
    seconds: float
    writers: int = 1
    channels: tuple[str, ...] = ()
    subscribers: int = 0
    push_bytes: int = 0
    """Length of a pushed message, for the limit of fan-out."""


class Reader(Protocol):
    link: Link

    def readable(self) -> None: ...


@define(eq=False)
class Writer:
    link: Link
    channels: Sequence[Channel]
    """Written in turn."""
    answers: int
    """Messages that answer a request."""
    watched: bool = False
    """Whether somebody tells the channels what has arrived."""
    sent: int = 0
    owed: int = 0
    sent_at: float = 0.0
    took: list[float] = Factory(list[float])
    running: bool = True

    def send(self) -> None:
        channel = self.channels[self.sent % len(self.channels)]
        data = channel.write(self.sent)
        self.sent += 1
        self.owed = self.answers
        self.sent_at = perf_counter()
        if self.watched:
            channel.pending.append(self.sent_at)
        self.link.send(data)

    def readable(self) -> None:
        for message in self.link.receive():
            if len(message) == PING_BYTES:
                continue
            if message.startswith(RESPONSE) and SUCCESS not in message:
                raise WrongAnswer(message.decode())
            self.owed -= 1
        if not self.owed:
            self.took.append(perf_counter() - self.sent_at)
            if self.running:
                self.send()


@define(eq=False)
class Subscriber:
    link: Link
    channel: Channel | None
    """None if what arrives is not looked at."""
    alone: bool
    """The channel has no other subscriber, so arrivals are its."""
    latest: bytes
    number: int = -1
    updates: int = 0

    def readable(self) -> None:
        for message in self.link.receive():
            if len(message) == PING_BYTES:
                continue
            self.updates += 1
            self.latest = message
            if self.channel is None:
                continue
            number = newest(message)
            if number < self.number:
                raise WrongAnswer(f"an update went back from {self.number} to {number}")
            self.number = number
            if self.alone:
                self.channel.arrived(number)


@define(eq=False)
class Loop:
    selector: DefaultSelector = Factory(DefaultSelector)
    cpu_s: float = field(init=False, default=0.0)

    def add(self, reader: Reader) -> None:
        self.selector.register(reader.link.socket, EVENT_READ, reader.readable)

    def turn(self) -> None:
        events = self.selector.select(1.0)
        for key, _ in events:
            key.data()

    def run(self, seconds: float) -> float:
        """The time it really took."""
        start, cpu = perf_counter(), time.process_time()
        end = start + seconds
        while perf_counter() < end:
            self.turn()
        now = perf_counter()
        self.cpu_s = (time.process_time() - cpu) / (now - start)
        return now - start

    def until(self, condition: Callable[[], bool], what: str) -> None:
        end = perf_counter() + DRAIN_S_MAX
        while not condition():
            if perf_counter() > end:
                raise WrongAnswer(f"{what} has not happened within {DRAIN_S_MAX:.0f} s")
            self.turn()


Result = dict[str, float]


def measure(loop: Loop, writers: list[Writer], subscribers: list[Subscriber], seconds: float) -> Result:
    """Warm up, measure, then wait for all answers and for every subscriber to be exact."""
    for writer in writers:
        writer.send()
    loop.run(seconds * WARM_UP)
    channels = list({id(s.channel): s.channel for s in subscribers if s.channel is not None}.values())
    for took_so_far in [writer.took for writer in writers] + [channel.took for channel in channels]:
        took_so_far.clear()
    updates = sum(subscriber.updates for subscriber in subscribers)
    took = loop.run(seconds)
    updates = sum(subscriber.updates for subscriber in subscribers) - updates
    answered = [each for writer in writers for each in writer.took]
    arrived = [each for channel in channels for each in channel.took]
    finish(loop, writers, subscribers)
    return {
        "rate": len(answered) / took,
        "updates": updates / took,
        "update_bytes": float(max((len(s.latest) for s in subscribers), default=0)),
        "client_cpu": loop.cpu_s,
        **spread("answer", answered),
        **spread("arrival", arrived),
    }


def finish(loop: Loop, writers: list[Writer], subscribers: list[Subscriber]) -> None:
    for writer in writers:
        writer.running = False
    loop.until(lambda: not any(writer.owed for writer in writers), "the answer to a request")
    watching = [(s, s.channel) for s in subscribers if s.channel is not None]
    loop.until(lambda: all(s.number == channel.number for s, channel in watching), "the newest update")
    for subscriber, channel in watching:
        require_exact(subscriber.latest, channel)


def spread(name: str, seconds: list[float]) -> Result:
    if not seconds:
        return {}
    p99 = quantiles(seconds, n=100)[98] if len(seconds) > 1 else seconds[0]
    return {f"{name}_p50_ms": median(seconds) * 1e3, f"{name}_p99_ms": p99 * 1e3}


def mutations(spec: Spec) -> Result:
    """Writers that nobody watches."""
    loop, writers = Loop(), []
    for index in range(spec.writers):
        channel = Channel(spec.channels[index % len(spec.channels)], LISTED - 1)
        writers.append(Writer(connected(spec.port)[0], [channel], MUTATION_ANSWERS))
        loop.add(writers[-1])
    return measure(loop, writers, [], spec.seconds)


def echo(spec: Spec) -> Result:
    """The same frames, each answered by itself."""
    loop, writers = Loop(), []
    for _ in range(spec.writers):
        writers.append(Writer(Link.open(spec.port, "/echo"), [Channel(ANY_CHANNEL, 0)], answers=1))
        loop.add(writers[-1])
    return measure(loop, writers, [], spec.seconds)


def push(spec: Spec) -> Result:
    """One writer; each of its frames makes the server send a long message to every subscriber."""
    loop, subscribers = Loop(), []
    for _ in range(spec.subscribers):
        subscribers.append(Subscriber(Link.open(spec.port, "/watch"), None, alone=False, latest=b""))
        loop.add(subscribers[-1])
    writer = Writer(Link.open(spec.port, f"/push/{spec.push_bytes}"), [Channel(ANY_CHANNEL, 0)], answers=1)
    loop.add(writer)
    return measure(loop, [writer], subscribers, spec.seconds)


def fan_out(spec: Spec) -> Result:
    """One writer, all subscribers watch its channel."""
    loop, channel = Loop(), Channel(spec.channels[0], LISTED - 1)
    subscribers = [subscribe(loop, spec, channel, alone=False) for _ in range(spec.subscribers)]
    writer = Writer(connected(spec.port)[0], [channel], MUTATION_ANSWERS)
    loop.add(writer)
    return measure(loop, [writer], subscribers, spec.seconds)


def channels(spec: Spec) -> Result:
    """As many subscribers as channels, each with its own; writers share the channels out."""
    loop, watched = Loop(), [Channel(each, LISTED - 1) for each in spec.channels]
    subscribers = [subscribe(loop, spec, channel, alone=True) for channel in watched]
    writers = []
    for index in range(spec.writers):
        own = watched[index :: spec.writers]
        writers.append(Writer(connected(spec.port)[0], own, MUTATION_ANSWERS, watched=True))
        loop.add(writers[-1])
    return measure(loop, writers, subscribers, spec.seconds)


def notify(spec: Spec) -> Result:
    """One write at a time: the next one when the answer and the update have both arrived."""
    loop, channel = Loop(), Channel(spec.channels[0], LISTED - 1)
    subscriber = subscribe(loop, spec, channel, alone=True)
    writer = Writer(connected(spec.port)[0], [channel], MUTATION_ANSWERS, watched=True, running=False)
    loop.add(writer)
    start = perf_counter()
    measured_from = start + spec.seconds * WARM_UP
    warm = True
    while perf_counter() < measured_from + spec.seconds:
        if warm and perf_counter() > measured_from:
            warm = False
            channel.took.clear()
        writer.send()
        loop.until(lambda: not writer.owed and channel.seen == channel.number, "the update")
    arrived = channel.took
    finish(loop, [writer], [subscriber])
    return {"rate": len(arrived) / spec.seconds, **spread("arrival", arrived)}


def subscribe(loop: Loop, spec: Spec, channel: Channel, *, alone: bool) -> Subscriber:
    link, first = connected(spec.port, channel.id)
    subscriber = Subscriber(link, channel, alone, first, newest(first))
    loop.add(subscriber)
    return subscriber


LOADS: dict[str, Callable[[Spec], Result]] = {
    "mutations": mutations,
    "echo": echo,
    "push": push,
    "fan_out": fan_out,
    "channels": channels,
    "notify": notify,
}


def raise_open_files() -> None:
    """A socket is a file; the usual limit of 256 or 1,024 would be too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8_192 if hard == resource.RLIM_INFINITY else min(8_192, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    spec = Spec(**{**given, "channels": tuple(given.get("channels", ()))})
    raise_open_files()
    gc.disable()  # A collection here would look like a slow answer.
    print(json.dumps(LOADS[spec.load](spec)))


if __name__ == "__main__":
    main()
