"""What the server writes passes the rules of all official clients, and what breaks one of them is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from relive.protocol.client_wire import decode_server
from relive.protocol.errors import ProtocolError
from relive.protocol.messages import (
    INITIAL_VERSION,
    ActionResponse,
    AuthError,
    FatalError,
    MutationResponse,
    Ping,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    ServerMessage,
    StateVersion,
    Transition,
    TransitionChunk,
)
from relive.protocol.results import ActionSuccess, FunctionFailure, MutationSuccess
from relive.protocol.wire import encode_server

TS = 1795330367405903692
LOGS = ("[LOG] 'sent'", '[WARN] "käse"')
END = StateVersion(2, 1, TS)
UPDATED = QueryUpdated(0, b'[{"_id":"m0","n":1.0}]', LOGS, '{"e": "3"}')
FAILED = QueryFailed(1, 'Uncaught Error: "no"', None, (), None)
MESSAGES: list[ServerMessage] = [
    Transition(INITIAL_VERSION, END, (), None, None),
    Transition(INITIAL_VERSION, END, (UPDATED, FAILED, QueryRemoved(4)), 306, TS),
    Transition(END, END, (UPDATED,), -12, TS),
    Transition(END, END, (QueryUpdated(7, b"null", (), None), QueryRemoved(0)), None, None),
    Transition(END, END, (QueryFailed(1, "Uncaught ConvexError: x", b'{"code":7.0}', LOGS, "j"),), None, None),
    Transition(END, END, (QueryFailed(1, "Uncaught ConvexError: null", b"null", (), None),), None, None),
    MutationResponse(0, MutationSuccess(b'{"n":1.0}', TS, ())),
    MutationResponse(2**32 - 1, MutationSuccess(b"null", 1, LOGS)),
    MutationResponse(1, FunctionFailure("[Request ID: 0123456789abcdef] Server Error", None, LOGS)),
    MutationResponse(1, FunctionFailure("Uncaught ConvexError: null", b"null", ())),
    ActionResponse(3, ActionSuccess(b'{"$integer":"CQAAAAAAAAA="}', LOGS)),
    ActionResponse(3, FunctionFailure("line 1\nline 2", b'"data"', ())),
    ActionResponse(3, FunctionFailure("", None, ())),
    TransitionChunk('{"type":"Transi', 0, 2, "1234"),
    AuthError("Could not verify the token", 0, update_attempted=True),
    AuthError("expired", 3, update_attempted=False),
    FatalError('BaseVersionMismatch: "4"'),
    Ping(),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_is_read_by_the_clients_rules_as_it_was_meant(message: ServerMessage) -> None:
    encoded = encode_server(message)

    assert decode_server(encoded) == message
    assert decode_server(encoded.decode()) == message


def test_absent_keys_are_absent_and_not_null() -> None:
    transition = json.loads(encode_server(Transition(INITIAL_VERSION, END, (FAILED,), None, None)))
    failure = json.loads(encode_server(MutationResponse(1, FunctionFailure("no", None, ()))))

    assert transition.keys() == {"type", "startVersion", "endVersion", "modifications"}
    assert transition["modifications"][0].keys() == {"type", "queryId", "errorMessage", "logLines", "journal"}
    assert failure == {
        "type": "MutationResponse",
        "requestId": 1,
        "success": False,
        "result": "no",
        "ts": None,
        "logLines": [],
    }


def test_lone_surrogates_in_an_error_text_do_not_stop_it() -> None:
    message = decode_server(encode_server(MutationResponse(0, FunctionFailure("a\ud800b", None, ("[LOG] \udc00",)))))

    assert message == MutationResponse(0, FunctionFailure("a?b", None, ("[LOG] ?",)))


def test_a_value_is_sent_as_the_bytes_it_was_encoded_to() -> None:
    value = b'{"a":1.0,"b":{"$integer":"CQAAAAAAAAA="}}'

    assert value in encode_server(Transition(END, END, (QueryUpdated(0, value, (), None),), None, None))


VERSION = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
UPDATE: dict[str, Any] = {"type": "QueryUpdated", "queryId": 0, "value": [], "logLines": [], "journal": None}
FAIL: dict[str, Any] = {
    "type": "QueryFailed",
    "queryId": 0,
    "errorMessage": "x",
    "logLines": [],
    "journal": None,
}
TRANSITION: dict[str, Any] = {
    "type": "Transition",
    "startVersion": VERSION,
    "endVersion": VERSION,
    "modifications": [],
}
SUCCESS: dict[str, Any] = {
    "type": "MutationResponse",
    "requestId": 0,
    "success": True,
    "result": 1.0,
    "ts": "TE9hYG5L6hg=",
    "logLines": [],
}
FAILURE = SUCCESS | {"success": False, "result": "no", "ts": None}
ACTION: dict[str, Any] = {
    "type": "ActionResponse",
    "requestId": 0,
    "success": True,
    "result": 1.0,
    "logLines": [],
}
AUTH_ERROR = {"type": "AuthError", "error": "no", "baseVersion": 0, "authUpdateAttempted": True}
CHUNK = {"type": "TransitionChunk", "chunk": "{", "partNumber": 0, "totalParts": 2, "transitionId": "9"}


def without(tree: dict[str, Any], key: str) -> dict[str, Any]:
    assert key in tree
    return {name: value for name, value in tree.items() if name != key}


def transition(modification: dict[str, Any]) -> dict[str, Any]:
    return TRANSITION | {"modifications": [modification]}


GOOD = [TRANSITION, transition(UPDATE), transition(FAIL), SUCCESS, FAILURE, ACTION, AUTH_ERROR, CHUNK]
DAMAGED: list[Any] = [
    *(without(tree, key) for tree in (TRANSITION, SUCCESS, FAILURE, ACTION, CHUNK) for key in tree),
    *(transition(without(UPDATE, key)) for key in UPDATE),
    *(transition(without(FAIL, key)) for key in FAIL),
    *(TRANSITION | {"startVersion": without(VERSION, key)} for key in VERSION),
    without(AUTH_ERROR, "error"),
    without(AUTH_ERROR, "baseVersion"),
    {"type": "FatalError"},
    {"type": "Hello"},
    TRANSITION | {"clientClockSkew": None},
    TRANSITION | {"serverTs": None},
    TRANSITION | {"clientClockSkew": 306.5},
    TRANSITION | {"clientClockSkew": 306.0},
    TRANSITION | {"serverTs": 2**63},
    TRANSITION | {"endVersion": VERSION | {"querySet": 1.0}},
    TRANSITION | {"endVersion": VERSION | {"identity": -1}},
    TRANSITION | {"endVersion": VERSION | {"ts": 0}},
    TRANSITION | {"endVersion": VERSION | {"ts": "AAAAAAAAAIA="}},
    transition(UPDATE | {"queryId": "0"}),
    transition(UPDATE | {"value": {"$float": "nonsense"}}),
    transition(UPDATE | {"logLines": None}),
    transition(UPDATE | {"logLines": [1]}),
    transition(UPDATE | {"journal": 4}),
    transition(FAIL | {"errorMessage": None}),
    transition(FAIL | {"errorData": {"$bad": 1, "$x": 2}}),
    transition({"type": "QueryForgotten", "queryId": 0}),
    SUCCESS | {"ts": None},
    SUCCESS | {"ts": 1795330367405903692},
    SUCCESS | {"requestId": 0.0},
    SUCCESS | {"requestId": None},
    SUCCESS | {"success": 1},
    SUCCESS | {"errorData": None},
    SUCCESS | {"logLines": None},
    FAILURE | {"result": {"message": "no"}},
    FAILURE | {"result": None},
    FAILURE | {"ts": "TE9hYG5L6hg="},
    ACTION | {"errorData": "x"},
    ACTION | {"success": False},
    AUTH_ERROR | {"authUpdateAttempted": None},
    CHUNK | {"partNumber": 2},
    CHUNK | {"chunk": None},
]


@pytest.mark.parametrize("tree", GOOD, ids=json.dumps)
def test_the_undamaged_messages_are_taken(tree: dict[str, Any]) -> None:
    assert json.loads(encode_server(decode_server(json.dumps(tree)))) == tree


@pytest.mark.parametrize("tree", DAMAGED, ids=json.dumps)
def test_a_message_that_breaks_some_client_is_refused(tree: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_server(json.dumps(tree))

    assert caught.value.code == "InvalidMessage"


def test_an_auth_error_without_the_flag_counts_as_an_attempt() -> None:
    assert decode_server('{"type":"AuthError","error":"no","baseVersion":1}') == AuthError("no", 1, True)
