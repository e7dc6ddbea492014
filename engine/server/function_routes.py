"""Routes that run functions.

    POST /api/query, /api/mutation, /api/action      of one kind
    POST /api/function, /api/run/...                 of any kind
    POST /api/query_ts, /api/query_at_ts             several reads of one moment
    POST /api/query_batch                            the same in one request

A function that fails is answered with status 200 and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...log.entry import LSN
from ...protocol import json, paths, timestamps
from ...protocol.close import ErrorClass, Refused
from ...protocol.errors import InvalidValue
from ...protocol.results import ActionSuccess, FunctionFailure, MutationSuccess, QueryFailure, QueryResult, QuerySuccess
from ..database import Database
from ..errors import FunctionNotFound, TooLongAgo
from ..execution.calls import Call, Outcome, path_of
from ..execution.calls import Request as MutationRequest
from ..execution.system_functions import power_for
from .access import KEY_NEEDED, Access, Caller, cause_of, require
from .bodies import answer, bad_body, json_body, raw
from .formats import FORMATS, default_format_of, failure_json, success_json
from .history_routes import Past, Question, encoded, time_text

QUERIES_PER_BATCH_MAX = 1_000


def routes(database: Database, access: Access, past: Past) -> list[Route]:
    functions = Functions(database, access, past)
    return [
        Route("/api/query", functions.query, methods=["GET", "POST"]),
        Route("/api/mutation", functions.mutation, methods=["POST"]),
        Route("/api/action", functions.action, methods=["POST"]),
        Route("/api/function", functions.function, methods=["POST"]),
        Route("/api/run/{path:path}", functions.run, methods=["POST"]),
        Route("/api/query_ts", functions.query_ts, methods=["POST"]),
        Route("/api/query_at_ts", functions.query_at_ts, methods=["POST"]),
        Route("/api/query_batch", functions.query_batch, methods=["POST"]),
    ]


@define(eq=False)
class Body:
    """What a request asks for, checked."""

    call: Call
    encode: Callable[[bytes], bytes]
    """From Convex JSON to the format asked for."""
    ts: int | None

    @property
    def request(self) -> MutationRequest:
        """Without a session: sent again, it runs again."""
        return MutationRequest(self.call.cause, None, 0)


@define(eq=False)
class Functions:
    database: Database
    access: Access
    past: Past

    async def query(self, request: Request) -> Response:
        if request.method == "GET":
            caller = await self.access.caller(request)
            body = self.body_of(request, caller, self.tree_of_parameters(request))
        else:
            body = await self.body(request)
        return await self.run_query(body)

    async def mutation(self, request: Request) -> Response:
        return await self.run_mutation(await self.body(request))

    async def action(self, request: Request) -> Response:
        return await self.run_action(await self.body(request))

    async def function(self, request: Request) -> Response:
        """Any function, internal ones too; for holders of the admin key."""
        self.access.require_admin(request, "run")
        return await self.run_any(await self.body(request))

    async def run(self, request: Request) -> Response:
        module, _, function = request.path_params["path"].rpartition("/")
        if not (module and function):
            problem = "name the module and the function, as /api/run/messages/list"
            raise Refused(ErrorClass.BAD_REQUEST, "MissingIdentifier", problem)
        tree = await json_body(request)
        tree["path"] = f"{module}:{function}"
        caller = await self.access.caller(request)
        return await self.run_any(self.body_of(request, caller, tree, default_format="json"))

    async def run_any(self, body: Body) -> Response:
        try:
            kind = self.database.executor.kind_of(body.call)
        except FunctionNotFound:
            kind = "query"  # Running it will say that there is none.
        match kind:
            case "mutation":
                return await self.run_mutation(body)
            case "action":
                return await self.run_action(body)
        return await self.run_query(body)

    async def query_ts(self, request: Request) -> Response:
        """The newest moment that can be read again and again for a while."""
        tail = self.database.runtime.tail
        ts = tail.head_ts
        await self.database.runtime.wait_durable(tail.head)
        return answer({"ts": timestamps.to_wire(ts)})

    async def query_at_ts(self, request: Request) -> Response:
        body = await self.body(request)
        if body.ts is None:
            raise Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", "`ts` is missing: ask /api/query_ts for one")
        if body.ts > self.database.runtime.tail.head_ts:
            problem = "`ts` is of a moment that has not come yet: ask /api/query_ts for one"
            raise Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", problem)
        try:
            overlay, lsn = self.database.past(body.ts)
        except TooLongAgo:
            if not body.call.admin or self.past.ask is None:
                raise
            return await self.long_ago(body, body.ts)
        evaluated = self.database.executor.query(body.call, overlay, lsn)
        return await self.queried(evaluated.result, evaluated.lsn, body)

    async def long_ago(self, body: Body, ts: int) -> Response:
        """Of a moment that is not held any more: from the log, with the code of now."""
        args = body.call.args[0] if isinstance(body.call.args, list) and body.call.args else body.call.args or {}
        found = await self.past.answer(Question(body.call.path, args, time_text(ts), "now"))
        return raw(encoded(found, body.encode))

    async def query_batch(self, request: Request) -> Response:
        tree = await json_body(request)
        queries = tree.get("queries")
        if not isinstance(queries, list) or len(queries) > QUERIES_PER_BATCH_MAX:
            problem = f"`queries` is an array of at most {QUERIES_PER_BATCH_MAX} queries"
            raise Refused(ErrorClass.BAD_REQUEST, "BadJsonBody", problem)
        caller = await self.access.caller(request)
        bodies = [self.body_of(request, caller, query) for query in queries]
        # No suspension in between: all of them are of one moment.
        found = [self.database.live.once(body.call) for body in bodies]
        await self.database.runtime.wait_durable(self.database.runtime.tables.position)
        results = [query_json(result, body) for (result, _), body in zip(found, bodies, strict=True)]
        return raw(b'{"results":[' + b",".join(results) + b"]}")

    async def run_query(self, body: Body) -> Response:
        result, lsn = self.database.live.once(body.call)
        return await self.queried(result, lsn, body)

    async def queried(self, result: QueryResult, lsn: LSN, body: Body) -> Response:
        await self.database.runtime.wait_durable(lsn)
        return raw(query_json(result, body))

    async def run_mutation(self, body: Body) -> Response:
        done: Outcome = self.database.executor.mutate(body.call, body.request)
        await self.database.runtime.wait_durable(done.lsn)
        if isinstance(done.outcome, MutationSuccess):
            return raw(success_json(body.encode(done.outcome.result), done.outcome.log_lines))
        return raw(failed_json(done.outcome, body))

    async def run_action(self, body: Body) -> Response:
        """If the client goes away, the action goes on."""
        outcome = await self.database.actions.start(body.call, body.request).wait()
        if isinstance(outcome, ActionSuccess):
            return raw(success_json(body.encode(outcome.result), outcome.log_lines))
        return raw(failed_json(outcome, body))

    async def body(self, request: Request) -> Body:
        caller = await self.access.caller(request)
        return self.body_of(request, caller, await json_body(request))

    def tree_of_parameters(self, request: Request) -> dict[str, Any]:
        parameters = request.query_params
        try:
            args = json.parse(parameters.get("args", "{}"))
        except InvalidValue as error:
            raise Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", f"`args`: {error.problem}") from None
        tree: dict[str, Any] = {"path": parameters.get("path"), "args": args}
        if "format" in parameters:
            tree["format"] = parameters["format"]
        return tree

    def body_of(self, request: Request, caller: Caller, tree: object, default_format: str | None = None) -> Body:
        """Raises Refused, and InvalidPath if the function's name cannot be one."""
        if not isinstance(tree, dict):
            raise bad_body("a call is a JSON object")
        path = tree.get("path")
        if not isinstance(path, str):
            raise bad_body("`path` names the function, as `module:function`")
        args = tree.get("args", {})
        format_ = tree.get("format") or default_format or default_format_of(request.headers.get("convex-client", ""))
        encode = FORMATS.get(format_) if isinstance(format_, str) else None
        if encode is None:
            problem = f"format {format_!r} is none of {', '.join(FORMATS)}"
            raise Refused(ErrorClass.BAD_REQUEST, "BadFormat", problem)
        ts = None
        if tree.get("ts") is not None:
            try:
                ts = timestamps.from_wire(str(tree["ts"]))
            except InvalidValue as error:
                raise Refused(ErrorClass.BAD_REQUEST, "BadQueryArgs", str(error)) from None
        name = path_of(component_of(tree, caller.admin), path)
        paths.parse(name)
        if caller.admin and (power := power_for(name)) is not None:
            require(power, caller.powers)
        return Body(Call(name, args, caller.admin, cause=cause_of(request), identity=caller.identity), encode, ts)


def component_of(tree: dict[str, Any], admin: bool) -> str | None:
    """Raises Refused unless it is the app itself, or an admin asks."""
    component = tree.get("componentPath")
    if not component:
        return None
    if not isinstance(component, str):
        raise bad_body("`componentPath` is a string")
    if not admin:
        raise Refused(ErrorClass.FORBIDDEN, "BadDeployKey", f"`componentPath`: {KEY_NEEDED}")
    return component


def query_json(result: QueryResult, body: Body) -> bytes:
    if isinstance(result, QuerySuccess):
        return success_json(body.encode(result.value), result.log_lines)
    return failed_json(result, body)


def failed_json(failure: QueryFailure | FunctionFailure, body: Body) -> bytes:
    data = body.encode(failure.data) if failure.data is not None else None
    return failure_json(failure.message, data, failure.log_lines)
