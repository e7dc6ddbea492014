"""What is wrong with a run of an app of somebody's own.

Four classes, each told apart by its checker:

    invariant     what the author says must be true is not
    function      a function does not come out the same, or fails as only a bug does
    server        what relive promises is not kept: answers, what is shown, recovery
    liveness      somebody waits for ever
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from ...log.entry import Entry
from ...protocol import json
from ..checkers import liveness, processes
from ..checkers.violation import Violation
from ..errors import InvariantFailed
from ..history import History
from ..plan import DISK_FULL, HALF_OPEN, SYNC_LIES
from ..run import Run
from ..trace import Answered, Asked, Phase, Seen, Shown, Unlike
from .declarations import Declared
from .replayed import Replayed
from .state import State

INVARIANT: Final = "invariant"
FUNCTION: Final = "function"
SERVER: Final = "server"
IRREPRODUCIBLE: Final = "does not come out the same"
UNCAUGHT = re.compile(r"Uncaught (\w+)")
REFUSED_BY_DISK: Final = "WritesRefused"
PROBE: Final = "sometimes "


@define(eq=False)
class Checks:
    run: Run
    declared: Declared
    replayed: Replayed
    violations: list[Violation] = field(factory=list)
    unwritten: dict[int, list[tuple[int, str, Asked, int]]] = field(factory=dict)
    """Requests that were answered and are not in the log, by the entry as of which they were."""
    asked_of: dict[str, tuple[bytes | None, str]] = field(factory=dict)
    """What each query says as of the entry that is being looked at."""

    def all(self) -> list[Violation]:
        # Checkers of the simulator that look at the trace alone.
        history = History(self.run)
        self.violations += [*processes.check(history), *liveness.check(history)]
        for entry in self.replayed.twice:
            problem = f"entry {entry.lsn}, {entry.function}, is of a request that has an entry already"
            self.violations.append(Violation(SERVER, "a request happens once", problem))
        self.violations += self.answers()
        self.follow_log()
        # What goes wrong first comes first.
        return sorted(self.violations, key=lambda each: (order_of(each), each.event is None, each.event or 0))

    # What clients were answered.

    def answers(self) -> Iterator[Violation]:
        asked: dict[tuple[int, int], Asked] = {}
        kinds = self.run.plan.fault_kinds()
        for position, (_, event) in enumerate(self.run.trace.events):
            if isinstance(event, Unlike):
                yield Violation(SERVER, "recovery builds what the log says", event.problem, position)
            elif isinstance(event, Asked):
                asked[event.client, event.request] = event
            elif isinstance(event, Answered):
                yield from self.answer(position, event, asked[event.client, event.request], kinds)

    def answer(self, position: int, answer: Answered, asked: Asked, kinds: frozenset[str]) -> Iterator[Violation]:
        entry = self.replayed.entry_of(answer.client, answer.request)
        who = f"request {answer.request} of client {answer.client}, {asked.path} with {shown_args(asked.args)}"
        if answer.ts is None:
            if entry is not None and HALF_OPEN not in kinds:
                problem = f"{who} failed, and is entry {entry.lsn}"
                yield Violation(SERVER, "what failed is not in the log", problem, position)
            yield from self.failure(position, who, answer, DISK_FULL in kinds)
        elif entry is None:
            self.unwritten.setdefault(self.replayed.lsn_at(answer.ts), []).append((position, who, asked, answer.ts))
        elif entry.lsn > self.replayed.durable[position]:
            problem = f"{who} was answered when entry {entry.lsn} was not on the disk yet"
            yield Violation(SERVER, "nothing is acknowledged before it is durable", problem, position)
        elif (entry.ts, entry.result) != (answer.ts, answer.result):
            problem = f"{who} was answered {answer.result!r} at {answer.ts}; entry {entry.lsn} says otherwise"
            yield Violation(SERVER, "an answer is what the log says", problem, position)

    def failure(self, position: int, who: str, answer: Answered, disk_was_full: bool) -> Iterator[Violation]:
        text = answer.result.decode()
        if answer.is_application_error or (disk_was_full and REFUSED_BY_DISK in text):
            return
        yield failed(f"{who}:", text, position)

    # What the log says.

    def follow_log(self) -> None:
        replayed, written, states = self.replayed, self.replayed.written_at(), self.replayed.states()
        shown, lsn = replayed.shown(), 0
        entry: Entry | None = None
        self.look_at(shown.get(0, []), 0)
        for entry, difference in replayed.steps():
            lsn, position = entry.lsn, written.get(entry.lsn)
            if difference is not None:
                problem = (
                    f"entry {lsn}, {entry.function}: {difference.what} {difference.recorded}; "
                    f"run again, {difference.again}"
                )
                self.violations.append(
                    Violation(FUNCTION, f"{entry.function} comes out the same again", problem, position)
                )
            state = states(entry, position)
            for each in self.declared.invariants:
                self.hold(each.name, each.holds, state, f"after entry {lsn}, {entry.function}", position)
            for every in self.declared.sometimes:
                if self.truth(every.name, every.holds, state):
                    self.run.trace.probe(f"{PROBE}{every.name}")
            self.look_at(shown.get(lsn, []), lsn)
            self.look_for_lost(lsn)
        if entry is not None:
            self.look_at_end(entry, states(entry, None))

    def look_for_lost(self, lsn: int) -> None:
        """What was acknowledged and is not in the log must have written nothing."""
        if self.run.plan.fault_kinds() & {SYNC_LIES} or self.run.plan.knobs.follower_lag:
            return  # A disk that lies loses what it confirmed; what ran behind is not as of that entry.
        for position, who, asked, ts in self.unwritten.get(lsn, []):
            if not self.replayed.wrote_nothing(asked.path, asked.args, ts):
                problem = f"{who} was acknowledged as of entry {lsn}, where it writes, and is no entry"
                self.violations.append(Violation(SERVER, "what was acknowledged is in the log", problem, position))

    def look_at_end(self, entry: Entry, state: State) -> None:
        if not any(event == Phase("settled") for _, event in self.run.trace.events):
            return  # It never came to rest, which is a violation of its own.
        for each in self.declared.eventually:
            self.hold(each.name, each.holds, state, f"{each.within_s} s after all was well", None)

    def look_at(self, shown: list[tuple[int, Shown]], lsn: int) -> None:
        self.asked_of.clear()
        for position, event in shown:
            for seen in event.seen:
                self.look_at_one(position, event, seen, lsn)

    def look_at_one(self, position: int, event: Shown, seen: Seen, lsn: int) -> None:
        if seen.value is None:
            if UNCAUGHT.search(seen.error):
                self.violations.append(failed(f"{seen.path} with {shown_args(seen.args)}:", seen.error, position))
            return
        question = f"{seen.path} {seen.args}"
        known = self.asked_of.get(question)
        if known is None:
            reading = self.replayed.ask(seen.path, seen.args, event.ts)
            known = self.asked_of[question] = (reading.value, reading.problem)
        if known[0] != seen.value and not is_page(seen):
            problem = (
                f"client {event.client} shows {seen.value!r} for {question}; as of entry {lsn} it is "
                f"{known[0] if known[0] is not None else known[1]!r}"
            )
            self.violations.append(Violation(SERVER, "what is shown is what the query says", problem, position))
        for each in self.declared.shown:
            if each.path == seen.path:
                where = f"as client {event.client} was shown it, with {shown_args(seen.args)}"
                self.hold(each.name, each.holds, json.to_json(json.decode(seen.value)), where, position)

    # What the author says.

    def hold(self, name: str, holds: Callable[[Any], object], subject: Any, where: str, position: int | None) -> None:
        """Note the first time that it does not hold.  Raises InvariantFailed if it cannot be said."""
        if any(each.checker == INVARIANT and each.invariant == name for each in self.violations):
            return
        try:
            problem = "it is not so" if holds(subject) is False else None
        except AssertionError as error:
            problem = f"{error}".strip() or asserted(error)
        except Exception as error:
            raise InvariantFailed(
                name, line_of(error, self.declared.file), f"{type(error).__name__}: {error}"
            ) from error
        if problem is not None:
            self.violations.append(Violation(INVARIANT, name, f"{where}: {problem}", position))

    def truth(self, name: str, holds: Callable[[Any], object], subject: State) -> bool:
        try:
            return bool(holds(subject))
        except AssertionError:
            return False
        except Exception as error:
            raise InvariantFailed(
                name, line_of(error, self.declared.file), f"{type(error).__name__}: {error}"
            ) from error


def failed(who: str, text: str, position: int) -> Violation:
    """A function has raised what it was not meant to."""
    found = UNCAUGHT.search(text)
    kind = found[1] if found is not None else "error"
    path = re.search(r"[\w/]+:\w+", who)
    function = path[0] if path is not None else "a function"
    if kind == "Irreproducible" or IRREPRODUCIBLE in text:
        return Violation(FUNCTION, f"{function} comes out the same again", f"{who} {text}", position)
    return Violation(FUNCTION, f"{function} raises no {kind}", f"{who} {text}", position)


def order_of(violation: Violation) -> int:
    """What the author says comes first, then the functions, then what follows from either."""
    return {INVARIANT: 0, FUNCTION: 1}.get(violation.checker, 2)


def is_page(seen: Seen) -> bool:
    """Where a page ends is known to its journal alone."""
    return any(isinstance(value, dict) and "numItems" in value for value in seen.args.values())


def shown_args(args: dict[str, Any]) -> str:
    return json.dump(json.to_json(json.decode(json.encode(args)))).decode() if args else "no arguments"


def asserted(error: AssertionError) -> str:
    """The line that asserts."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return frame.line or "an assertion without a text"


def line_of(error: BaseException, file: Path | None) -> str:
    """The last line of the author's file, whatever that has called; of anything, if it was none of that file."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = [each for each in frames if file is not None and each.filename == str(file.absolute())][-1:] or frames[-1:]
    return f"{frame[0].filename}, line {frame[0].lineno}"
