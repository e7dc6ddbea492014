"""Routes that ask queries about any moment of the past, for holders of the admin key.

    POST /api/past/query    {"path", "args", "at", "code": "then" or "now"}    what the query said then
    POST /api/past/why      the same       what it read, and the entry that last changed each range
    POST /api/past/state    {"table"?}     what is served, in few bytes: `relive replay` compares it with the log

``at`` is an LSN, or a time as text with its zone.  `/api/query_at_ts` uses the same for times of which the
server holds no snapshot any more.

The past is not read here: building the state of then takes time and memory, and its code must not meet
that of now.  Whoever runs the server says how it is asked (`AskPast`), in a process of its own.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from attrs import Factory, asdict, define, field, frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...protocol import json, paths
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import ReliveError
from ..database import Database
from ..execution.system_functions import power_for
from ..history.digests import Look, TableDigest
from .access import Access
from .bodies import answer, bad_body, json_body, raw
from .formats import FORMATS

AT_ONCE_MAX = 2
"""Questions that are worked on; others wait for their turn."""
WAITING_MAX = 20
ANSWER_S_MAX = 300.0
MOMENT = re.compile(r"[0-9][0-9A-Za-z:.+ -]{0,63}")
CODES = ("then", "now")
DEFAULT_FORMAT = "json"
NS_PER_S = 1_000_000_000


@frozen
class Question:
    path: str
    args: object
    """As they came, JSON."""
    at: str
    """An LSN, or a time with its zone."""
    code: str
    """Whose: of ``then`` or of ``now``."""
    why: bool = False
    """Also what it read."""


@define(auto_exc=True)
class PastRefused(ReliveError):
    """The question cannot be answered, and the text says why.  Ask another."""

    problem: str

    def __str__(self) -> str:
        return self.problem


AskPast = Callable[[Question], Awaitable[dict[str, Any]]]
"""The answer in the form in which HTTP answers, its value as Convex JSON.  Raises PastRefused."""


@define(eq=False)
class Past:
    """Asks, not too much at once; refuses where nobody can be asked."""

    database: Database
    ask: AskPast | None
    limiter: trio.CapacityLimiter = Factory(lambda: trio.CapacityLimiter(AT_ONCE_MAX))
    waiting: int = field(default=0, init=False)

    async def answer(self, question: Question) -> dict[str, Any]:
        """Raises Refused."""
        if self.ask is None:
            raise Refused(ErrorClass.BAD_REQUEST, "PastUnavailable", "this server keeps its log in memory only")
        if self.waiting >= WAITING_MAX:
            raise Refused(ErrorClass.OVERLOADED, "PastOverloaded", "too many questions about the past: try again")
        runtime = self.database.runtime
        self.waiting += 1
        try:
            with trio.fail_after(ANSWER_S_MAX):
                async with self.limiter:
                    await runtime.wait_durable(runtime.tail.head)
                    tree = await self.ask(question)
            # It has read the files, in which there may be more than is durable.
            await runtime.wait_durable(runtime.tail.head)
        except trio.TooSlowError:
            problem = (
                f"the past could not be read within {ANSWER_S_MAX:.0f} s: make a checkpoint, or use `relive run --at`"
            )
            raise Refused(ErrorClass.OVERLOADED, "PastTooSlow", problem) from None
        except PastRefused as error:
            raise Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", error.problem) from None
        finally:
            self.waiting -= 1
        return tree


def routes(past: Past, access: Access) -> list[Route]:
    history = History(past, access)
    return [
        Route("/api/past/query", history.query, methods=["POST"]),
        Route("/api/past/why", history.why, methods=["POST"]),
        Route("/api/past/state", history.state, methods=["POST"]),
    ]


@define(eq=False)
class History:
    past: Past
    access: Access

    async def query(self, request: Request) -> Response:
        return await self.asked(request, why=False)

    async def why(self, request: Request) -> Response:
        return await self.asked(request, why=True)

    async def state(self, request: Request) -> Response:
        """Digests of all tables as of one entry; or of each document of one table."""
        self.access.require_admin(request, "read")
        table = (await json_body(request)).get("table")
        database = self.past.database
        look = Look.at(database.runtime.tables, database.executor.codecs)
        documents: dict[str, str] = {}
        tables: dict[str, TableDigest] = {}
        for _ in look.documents(table, documents) if isinstance(table, str) else look.slices(tables):
            await trio.lowlevel.checkpoint()
        await database.runtime.wait_durable(look.lsn)
        trees = {name: asdict(each) for name, each in tables.items()}
        return answer({"lsn": look.lsn, "tables": trees, "documents": documents})

    async def asked(self, request: Request, *, why: bool) -> Response:
        self.access.require_admin(request, "read")
        tree = await json_body(request)
        encode, question = encoder_of(tree), question_of(tree, why=why)
        if (power := power_for(question.path)) is not None:
            self.access.require_admin(request, power)
        found = await self.past.answer(question)
        return raw(encoded(found, encode))


def question_of(tree: dict[str, Any], *, why: bool) -> Question:
    """Raises Refused, and InvalidPath if the function's name cannot be one."""
    path, args, at, code = tree.get("path"), tree.get("args", {}), tree.get("at"), tree.get("code", "then")
    if not isinstance(path, str):
        raise bad_body("`path` names the function, as `module:function`")
    if not isinstance(args, dict):
        raise bad_body("`args` is an object of named values")
    if type(at) is int and at >= 0:
        at = str(at)
    if not isinstance(at, str) or MOMENT.fullmatch(at) is None:
        raise bad_body('`at` is the LSN of an entry, or a time as "2026-09-20T14:03:00Z"')
    if code not in CODES or (why and code != "then"):
        raise bad_body('`code` is "then" or "now"' if not why else '`code` is "then" here')
    return Question(str(paths.parse(path)), args, at, code, why)


def encoder_of(tree: dict[str, Any]) -> Callable[[bytes], bytes]:
    """Raises Refused."""
    encode = FORMATS.get(tree.get("format", DEFAULT_FORMAT))
    if encode is None:
        raise Refused(ErrorClass.BAD_REQUEST, "BadFormat", f"`format` is one of {', '.join(FORMATS)}")
    return encode


def encoded(answer: dict[str, Any], encode: Callable[[bytes], bytes]) -> bytes:
    """With the value in the format asked for."""
    rest = {name: part for name, part in answer.items() if name != "value"}
    text = json.dump(rest)
    if "value" not in answer:
        return text
    return b'{"value":' + encode(json.dump(answer["value"])) + b"," + text[1:]


def time_text(ts: int) -> str:
    """Nanoseconds since the Unix epoch, to the last digit."""
    seconds, fraction = divmod(ts, NS_PER_S)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"
