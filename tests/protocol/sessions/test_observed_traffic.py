"""What official clients were seen to send, and to understand, word for word."""

from __future__ import annotations

import json
from typing import Any

from relive.protocol.client_session import Changed, ClientSession, MutationDone
from relive.protocol.client_version import parse_client_version
from relive.protocol.client_wire import decode_server
from relive.protocol.messages import INITIAL_VERSION, AuthError, UserToken
from relive.protocol.requests import (
    Authenticated,
    Connected,
    Request,
    RunMutation,
    Subscribe,
    Unsubscribe,
)
from relive.protocol.results import MutationSuccess, QueryResult, QuerySuccess
from relive.protocol.server_session import ServerSession
from relive.protocol.timestamps import from_wire
from relive.protocol.wire import decode_client, encode_server

RECEIVED_MS = 1795330367403
EMPTY: QueryResult = QuerySuccess(b"[]", (), None)


class Socket:
    """A server's session fed with text, read as JSON."""

    def __init__(self, client: str) -> None:
        self.session = ServerSession(parse_client_version(client, None))

    def receive(self, text: str) -> tuple[Request, ...]:
        requests = self.session.receive(decode_client(text), RECEIVED_MS)
        self.session.check()
        return requests

    def transition(self, ts: str, results: dict[int, QueryResult], server_ts: int | None = None) -> Any:
        encoded = encode_server(self.session.transition(from_wire(ts), results, server_ts))
        decode_server(encoded)
        return json.loads(encoded)

    def answer_mutation(self, request_id: int, outcome: MutationSuccess) -> Any:
        encoded = encode_server(self.session.answer_mutation(request_id, outcome))
        decode_server(encoded)
        return json.loads(encoded)


def version(query_set: int, identity: int, ts: str) -> dict[str, object]:
    return {"querySet": query_set, "identity": identity, "ts": ts}


ZERO = version(0, 0, "AAAAAAAAAAA=")


def test_the_javascript_client_subscribes_mutates_and_unsubscribes() -> None:
    socket = Socket("npm-1.48.0")

    (connected,) = socket.receive(
        '{"connectionCount":0,"lastCloseReason":"InitialConnect","clientTs":1795330367709,"type":"Connect",'
        '"sessionId":"6f1fa716-ba7b-42df-ab0b-ab2bf2cbcd2a"}'
    )
    assert isinstance(connected, Connected)
    subscribed = socket.receive(
        '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":'
        '[{"type":"Add","queryId":0,"udfPath":"messages:list","args":[{}]}]}'
    )
    assert subscribed == (Subscribe(0, "messages:list", [{}], "", None),)
    assert socket.transition("TE9hYG5L6hg=", {0: EMPTY}, server_ts=1795330367405913437) == {
        "type": "Transition",
        "startVersion": ZERO,
        "endVersion": version(1, 0, "TE9hYG5L6hg="),
        "modifications": [
            {"type": "QueryUpdated", "queryId": 0, "value": [], "logLines": [], "journal": None},
        ],
        "clientClockSkew": 306,
        "serverTs": 1795330367405913437,
    }

    (run,) = socket.receive('{"type":"Mutation","requestId":0,"udfPath":"messages:send","args":[{"body":"hello"}]}')
    assert run == RunMutation(0, "messages:send", [{"body": "hello"}], "")
    committed = MutationSuccess(b'{"n":1.0}', from_wire("1H2WH3VL6hg="), ("[LOG] 'sent'",))
    assert socket.answer_mutation(0, committed) == {
        "type": "MutationResponse",
        "requestId": 0,
        "success": True,
        "result": {"n": 1.0},
        "ts": "1H2WH3VL6hg=",
        "logLines": ["[LOG] 'sent'"],
    }
    after = socket.transition("1H2WH3VL6hg=", {0: QuerySuccess(b'[{"_id":"m0"}]', (), None)})
    assert after["startVersion"] == version(1, 0, "TE9hYG5L6hg=")
    assert after["endVersion"] == version(1, 0, "1H2WH3VL6hg=")
    assert after["modifications"][0]["value"] == [{"_id": "m0"}]

    socket.receive(
        '{"type":"ModifyQuerySet","baseVersion":1,"newVersion":2,"modifications":'
        '[{"type":"Add","queryId":4,"udfPath":"messages:list","args":[{}]}]}'
    )
    socket.transition("1H2WH3VL6hg=", {4: EMPTY})
    (removed,) = socket.receive(
        '{"type":"ModifyQuerySet","baseVersion":2,"newVersion":3,"modifications":[{"type":"Remove","queryId":4}]}'
    )
    assert removed == Unsubscribe(4)
    last = socket.transition("1H2WH3VL6hg=", {})
    assert last["modifications"] == [{"type": "QueryRemoved", "queryId": 4}]
    assert (last["startVersion"]["querySet"], last["endVersion"]["querySet"]) == (2, 3)


def test_the_javascript_client_comes_back_after_a_lost_response() -> None:
    socket = Socket("npm-1.48.0")

    (connected,) = socket.receive(
        '{"connectionCount":1,"lastCloseReason":"InternalServerError","clientTs":1795330369000,"type":"Connect",'
        '"sessionId":"cc9d18d8-ba7b-42df-ab0b-ab2bf2cbcd2a","maxObservedTimestamp":"NYNJm4ZL6hg="}'
    )
    assert isinstance(connected, Connected)
    assert connected.max_observed == from_wire("NYNJm4ZL6hg=")
    socket.receive(
        '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":'
        '[{"type":"Add","queryId":0,"udfPath":"messages:list","args":[{}],"journal":null}]}'
    )
    socket.receive('{"type":"Mutation","requestId":0,"udfPath":"messages:send","args":[{"body":"x"}]}')

    assert socket.transition("NYNJm4ZL6hg=", {0: EMPTY})["startVersion"] == ZERO
    original = MutationSuccess(b'{"n":1.0}', from_wire("1H2WH3VL6hg="), ())
    assert socket.answer_mutation(0, original)["ts"] == "1H2WH3VL6hg="
    assert socket.transition("NYNJm4ZL6hg=", {})["modifications"] == []


def test_the_python_client_subscribes_and_mutates() -> None:
    socket = Socket("python-0.8.1")

    socket.receive(
        '{"type":"Connect","sessionId":"79ab0814-ba7b-42df-ab0b-ab2bf2cbcd2a","connectionCount":0,'
        '"lastCloseReason":"InitialConnect","clientTs":0}'
    )
    socket.receive(
        '{"modifications":[{"args":[{}],"type":"Add","queryId":0,"udfPath":"messages:list"}],'
        '"type":"ModifyQuerySet","baseVersion":0,"newVersion":1}'
    )
    first = socket.transition("TE9hYG5L6hg=", {0: EMPTY}, server_ts=1795330367405913437)
    assert first["startVersion"] == ZERO
    assert not {"clientClockSkew", "serverTs"} & first.keys()
    (run,) = socket.receive(
        '{"args":[{"b":{"$bytes":"AQI="},"big":{"$integer":"CQAAAAAAAAA="},"body":"from py","f":2.5,"i":3.0,'
        '"n":{"$float":"AAAAAAAA+H8="}}],"type":"Mutation","requestId":0,"udfPath":"messages:send"}'
    )
    assert isinstance(run, RunMutation)
    assert run.args == [
        {
            "b": {"$bytes": "AQI="},
            "big": {"$integer": "CQAAAAAAAAA="},
            "body": "from py",
            "f": 2.5,
            "i": 3.0,
            "n": {"$float": "AAAAAAAA+H8="},
        }
    ]
    committed = MutationSuccess(b'{"n":1.0}', from_wire("1H2WH3VL6hg="), ())
    assert socket.answer_mutation(0, committed)["result"] == {"n": 1.0}
    assert socket.transition("1H2WH3VL6hg=", {})["modifications"] == []


def test_the_javascript_client_offers_a_bad_token() -> None:
    socket = Socket("npm-1.48.0")

    (claim,) = socket.receive('{"type":"Authenticate","baseVersion":0,"tokenType":"User","value":"cached.bad.token"}')
    assert claim == Authenticated(UserToken("cached.bad.token"))
    error = socket.session.auth_rejected("...")
    assert json.loads(encode_server(error)) == {
        "type": "AuthError",
        "error": "...",
        "baseVersion": 0,
        "authUpdateAttempted": True,
    }
    assert error == AuthError("...", 0, update_attempted=True)


def test_our_client_understands_the_observed_answers() -> None:
    client = ClientSession(bytes(16))
    client.opened()
    query_id = client.subscribe("messages:list", {})
    request_id = client.mutate("messages:send", {"body": "hello"})

    first = decode_server(
        '{"type":"Transition","startVersion":{"querySet":0,"identity":0,"ts":"AAAAAAAAAAA="},'
        '"endVersion":{"querySet":2,"identity":0,"ts":"TE9hYG5L6hg="},"modifications":[{"type":"QueryUpdated",'
        '"queryId":0,"value":[],"logLines":[],"journal":null}],"clientClockSkew":306,'
        '"serverTs":1795330367405913437}'
    )
    answer = decode_server(
        '{"type":"MutationResponse","requestId":0,"success":true,"result":{"n":1.0},"ts":"1H2WH3VL6hg=",'
        '"logLines":["[LOG] \'sent\'"]}'
    )
    second = decode_server(
        '{"type":"Transition","startVersion":{"querySet":2,"identity":0,"ts":"TE9hYG5L6hg="},'
        '"endVersion":{"querySet":2,"identity":0,"ts":"1H2WH3VL6hg="},"modifications":[]}'
    )
    committed = MutationSuccess(b'{"n":1.0}', from_wire("1H2WH3VL6hg="), ("[LOG] 'sent'",))
    assert client.version == INITIAL_VERSION
    assert client.receive(first) == (Changed(from_wire("TE9hYG5L6hg="), (query_id,)),)
    assert client.receive(answer) == ()
    assert client.receive(second) == (MutationDone(request_id, committed),)
