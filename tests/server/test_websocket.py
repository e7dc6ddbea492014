"""The sync protocol over a real websocket, as the official clients speak it and as nobody should."""

from __future__ import annotations

import base64
import json
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
import trio
from relive.engine.server import listener
from relive.log.entry import FIRST_LSN
from relive.protocol import limits
from relive.protocol.close import TRY_AGAIN_LATER
from relive.protocol.errors import ProtocolError
from trio_websocket import ConnectionRejected

from .harness import ADMIN_KEY, PATIENCE_S, Client, Json, Running, add, eventually, masked, remove, shake_hands, ts_of

NO_CODE = 1005
TOO_BIG = 1009
INTERNAL_ERROR = 1011


@pytest.mark.parametrize("path", ["/api/1.48.0/sync", "/api/sync", "/api/0.1.0-alpha.1/sync", "/api/sync?x=1"])
async def test_websockets_are_served_with_and_without_a_version_in_the_path(running: Running, path: str) -> None:
    async with running.client(path) as client:
        await client.watch(0, "counters:get", name="a")
        await client.transition()

        assert client.value(0) == 0.0


async def test_a_version_header_wins_over_the_path(running: Running) -> None:
    async with running.client("/api/rubbish/sync", [(b"Convex-Client", b"python-0.8.1")]) as client:
        await client.modify()

        assert (await client.transition())["endVersion"]["querySet"] == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/rubbish/sync", 400, "InvalidClientVersion"),
        ("/api/1.48/sync", 400, "InvalidClientVersion"),
        ("/api/1.48.0/async", 404, "NotFound"),
        ("/sync", 404, "NotFound"),
        ("/", 404, "NotFound"),
    ],
)
async def test_other_paths_are_refused_in_json(running: Running, path: str, status: int, code: str) -> None:
    with pytest.RaisesGroup(ConnectionRejected, flatten_subgroups=True) as caught:
        async with running.client(path):
            raise AssertionError("it was accepted")
    rejected = caught.value.exceptions[0]
    while isinstance(rejected, BaseExceptionGroup):
        rejected = rejected.exceptions[0]
    assert isinstance(rejected, ConnectionRejected)

    assert rejected.status_code == status
    assert rejected.body is not None
    assert json.loads(rejected.body)["code"] == code


async def test_a_broken_handshake_is_answered_and_forgotten(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_S_MAX", 0.1)
    async with await running.raw() as stream:
        await stream.send_all(b"GET /api/sync HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")

        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")
    await eventually(lambda: not running.server.streams)


async def test_a_client_that_never_says_connect_is_served(running: Running) -> None:
    async with running.client() as client:
        await client.authenticate("None")
        await client.watch(0, "counters:get", name="a")

        assert (await client.answered(0, "counters:add", name="a"))["result"] == 1.0
        await client.until(lambda: client.value(0) == 1.0)
        assert client.version["identity"] == 1


async def test_an_empty_modification_moves_the_version(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await client.modify()
        transition = await client.transition()

        assert transition["modifications"] == []
        assert transition["endVersion"]["querySet"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "rubbish",
        "",
        "null",
        "[]",
        '"text"',
        "{}",
        '{"type":"Nonsense"}',
        '{"type":"Transition"}',
        '{"type":"Mutation"}',
        '{"type":"Mutation","requestId":-1,"udfPath":"counters:add","args":[]}',
        '{"type":"Mutation","requestId":4294967296,"udfPath":"counters:add","args":[]}',
        '{"type":"Connect","sessionId":"no uuid","connectionCount":0}',
        '{"type":"ModifyQuerySet","baseVersion":1,"newVersion":2,"modifications":[]}',
        '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":0,"modifications":[]}',
        '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Remove","queryId":1}]}',
        '{"type":"Authenticate","baseVersion":3,"tokenType":"None"}',
        '{"type":"Event","eventType":"x","event":' + "[" * 5000 + "]" * 5000 + "}",
        '{"type":"Event","event":' + '{"a":' * 100_000,
    ],
    ids=lambda text: text[:40] or "empty",
)
async def test_what_breaks_the_protocol_is_fatal_and_closes_without_a_code(running: Running, text: str) -> None:
    async with running.client() as client:
        await client.websocket.send_message(text)

        assert (await client.next())["type"] == "FatalError"
        assert await client.closed() == NO_CODE


async def test_an_emoji_cut_in_two_fails_the_call_and_not_the_connection(running: Running) -> None:
    async with running.client() as client:
        half = '{"type":"Mutation","requestId":0,"udfPath":"counters:add","args":[{"name":"\\ud83d"}]}'
        await client.websocket.send_message(half)
        response = await client.response()
        await client.transition()
        add = '{"type":"Add","queryId":0,"udfPath":"counters:get","args":[{"name":"\\ud83d"}]}'
        modify = '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[%s]}'
        await client.websocket.send_message(modify % add)
        (update,) = (await client.transition())["modifications"]

        for message in (response["result"], update["errorMessage"]):
            assert "lone surrogate" in message
            assert "(at $.name)" in message
        assert (await client.answered(1, "counters:add", name="a"))["success"]


async def test_a_binary_message_is_fatal(running: Running) -> None:
    async with running.client() as client:
        await client.websocket.send_message(b'{"type":"Event"}')

        assert (await client.next())["type"] == "FatalError"
        assert await client.closed() == NO_CODE


async def test_a_ping_that_crosses_the_close_harms_nobody(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    async with running.client() as bystander, await running.raw() as stream:
        await shake_hands(stream)
        await stream.send_all(masked(b"rubbish"))
        await stream.receive_some()
        await stream.send_all(masked(b"ping", 0x89))
        while await stream.receive_some():
            pass

        assert (await bystander.answered(0, "counters:add", name="a"))["success"]
    assert caplog.text == ""


async def test_what_was_asked_before_a_fatal_message_is_answered(running: Running) -> None:
    async with running.client() as client:
        running.disk.close()
        await client.mutate(0, "counters:add", name="a")
        await client.websocket.send_message("rubbish")
        await eventually(lambda: running.disk.waiting == 1)
        running.disk.open()

        assert (await client.response())["success"]
        assert (await client.transition())["modifications"] == []
        assert (await client.next())["type"] == "FatalError"


async def test_two_megabytes_of_arguments_are_taken(running: Running) -> None:
    async with running.client() as client:
        response = await client.answered(0, "values:length", text="x" * 2_000_000)

        assert response["result"] == 2_000_000.0


async def test_more_than_the_largest_message_is_too_big(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.MESSAGE_BYTES_MAX == 64 * 2**20
    monkeypatch.setattr(limits, "MESSAGE_BYTES_MAX", 1_000_000)
    async with running.client() as client:
        await client.mutate(0, "values:length", text="x" * 1_000_000)

        assert await client.closed() == TOO_BIG


async def test_what_a_client_has_sent_goes_with_it(running: Running) -> None:
    async with running.client() as client:
        await client.watch(0, "counters:get", name="a")
        await client.transition()
        (socket,) = running.server.sockets
        await client.send({"type": "Mutation", "requestId": "x" * 1_000_000})
        assert await client.closed() == NO_CODE
    await eventually(lambda: not running.server.sockets)

    connection, failure = socket.connection, socket.connection.failure
    assert isinstance(failure, ProtocolError)
    assert (failure.__traceback__, failure.__cause__, failure.__context__) == (None, None, None)
    assert connection.session.queries == {}
    assert connection.wake != socket.wake, "a circle is only found by the garbage collector, which seldom looks"


async def test_the_arguments_of_all_queries_of_a_client_are_limited(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relive.engine.server.connection.QUERY_ARGS_BYTES_MAX", 10_000)
    async with running.client() as client:
        for query_id in range(20):
            await client.watch(query_id, "counters:get", name="x" * 6_000)
            await client.transition()
            await client.modify(remove(query_id))
            await client.transition()
        await client.watch(20, "counters:get", name="x" * 6_000)
        await client.watch(21, "counters:get", name="x" * 6_000)

        assert await client.closed() == TRY_AGAIN_LATER


async def test_a_message_of_endless_empty_pieces_is_not_waited_for(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relive.engine.server.socket.FRAGMENTS_MAX", 10_000)
    async with await running.raw() as stream:
        await shake_hands(stream)
        await stream.send_all(masked(b"", 0x01) + masked(b"", 0x00) * 10_000)
        received = b""
        with trio.fail_after(PATIENCE_S):
            while b"TooManyFragments" not in received:
                received += await stream.receive_some()


async def test_a_mutation_is_answered_before_the_transition_that_shows_it(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await client.watch(0, "counters:get", name="a")
        await client.transition()
        for request_id in range(5):
            await client.mutate(request_id, "counters:add", name="a")
        answered: list[Json] = []
        while client.value(0) != 5.0:
            message = await client.next()
            if message["type"] == "MutationResponse":
                answered.append(message)
            shown = ts_of(client.version["ts"])
            assert shown <= max((ts_of(response["ts"]) for response in answered), default=shown)

        assert [(response["requestId"], response["result"]) for response in answered] == [
            (n, n + 1.0) for n in range(5)
        ]


@pytest.mark.parametrize("path", ["counters:touch", "counters:add_and_fail", "values:crash_writing", "no:such"])
async def test_every_mutation_is_followed_by_a_transition(running: Running, path: str) -> None:
    async with running.client() as client:
        await client.connect()
        arguments = {"name": "a"} if path == "counters:add_and_fail" else {}
        await client.mutate(0, path, **arguments)
        response = await client.response()
        transition = await client.transition()

        assert transition["modifications"] == []
        assert response["success"] is (path == "counters:touch")
        if response["success"]:
            assert ts_of(transition["endVersion"]["ts"]) >= ts_of(response["ts"])


async def test_an_application_error_carries_its_data_and_leaves_nothing(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        response = await client.answered(0, "counters:add_and_fail", name="a")

        assert response["errorData"] == {"name": "a"}
        assert "Uncaught ConvexError" in response["result"]
        await client.watch(0, "counters:get", name="a")
        await client.transition()
        assert client.value(0) == 0.0


async def test_an_ordinary_failure_has_no_error_data(running: Running) -> None:
    async with running.client() as client:
        response = await client.answered(0, "values:crash_writing")

        assert "errorData" not in response
        assert "Uncaught ValueError: the mutation broke" in response["result"]
        assert response["result"].startswith("[Request ID: ")


@pytest.mark.parametrize(
    ("path", "args", "text"),
    [
        ("no:such", [{}], "Could not find public function for 'no:such'."),
        ("rubbish path !", [{}], "Could not find public function"),
        ("counters:add_secretly", [{"name": "a"}], "Could not find public function for 'counters:add_secretly'."),
        ("counters:get", [{"name": "a"}], "Trying to execute counters.js:get as Mutation, but it is defined as Query."),
        ("counters:add", [{"name": 5}], "$.name"),
        ("counters:add", [{"name": "a", "amount": "five"}], "$.amount"),
        ("counters:add", [{}], "name"),
        ("counters:add", [{"name": "a"}, {"name": "b"}], "one object"),
        ("counters:add", ["text"], "ArgumentValidationError"),
        ("counters:add", [{"name": {"$integer": "rubbish"}}], "$.name"),
        ("counters:add", [{"name": 2**70}], "$.name"),
    ],
)
async def test_a_call_that_cannot_work_fails_and_the_socket_stays(
    running: Running, path: str, args: list[object], text: str
) -> None:
    async with running.client() as client:
        await client.connect()
        await client.send({"type": "Mutation", "requestId": 0, "udfPath": path, "args": args})
        response = await client.response()

        assert response["success"] is False
        assert text in response["result"]
        await client.transition()
        query = "counters:add" if path == "counters:get" else path
        await client.modify({"type": "Add", "queryId": 0, "udfPath": query, "args": args})
        await client.transition()
        assert client.results[0]["type"] == "QueryFailed"
        assert (await client.answered(1, "counters:add", name="b"))["result"] == 1.0


async def test_an_action_is_answered_with_a_failure(running: Running) -> None:
    async with running.client() as client:
        for request_id, path in enumerate(["no:such", "counters:add"]):
            await client.send({"type": "Action", "requestId": request_id, "udfPath": path, "args": [{}]})
            response = await client.response()
            assert response["type"] == "ActionResponse"
            assert response["requestId"] == request_id
            assert response["success"] is False
            assert "ts" not in response
            await client.transition()

        assert "as Action, but it is defined as Mutation" in response["result"]


async def test_a_component_path_names_nothing(running: Running) -> None:
    async with running.client() as client:
        await client.modify(add(0, "counters:get", name="a") | {"componentPath": "other"})
        await client.transition()

        assert "Could not find" in client.results[0]["errorMessage"]


async def test_the_admin_key_opens_internal_functions_until_it_is_laid_down(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        await client.watch(0, "counters:get_secretly", name="a")
        await client.transition()
        assert client.results[0]["type"] == "QueryFailed"

        await client.authenticate("Admin", ADMIN_KEY)
        assert (await client.transition())["endVersion"]["identity"] == 1
        assert client.value(0) == 0.0
        assert (await client.answered(0, "counters:add_secretly", name="a"))["success"]

        await client.authenticate("None")
        await client.until(lambda: client.version["identity"] == 2)
        assert client.results[0]["type"] == "QueryFailed"
        assert not (await client.answered(1, "counters:add_secretly", name="a"))["success"]


async def test_an_identity_is_confirmed_without_queries(running: Running) -> None:
    async with running.client() as client:
        await client.authenticate("None")

        assert (await client.transition())["endVersion"]["identity"] == 1


@pytest.mark.parametrize(("kind", "value"), [("Admin", "happy-otter-123|wrong"), ("Admin", ""), ("User", "a.b.c")])
async def test_a_token_that_is_not_accepted_is_an_auth_error(running: Running, kind: str, value: str) -> None:
    async with running.client() as client:
        await client.authenticate("None")
        await client.transition()
        await client.authenticate(kind, value)
        message = await client.next()

        assert message["type"] == "AuthError"
        assert message["authUpdateAttempted"] is True
        assert message["baseVersion"] == 1
        assert await client.closed() == NO_CODE


async def test_a_client_from_the_future_is_sent_away(running: Running) -> None:
    async with running.client() as client:
        future = base64.b64encode((2**62).to_bytes(8, "little")).decode()
        await client.connect(maxObservedTimestamp=future)

        assert await client.closed() == INTERNAL_ERROR


async def test_a_request_sent_again_on_a_new_socket_is_answered_and_not_run_again(running: Running) -> None:
    async with running.client() as client:
        await client.connect()
        first = await client.answered(7, "counters:add_and_print", name="a")
    async with running.client() as client:
        await client.connect(connectionCount=1, maxObservedTimestamp=first["ts"])
        await client.watch(0, "counters:get", name="a")
        again = await client.answered(7, "counters:add_and_print", name="a")
        await client.until(lambda: client.value(0) == 1.0)

        assert again == first
        assert first["logLines"] == ["[LOG] 'adding to a'"]
        assert (await client.answered(8, "counters:add", name="a"))["result"] == 2.0
    mutations = [entry for entry in running.database.log.reader.entries(FIRST_LSN) if entry.function]
    assert [entry.request for entry in mutations] == [7, 8]
    assert {entry.session for entry in mutations} == {UUID("7f5ba1a8-35a4-4c9d-9c1b-0123456789ab").bytes}


async def test_a_failed_request_sent_again_is_run_again(running: Running) -> None:
    for _ in range(2):
        async with running.client() as client:
            await client.connect()
            assert not (await client.answered(1, "counters:add_and_fail", name="a"))["success"]


async def test_the_same_request_of_two_sessions_runs_twice(running: Running) -> None:
    results = []
    for session in ("7f5ba1a8-35a4-4c9d-9c1b-0123456789ab", "00000000-0000-4000-8000-000000000000"):
        async with running.client() as client:
            await client.connect(session)
            results.append((await client.answered(0, "counters:add", name="a"))["result"])

    assert results == [1.0, 2.0]


async def test_two_clients_see_the_same_order(running: Running) -> None:
    seen: list[list[str]] = []

    async def talk(client: Client, name: str) -> None:
        await client.watch(0, "messages:list", channel="c")
        for request_id in range(20):
            await client.mutate(request_id, "messages:send", channel="c", body=f"{name}{request_id}")
        shown: list[str] = []
        while len(shown) < 40:
            await client.next()
            if client.value(0) is not None:
                assert client.value(0)[: len(shown)] == shown, "what was shown stays"
                shown = client.value(0)
        seen.append(shown)

    async with running.client() as one, running.client() as other, trio.open_nursery() as nursery:
        nursery.start_soon(talk, one, "one")
        nursery.start_soon(talk, other, "other")

    assert seen[0] == seen[1]
    for name in ("one", "other"):
        assert [body for body in seen[0] if body.startswith(name)] == [f"{name}{number}" for number in range(20)]


async def test_a_query_is_run_once_for_all_who_watch_it_and_again_only_when_its_range_is_written(
    running: Running,
) -> None:
    live = running.database.live
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(running.client()) for _ in range(5)]
        for client in clients:
            await client.modify(add(0, "counters:get", name="a"), add(1, "counters:get", name="a"))
            await client.transition()
            assert client.value(0) == client.value(1) == 0.0
        assert live.evaluations == 1

        await clients[0].answered(0, "counters:add", name="b")
        await clients[0].answered(1, "messages:send", channel="c", body="x")
        assert live.evaluations == 1

        await clients[0].mutate(2, "counters:add", name="a")
        for client in clients:
            await client.until(lambda client=client: client.value(0) == 1.0 == client.value(1))  # type: ignore[misc]
        assert live.evaluations == 2
    # Nobody watches any more; what is left is kept for whoever asks next.
    await eventually(lambda: live.subscriptions.queries.keys() == live.kept.keys())


async def test_a_result_that_has_not_changed_is_not_sent_again(running: Running) -> None:
    async with running.client() as client:
        await client.watch(0, "values:while_even", name="a")
        await client.transition()
        await client.mutate(0, "counters:add", name="a", amount=0)
        assert (await client.response())["success"]

        assert (await client.transition())["modifications"] == []


async def test_a_live_query_may_fail_and_recover(running: Running) -> None:
    async with running.client() as client:
        await client.watch(0, "values:while_even", name="a")
        await client.transition()
        assert client.value(0) == 0.0
        await client.answered(0, "counters:add", name="a")
        await client.until(lambda: client.results[0]["type"] == "QueryFailed")
        assert client.results[0]["errorData"] is None
        await client.answered(1, "counters:add", name="a")

        await client.until(lambda: client.value(0) == 2.0)


async def test_what_is_added_is_answered_and_what_is_removed_too(running: Running) -> None:
    async with running.client() as client:
        await client.modify(add(0, "counters:get", name="a"), remove(0), add(1, "counters:get", name="b"))
        transition = await client.transition()
        assert [(m["type"], m["queryId"]) for m in transition["modifications"]] == [
            ("QueryRemoved", 0),
            ("QueryUpdated", 1),
        ]
        await client.modify(remove(1), add(1, "counters:get", name="c"))
        transition = await client.transition()

        assert {(m["type"], m["queryId"]) for m in transition["modifications"]} >= {("QueryUpdated", 1)}
        assert client.value(1) == 0.0


async def test_a_fresh_socket_is_told_every_result_again(running: Running) -> None:
    for _ in range(2):
        async with running.client() as client:
            await client.connect()
            await client.watch(0, "counters:get", name="a")
            await client.transition()
            assert client.value(0) == 0.0


async def test_a_large_transition_comes_in_pieces_to_those_who_know_them(running: Running) -> None:
    async with running.client("/api/1.28.0/sync") as client:
        await client.watch(0, "values:text", characters=6_000_000)
        with trio.fail_after(20):
            text = await client.websocket.get_message()
        assert isinstance(text, str)
        first = json.loads(text)
        assert (first["type"], first["partNumber"], first["totalParts"]) == ("TransitionChunk", 0, 3)
        client.pieces.append(first["chunk"])
        await client.transition()

        assert len(client.value(0)) == 6_000_000
        await client.answered(0, "counters:add", name="text")
        await client.until(lambda: client.value(0)[0] == "1")


@pytest.mark.parametrize("path", ["/api/1.27.9/sync", "/api/sync"])
async def test_a_large_transition_comes_in_frames_that_every_client_takes(running: Running, path: str) -> None:
    async with await running.raw() as stream:
        await shake_hands(stream, path)
        modify = (
            b'{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,'
            b'"udfPath":"values:text","args":[{"characters":8000000}]}]}'
        )
        await stream.send_all(masked(modify))
        frames = bytearray()
        while not frames.endswith(b"]}"):
            part = await stream.receive_some(2**20)
            assert part, "the server closed the connection"
            frames += part
        message, shapes = b"", []
        while frames:
            assert frames[1] == 127, "no frame is short"
            length = int.from_bytes(frames[2:10], "big")
            shapes.append((frames[0], length))
            message += frames[10 : 10 + length]
            frames = frames[10 + length :]

    assert [first for first, _ in shapes] == [0x01, 0x80]
    assert all(length <= 8 * 2**20 for _, length in shapes)
    assert json.loads(message)["modifications"][0]["value"] == "0" + "é" * 7_999_999
