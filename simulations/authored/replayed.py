"""A run laid over its log: the state after each entry, as the log tells it, and every function run again on it.

entry ──> run again on the state before ── compared ── what the entry says
     └──> applied ──> the state after it ──> queries, and the author's invariants
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from attrs import Factory, define, field

from ...actors.definition import BY_CREATION_TIME
from ...engine.application.app import App
from ...engine.data.documents import to_value
from ...engine.env import Env
from ...engine.history.past_query import Asked as Reading
from ...engine.history.past_query import ask
from ...engine.history.reexecution import Difference, compare, handler_of, run_again
from ...engine.history.replica import Replica
from ...log.entry import BEFORE_FIRST, Entry, KeyRange, Kind
from ...log.memory import MemoryStorage
from ...log.reader import LogReader
from ...protocol import json
from ..client import session_id
from ..process import SECRET
from ..run import Run
from ..trace import Answered, Asked, Shown, Started, Wrote
from .drawing import functions_of
from .state import State

Calls = dict[str, list[dict[str, Any]]]


@define(eq=False)
class Replayed:
    run: Run
    app: App
    replica: Replica = field(init=False)
    times: list[int] = Factory(list[int])
    """Of each entry, by its place in the log."""
    durable: list[int] = Factory(list[int])
    """Before each event: the newest entry that had been written."""
    by_request: dict[tuple[bytes, int], Entry] = Factory(dict)
    twice: list[Entry] = Factory(list[Entry])
    """Entries of requests that had one already."""
    read_by: dict[str, tuple[KeyRange, ...]] = Factory(dict)
    """What each query read when it was asked the last time."""

    def __attrs_post_init__(self) -> None:
        nothing = LogReader(MemoryStorage(), [], lambda: BEFORE_FIRST)
        self.replica = Replica(nothing, SECRET, self.app, pinned=True)
        durable = 0
        for _, event in self.run.trace.events:
            self.durable.append(durable)
            if isinstance(event, Wrote | Started):
                durable = event.lsn
        for entry in self.run.entries:
            self.times.append(entry.ts)
            if entry.session is not None and entry.request is not None:
                if (entry.session, entry.request) in self.by_request:
                    self.twice.append(entry)
                self.by_request[entry.session, entry.request] = entry

    def lsn_at(self, ts: int) -> int:
        """The newest entry at that time."""
        return bisect_right(self.times, ts)

    def entry_of(self, client: int, request: int) -> Entry | None:
        return self.by_request.get((session_id(self.run.plan.seed, client), request))

    def steps(self) -> Iterator[tuple[Entry, Difference | None]]:
        """Each entry: what came out differently when it was run again; the state is then that after it."""
        for entry in self.run.entries:
            difference = None
            if entry.kind is Kind.MUTATION:
                endpoint, _ = handler_of(self.replica, entry)
                if endpoint is not None:
                    again = run_again(self.replica, entry, endpoint)
                    difference = again if isinstance(again, Difference) else compare(entry, again)
            self.replica.apply(entry)
            yield entry, difference

    def wrote_nothing(self, path: str, args: dict[str, Any], ts: int) -> bool:
        """Whether a mutation, run now, changes nothing; one that raises is not said to."""
        endpoint = self.app.endpoints[path]
        attempt = self.replica.attempt("mutation", Env(lambda: ts, bytes))
        try:
            attempt.drive(endpoint, lambda: endpoint.bind(json.from_json(json.to_json(args))))
        except KeyboardInterrupt:
            raise
        except BaseException:  # A handler may raise anything.
            return False
        return not attempt.wrote()

    def table(self, name: str) -> list[dict[str, Any]]:
        """Raises LookupError: a name that is none would make whatever is said of its documents true."""
        if name not in self.app.tables:
            raise LookupError(f"there is no table {name!r}; there are {', '.join(sorted(self.app.tables))}")
        found = self.replica.tables.table(name).indexes[BY_CREATION_TIME].entries
        values: list[Any] = [to_value(version.document) for version in found.values()]
        return values

    def ask(self, path: str, args: dict[str, Any], ts: int) -> Reading:
        """What a query says now."""
        reading = ask(self.replica, path, args, ts)
        self.read_by[path] = reading.reads
        return reading

    def shown(self) -> dict[int, list[tuple[int, Shown]]]:
        """What clients were shown, with its place in the trace, by the entry as of which it was."""
        found: dict[int, list[tuple[int, Shown]]] = {}
        for position, (_, event) in enumerate(self.run.trace.events):
            if isinstance(event, Shown):
                found.setdefault(self.lsn_at(event.ts), []).append((position, event))
        return found

    def written_at(self) -> dict[int, int]:
        """The place in the trace at which each entry became durable."""
        found: dict[int, int] = {}
        known = 0
        for position, (_, event) in enumerate(self.run.trace.events):
            if isinstance(event, Started):
                known = min(known, event.lsn)
            if isinstance(event, Started | Wrote):
                found |= dict.fromkeys(range(known + 1, event.lsn + 1), position)
                known = max(known, event.lsn)
        return found

    def states(self) -> Callable[[Entry, int | None], State]:
        """Makes the state after an entry, as of an event; asked in the order of the events."""
        mutations = functions_of(self.app, "mutation")
        attempted: Calls = {path: [] for path in mutations}
        acked: Calls = {path: [] for path in mutations}
        done, asked = 0, dict[tuple[int, int], Asked]()
        told = set[tuple[int, int]]()

        def state(entry: Entry, position: int | None) -> State:
            nonlocal done
            stop = position if position is not None else len(self.run.trace.events)
            for _, event in self.run.trace.events[done:stop]:
                if isinstance(event, Asked):
                    asked[event.client, event.request] = event
                    attempted[event.path].append(event.args)
                elif isinstance(event, Answered) and event.ts is not None:
                    # A client that was cut off asks again, and is told again what it had been told.
                    if (event.client, event.request) in told:
                        continue
                    told.add((event.client, event.request))
                    call = asked[event.client, event.request]
                    acked[call.path].append(call.args)
            done = max(done, stop)
            return State(entry.lsn, entry.function, entry.ts, self.table, attempted, acked)

        return state
