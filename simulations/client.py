"""A client: the `ClientSession` that ships, on a socket of the simulated network, doing what a plan says.

It comes back whenever its connection is lost, sends again what is not known to be visible, and writes down
all that its application would see.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import trio
from attrs import Factory, define, evolve

from ..protocol.client_session import INITIAL_CONNECT, ClientSession, MutationDone, Terminated
from ..protocol.client_wire import decode_server, encode_client
from ..protocol.errors import InvalidValue, ProtocolError
from ..protocol.messages import MutationResponse, QueryUpdated, ServerMessage, Transition
from ..protocol.results import MutationSuccess
from .network import Link
from .paging import ShownPage, followers, shown_page, splittable
from .plan import DEPLOY, MIGRATE, MORE, MUTATE, SPLIT, SUBSCRIBE, Operation
from .randomness import stream
from .trace import Answered, Asked, Done, Lost, Objected, Opened, Seen, Shown, Subscribed, Trace, Unsubscribed

Dial = Callable[[int], Link | None]
"""A connection for a client; None if nobody answers."""


def session_id(seed: int, number: int) -> bytes:
    """Of a client, for all its life."""
    return stream(seed, f"session {number}").randbytes(16)


def same(args: dict[str, Any]) -> dict[str, Any] | None:
    """As the plan says."""
    return args


@define(eq=False)
class Client:
    number: int
    session: ClientSession
    dial: Dial
    trace: Trace
    reconnect_s: float
    pipelined: bool
    operate: Callable[[Operation], None] = lambda operation: None
    """Asks whoever operates the server."""
    resolve: Callable[[dict[str, Any]], dict[str, Any] | None] = same
    """The arguments as they can be sent now; None if they cannot."""
    link: Link | None = None
    socket: int = 0
    paths: dict[int, Asked] = Factory(dict[int, Asked])
    """Of every request ever made."""
    queries: dict[int, Subscribed] = Factory(dict[int, Subscribed])
    subscribed: deque[int] = Factory(deque[int])
    has_done_all: bool = False
    settled: trio.Event = Factory(trio.Event)
    """Set, and made anew, whenever a mutation is done."""

    async def run(self, operations: tuple[Operation, ...]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.stay_connected)
            for operation in operations:
                await trio.sleep(operation.pause_ms / 1000)
                await self.act(operation)
            while self.session.unresolved:
                await self.settled.wait()
            self.has_done_all = True

    async def act(self, operation: Operation) -> None:
        args = self.resolve(operation.args)
        if args is None:
            return  # There is no document yet whose id could be sent.
        operation = evolve(operation, args=args)
        if operation.verb == MUTATE:
            request = self.session.mutate(operation.path, operation.args)
            self.paths[request] = Asked(self.number, request, operation.path, operation.args)
            self.trace.add(self.paths[request])
            self.flush()
            while not self.pipelined and request in self.session.unresolved:
                await self.settled.wait()
        elif operation.verb == SUBSCRIBE:
            self.subscribe(operation.path, operation.args)
        elif operation.verb == MORE:
            self.watch_more(operation.path, operation.args)
        elif operation.verb == SPLIT:
            for page in splittable(self.pages())[:1]:
                self.trace.probe("a page is split")
                for half in page.halves():
                    self.subscribe(*half)
                self.unsubscribe(page.query)
        elif operation.verb in (DEPLOY, MIGRATE):
            self.operate(operation)
        elif self.subscribed:
            self.unsubscribe(self.subscribed[0])

    def watch_more(self, path: str, args: dict[str, object]) -> None:
        """The next page; if there is none, the first one anew, which may end sooner by now, or this one."""
        pages = self.pages()
        following = followers(pages)
        if following:
            self.trace.probe("a page after another is watched")
            self.subscribe(*following[0])
        elif pages:
            self.unsubscribe(pages[0].query)
            self.subscribe(pages[0].path, pages[0].args)
        else:
            self.subscribe(path, args)

    def pages(self) -> list[ShownPage]:
        """Those that are watched, and what the application sees of them."""
        results = self.session.results
        return [
            page
            for query in self.subscribed
            if (page := shown_page(query, self.queries[query], results.get(query))) is not None
        ]

    def unsubscribe(self, query: int) -> None:
        self.subscribed.remove(query)
        self.session.unsubscribe(query)
        self.trace.add(Unsubscribed(self.number, query))
        self.flush()

    def subscribe(self, path: str, args: dict[str, object]) -> None:
        query = self.session.subscribe(path, args)
        self.subscribed.append(query)
        self.queries[query] = Subscribed(self.number, query, path, args)
        self.trace.add(self.queries[query])
        self.flush()

    async def stay_connected(self) -> None:
        reason = INITIAL_CONNECT
        while True:
            link = self.dial(self.number)
            if link is not None:
                self.socket += 1
                self.link = link
                self.trace.add(Opened(self.number, self.socket))
                self.session.opened(reason)
                self.flush()
                await self.listen(link)
                self.session.lost()
                self.link = None
                self.trace.add(Lost(self.number, self.socket))
                reason = "Closed"
            await trio.sleep(self.reconnect_s)

    def flush(self) -> None:
        for message in self.session.outgoing():
            assert self.link is not None, "only who is connected has something to send"
            self.link.to_server.send(encode_client(message))

    async def listen(self, link: Link) -> None:
        while (text := await link.to_client.receive()) is not None:
            try:
                self.hear(decode_server(text))
            except (ProtocolError, InvalidValue) as error:
                self.trace.add(Objected(self.number, str(error)))
                link.cut()
                return
            self.flush()

    def hear(self, message: ServerMessage) -> None:
        if isinstance(message, MutationResponse):
            self.note_answer(message)
        waiting = set(self.session.unconfirmed) if isinstance(message, Transition) else set()
        facts = self.session.receive(message)
        if isinstance(message, Transition):
            self.note_transition(tuple(sorted(waiting - self.session.unconfirmed.keys())))
        for fact in facts:
            if isinstance(fact, MutationDone):
                ts = fact.outcome.ts if isinstance(fact.outcome, MutationSuccess) else None
                self.trace.add(Done(self.number, fact.request_id, ts, self.session.version.ts))
                self.settled.set()
                self.settled = trio.Event()
            elif isinstance(fact, Terminated):
                self.trace.add(Objected(self.number, fact.error))

    def note_answer(self, message: MutationResponse) -> None:
        outcome = message.outcome
        if isinstance(outcome, MutationSuccess):
            self.trace.add(Answered(self.number, message.request_id, outcome.ts, outcome.result, False))
        else:
            text = outcome.message.encode()
            self.trace.add(Answered(self.number, message.request_id, None, text, outcome.data is not None))

    def note_transition(self, first: tuple[int, ...]) -> None:
        session = self.session
        seen = tuple(
            self.see(query)
            for query in session.queries
            if session.unconfirmed.get(query, 0) <= session.version.query_set
        )
        still = tuple(query for query in first if query in session.queries)
        self.trace.add(Shown(self.number, self.socket, session.version.ts, seen, still))

    def see(self, query: int) -> Seen:
        asked, result = self.queries[query], self.session.results.get(query)
        if query in self.session.unconfirmed or result is None:
            return Seen(query, asked.path, asked.args, None, "nothing was said")
        if isinstance(result, QueryUpdated):
            return Seen(query, asked.path, asked.args, result.value, "")
        return Seen(query, asked.path, asked.args, None, result.message)
