"""What clients may send, row by row, and that nothing else gets through as anything but a ProtocolError."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.protocol.client_wire import encode_client
from relive.protocol.errors import InvalidValue, ProtocolError
from relive.protocol.json import from_json
from relive.protocol.messages import (
    VERSION_MAX,
    Action,
    Add,
    AdminToken,
    Authenticate,
    ClientMessage,
    Connect,
    Event,
    ModifyQuerySet,
    Mutation,
    NoToken,
    Remove,
    UserToken,
)
from relive.protocol.wire import decode_client

SESSION = UUID("6f1fa716-ba7b-42df-ab0b-ab2bf2cbcd2a")
CONNECT = {
    "type": "Connect",
    "sessionId": str(SESSION),
    "connectionCount": 0,
    "lastCloseReason": "InitialConnect",
}
ADD = {"type": "Add", "queryId": 0, "udfPath": "messages:list", "args": [{}]}
REMOVE = {"type": "Remove", "queryId": 4}
MODIFY = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": []}
MUTATION = {"type": "Mutation", "requestId": 0, "udfPath": "messages:send", "args": [{"body": "hello"}]}
ACTION = {"type": "Action", "requestId": 1, "udfPath": "messages:fetch", "args": [{}]}
AUTHENTICATE = {"type": "Authenticate", "baseVersion": 0, "tokenType": "User", "value": "a.b.c"}
EVENT = {"type": "Event", "eventType": "ClientConnect", "event": [{"name": "mark"}]}


def decode(tree: object) -> ClientMessage:
    return decode_client(json.dumps(tree))


def modify(*modifications: dict[str, object]) -> dict[str, object]:
    return MODIFY | {"modifications": list(modifications)}


ROWS: list[tuple[dict[str, Any], ClientMessage]] = [
    (CONNECT, Connect(SESSION.bytes, 0, "InitialConnect", None, None)),
    (CONNECT | {"lastCloseReason": None}, Connect(SESSION.bytes, 0, None, None, None)),
    (
        CONNECT | {"maxObservedTimestamp": None, "clientTs": None},
        Connect(SESSION.bytes, 0, "InitialConnect", None, None),
    ),
    (
        CONNECT | {"connectionCount": 3, "maxObservedTimestamp": "TE9hYG5L6hg=", "clientTs": 1795330367709},
        Connect(SESSION.bytes, 3, "InitialConnect", 1795330338896039756, 1795330367709),
    ),
    (
        CONNECT | {"clientTs": 1795330367709.25},
        Connect(SESSION.bytes, 0, "InitialConnect", None, 1795330367709),
    ),
    (MODIFY, ModifyQuerySet(0, 1, ())),
    (modify(ADD), ModifyQuerySet(0, 1, (Add(0, "messages:list", [{}], "", None),))),
    (modify(ADD | {"journal": None}), ModifyQuerySet(0, 1, (Add(0, "messages:list", [{}], "", None),))),
    (
        modify(ADD | {"journal": '{"e": "3"}', "componentPath": "a/b"}, REMOVE),
        ModifyQuerySet(0, 1, (Add(0, "messages:list", [{}], "a/b", '{"e": "3"}'), Remove(4))),
    ),
    (MUTATION, Mutation(0, "messages:send", [{"body": "hello"}], "")),
    (MUTATION | {"componentPath": None}, Mutation(0, "messages:send", [{"body": "hello"}], "")),
    (
        MUTATION | {"requestId": VERSION_MAX, "componentPath": "a"},
        Mutation(VERSION_MAX, "messages:send", [{"body": "hello"}], "a"),
    ),
    (ACTION, Action(1, "messages:fetch", [{}], "")),
    (AUTHENTICATE, Authenticate(0, UserToken("a.b.c"))),
    ({"type": "Authenticate", "baseVersion": 2, "tokenType": "None"}, Authenticate(2, NoToken())),
    (AUTHENTICATE | {"tokenType": "Admin"}, Authenticate(0, AdminToken("a.b.c", None))),
    (
        AUTHENTICATE | {"tokenType": "Admin", "impersonating": {"subject": "ada"}},
        Authenticate(0, AdminToken("a.b.c", {"subject": "ada"})),
    ),
    (
        AUTHENTICATE | {"tokenType": "Admin", "acting_as": {"subject": "ada"}},
        Authenticate(0, AdminToken("a.b.c", {"subject": "ada"})),
    ),
    (EVENT, Event("ClientConnect", [{"name": "mark"}])),
    ({"type": "Event", "eventType": "NeverHeardOf", "event": None}, Event("NeverHeardOf", None)),
]


@pytest.mark.parametrize(("tree", "message"), ROWS)
def test_each_row_is_understood(tree: dict[str, Any], message: ClientMessage) -> None:
    assert decode(tree) == message
    assert decode_client(json.dumps(tree).encode()) == message


@pytest.mark.parametrize(("tree", "message"), ROWS)
def test_unknown_fields_and_the_order_of_keys_do_not_matter(tree: dict[str, Any], message: ClientMessage) -> None:
    reordered = dict(reversed((tree | {"fromTheFuture": {"x": [1]}}).items()))

    assert decode(reordered) == message


@pytest.mark.parametrize(("tree", "message"), ROWS)
def test_what_our_client_writes_is_what_our_server_reads(tree: dict[str, Any], message: ClientMessage) -> None:
    assert decode_client(encode_client(message)) == message


MALFORMED: list[object] = [
    [],
    None,
    "Connect",
    {},
    {"type": None},
    {"type": "Transition"},
    {"type": "mutation"},
    CONNECT | {"sessionId": "not-a-uuid"},
    CONNECT | {"sessionId": None},
    CONNECT | {"connectionCount": -1},
    CONNECT | {"connectionCount": 1.5},
    CONNECT | {"lastCloseReason": 3},
    CONNECT | {"maxObservedTimestamp": 12},
    CONNECT | {"maxObservedTimestamp": "AAAA"},
    CONNECT | {"maxObservedTimestamp": "/////////38"},
    CONNECT | {"maxObservedTimestamp": "AAAAAAAAAIA="},
    CONNECT | {"clientTs": "now"},
    CONNECT | {"clientTs": 2**60},
    CONNECT | {"clientTs": True},
    MODIFY | {"baseVersion": True},
    MODIFY | {"newVersion": VERSION_MAX + 1},
    MODIFY | {"newVersion": "1"},
    MODIFY | {"modifications": None},
    MODIFY | {"modifications": {}},
    modify({"type": "Replace", "queryId": 1}),
    modify({"queryId": 1}),
    modify(ADD | {"queryId": None}),
    modify(ADD | {"udfPath": 4}),
    modify(ADD | {"args": {}}),
    modify(ADD | {"journal": 4}),
    modify(ADD | {"componentPath": []}),
    modify({"type": "Remove"}),
    MUTATION | {"requestId": 1.0},
    MUTATION | {"requestId": -1},
    MUTATION | {"requestId": 2**64},
    MUTATION | {"udfPath": None},
    MUTATION | {"args": None},
    MUTATION | {"args": "[{}]"},
    {key: ACTION[key] for key in ACTION if key != "args"},
    ACTION | {"requestId": "1"},
    AUTHENTICATE | {"tokenType": "Guest"},
    AUTHENTICATE | {"value": None},
    AUTHENTICATE | {"tokenType": "Admin", "value": 7},
    AUTHENTICATE | {"tokenType": "Admin", "impersonating": "ada"},
    AUTHENTICATE | {"baseVersion": -1},
    EVENT | {"eventType": 7},
]


@pytest.mark.parametrize("tree", MALFORMED, ids=json.dumps)
def test_a_malformed_message_is_a_protocol_error(tree: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(tree)

    assert caught.value.code == "InvalidMessage"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}{}",
        "nul",
        '{"type":"Mutation"',
        '"\\ud800"',
        "NaN",
        b"\xff\xfe",
        "[" * 100_000,
        '{"a":' * 100_000,
        "\ud800",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_text_that_is_no_json_is_a_protocol_error(text: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="InvalidMessage"):
        decode_client(text)


def test_bad_argument_values_and_paths_are_left_to_the_function() -> None:
    message = decode(MUTATION | {"udfPath": "no such:::thing", "args": [{"$x": {"$float": 1}}, 7]})

    assert message == Mutation(0, "no such:::thing", [{"$x": {"$float": 1}}, 7], "")


json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def damaged_messages(draw: st.DrawFn) -> dict[str, object]:
    """A good message of which some fields were replaced or dropped."""
    tree: dict[str, object] = dict(draw(st.sampled_from([row for row, _ in ROWS])))
    for key in draw(st.sets(st.sampled_from(sorted(tree)), max_size=3)):
        if draw(st.booleans()):
            del tree[key]
        else:
            tree[key] = draw(json_trees)
    return tree


def decodes_or_is_refused(text: str | bytes) -> None:
    with suppress(ProtocolError):
        assert isinstance(decode_client(text), ClientMessage)


@settings(max_examples=200, deadline=None)
@given(damaged_messages())
def test_a_damaged_message_is_a_message_or_a_protocol_error(tree: dict[str, object]) -> None:
    decodes_or_is_refused(json.dumps(tree))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | st.text(max_size=40) | json_trees.map(json.dumps))
def test_any_bytes_are_a_message_or_a_protocol_error(text: str | bytes) -> None:
    decodes_or_is_refused(text)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_message_with_bytes_changed_is_a_message_or_a_protocol_error(data: st.DataObject) -> None:
    row, _ = data.draw(st.sampled_from(ROWS))
    text = bytearray(json.dumps(row).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))

    decodes_or_is_refused(bytes(text))


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\uDe00\\ud83d"])
def test_text_with_half_of_a_character_gets_through_so_that_only_its_call_fails(half: str) -> None:
    message = decode_client(json.dumps(MUTATION).replace("hello", half))

    assert isinstance(message, Mutation)
    with pytest.raises(InvalidValue, match=r"surrogate.*body"):
        from_json(message.args[0])


@pytest.mark.parametrize("text", ['{"type": "Mutation", "x": "\\ud83d"}', '["\\ud83d"]', '{"a": "\\ud83d", "b": NaN}'])
def test_half_of_a_character_excuses_nothing_else(text: str) -> None:
    with pytest.raises(ProtocolError, match="InvalidMessage"):
        decode_client(text)


def test_half_of_a_character_in_a_very_deep_message_does_no_harm() -> None:
    with pytest.raises(ProtocolError, match="InvalidMessage"):
        decode_client('{"type": "Event", "event": ["\\ud83d", ' + "[" * 100_000 + "]" * 100_000 + "]}")
