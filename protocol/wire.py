"""The server's half of the wire: text from a client to a message, a message for a client to text.

Decoding is tolerant where clients differ (unknown fields, null for absent) and strict about the rest.
Encoding only joins bytes: a query's value, encoded once when it was computed, is copied once into each
client's message.

Invariants
    * ``decode_client`` returns a message or raises ProtocolError, whatever it is given.
    * A key that clients want absent is never written as null.
"""

from __future__ import annotations

import json as any_json
from typing import Annotated, Literal, NoReturn, TypeVar, assert_never
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from . import json, timestamps
from .errors import InvalidValue, ProtocolError
from .messages import (
    VERSION_MAX,
    Action,
    ActionResponse,
    Add,
    AdminToken,
    Authenticate,
    AuthError,
    ClientMessage,
    Connect,
    Event,
    FatalError,
    Modification,
    ModifyQuerySet,
    Mutation,
    MutationResponse,
    NoToken,
    Ping,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    Remove,
    ServerMessage,
    StateVersion,
    Token,
    Transition,
    TransitionChunk,
    UserToken,
)
from .results import ActionSuccess, FunctionFailure, MutationSuccess

INVALID_MESSAGE = "InvalidMessage"
CLIENT_TS_MAX = 2**53
"""Milliseconds.  Beyond it a clock skew is not an integer that every client can read."""

U32 = Annotated[int, Meta(ge=0, le=VERSION_MAX)]
ClientTs = Annotated[int, Meta(ge=-CLIENT_TS_MAX, le=CLIENT_TS_MAX)]
FractionalTs = Annotated[float, Meta(ge=-CLIENT_TS_MAX, le=CLIENT_TS_MAX)]


# What a client may write, as JSON.  Field names are those of the wire.


class _Connect(Struct, tag="Connect"):
    sessionId: str
    connectionCount: U32
    lastCloseReason: str | None = None
    maxObservedTimestamp: str | None = None
    # Some clients add up two clocks for it, which does not always give a whole number.
    clientTs: ClientTs | FractionalTs | None = None


class _Add(Struct, tag="Add"):
    queryId: U32
    udfPath: str
    args: list[object]
    journal: str | None = None
    componentPath: str | None = None


class _Remove(Struct, tag="Remove"):
    queryId: U32


class _ModifyQuerySet(Struct, tag="ModifyQuerySet"):
    baseVersion: U32
    newVersion: U32
    modifications: list[_Add | _Remove]


class _Mutation(Struct, tag="Mutation"):
    requestId: U32
    udfPath: str
    args: list[object]
    componentPath: str | None = None


class _Action(Struct, tag="Action"):
    requestId: U32
    udfPath: str
    args: list[object]
    componentPath: str | None = None


class _Authenticate(Struct, tag="Authenticate"):
    baseVersion: U32
    tokenType: Literal["User", "Admin", "None"]
    value: str | None = None
    impersonating: dict[str, object] | None = None
    # The Rust client's name for the same.
    acting_as: dict[str, object] | None = None


class _Event(Struct, tag="Event"):
    eventType: str = ""
    event: object = None


_ClientShape = _Connect | _ModifyQuerySet | _Mutation | _Action | _Authenticate | _Event
_client_shapes = msgspec.json.Decoder(_ClientShape)

Shape = TypeVar("Shape")


def decode_shape(decoder: msgspec.json.Decoder[Shape], text: str | bytes) -> Shape:
    """A frame's text as ``decoder`` reads it.  Raises ProtocolError if it cannot."""
    try:
        data = text.encode() if isinstance(text, str) else text
        json.check_nesting(data)  # The decoder recurses.
        return decoder.decode(data)
    except (InvalidValue, ValueError) as error:
        raise ProtocolError(INVALID_MESSAGE, str(error)) from error


def decode_client(text: str | bytes) -> ClientMessage:
    """The message in one text frame.  Raises ProtocolError if it is none."""
    try:
        shape = decode_shape(_client_shapes, text)
    except ProtocolError as error:
        shape = _decode_half_characters(text, error)
    match shape:
        case _Mutation():
            return Mutation(shape.requestId, shape.udfPath, shape.args, shape.componentPath or "")
        case _ModifyQuerySet():
            modifications = tuple(map(_modification, shape.modifications))
            return ModifyQuerySet(shape.baseVersion, shape.newVersion, modifications)
        case _Action():
            return Action(shape.requestId, shape.udfPath, shape.args, shape.componentPath or "")
        case _Event():
            return Event(shape.eventType, shape.event)
        case _Authenticate():
            return Authenticate(shape.baseVersion, _token(shape))
        case _Connect():
            return _connect(shape)
        case _:
            assert_never(shape)


def _decode_half_characters(text: str | bytes, error: ProtocolError) -> _ClientShape:
    """A message with half of a surrogate pair in it, which our decoder refuses.

    Browsers send such text for an emoji that was cut in two.  It is no value, so the call fails that it is an
    argument of; but it is no reason to end the connection.  Raises ``error`` if that is not what is wrong.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
        if b"\\ud" not in data.lower():
            raise error
        json.check_nesting(data)
        shape: _ClientShape = msgspec.convert(any_json.loads(data, parse_constant=_refuse_constant), _ClientShape)
        return shape
    except (InvalidValue, ValueError):
        raise error from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _modification(shape: _Add | _Remove) -> Add | Remove:
    if isinstance(shape, _Remove):
        return Remove(shape.queryId)
    return Add(shape.queryId, shape.udfPath, shape.args, shape.componentPath or "", shape.journal)


def _connect(shape: _Connect) -> Connect:
    try:
        session_id = UUID(shape.sessionId).bytes
        max_observed = None
        if shape.maxObservedTimestamp is not None:
            max_observed = timestamps.from_wire(shape.maxObservedTimestamp)
    except (ValueError, InvalidValue) as error:
        raise ProtocolError(INVALID_MESSAGE, f"Connect: {error}") from error
    client_ts = None if shape.clientTs is None else int(shape.clientTs)
    return Connect(session_id, shape.connectionCount, shape.lastCloseReason, max_observed, client_ts)


def _token(shape: _Authenticate) -> Token:
    if shape.tokenType == "None":
        return NoToken()
    if shape.value is None:
        raise ProtocolError(INVALID_MESSAGE, f"Authenticate: a token of type {shape.tokenType} has a value")
    if shape.tokenType == "User":
        return UserToken(shape.value)
    return AdminToken(shape.value, shape.acting_as if shape.impersonating is None else shape.impersonating)


# What we write.


def encode_server(message: ServerMessage) -> bytes:
    """The UTF-8 text of one message."""
    match message:
        case Transition():
            return _encode_transition(message)
        case MutationResponse():
            return _encode_mutation_response(message)
        case ActionResponse():
            return _encode_action_response(message)
        case Ping():
            return b'{"type":"Ping"}'
        case TransitionChunk():
            return b'{"type":"TransitionChunk","chunk":%b,"partNumber":%d,"totalParts":%d,"transitionId":%b}' % (
                encode_text(message.chunk),
                message.part,
                message.parts,
                encode_text(message.transition_id),
            )
        case AuthError():
            return b'{"type":"AuthError","error":%b,"baseVersion":%d,"authUpdateAttempted":%b}' % (
                encode_text(message.error),
                message.base_version,
                b"true" if message.update_attempted else b"false",
            )
        case FatalError():
            return b'{"type":"FatalError","error":%b}' % encode_text(message.error)
        case _:
            assert_never(message)


def _encode_transition(message: Transition) -> bytes:
    parts = [
        b'{"type":"Transition","startVersion":',
        _encode_version(message.start_version),
        b',"endVersion":',
        _encode_version(message.end_version),
        b',"modifications":[',
    ]
    for modification in message.modifications:
        _encode_modification(modification, parts)
        parts.append(b",")
    if message.modifications:
        parts.pop()
    parts.append(b"]")
    # Left out rather than null: a null makes JavaScript clients report a slow message that was not.
    if message.clock_skew_ms is not None:
        parts.append(b',"clientClockSkew":%d' % message.clock_skew_ms)
    if message.server_ts is not None:
        parts.append(b',"serverTs":%d' % message.server_ts)
    parts.append(b"}")
    return b"".join(parts)


def _encode_version(version: StateVersion) -> bytes:
    return b'{"querySet":%d,"identity":%d,"ts":"%b"}' % (
        version.query_set,
        version.identity,
        timestamps.to_wire(version.ts).encode(),
    )


def _encode_modification(modification: Modification, parts: list[bytes]) -> None:
    # Values are parts of their own, so that joining copies each of them exactly once.
    match modification:
        case QueryUpdated():
            parts.append(b'{"type":"QueryUpdated","queryId":%d,"value":' % modification.query_id)
            parts.append(modification.value)
        case QueryFailed():
            parts.append(
                b'{"type":"QueryFailed","queryId":%d,"errorMessage":%b'
                % (modification.query_id, encode_text(modification.message))
            )
            if modification.error_data is not None:
                parts.append(b',"errorData":')
                parts.append(modification.error_data)
        case QueryRemoved():
            parts.append(b'{"type":"QueryRemoved","queryId":%d}' % modification.query_id)
            return
        case _:
            assert_never(modification)
    journal = b"null" if modification.journal is None else encode_text(modification.journal)
    parts.append(b',"logLines":%b,"journal":%b}' % (_encode_lines(modification.log_lines), journal))


def _encode_mutation_response(message: MutationResponse) -> bytes:
    outcome = message.outcome
    match outcome:
        case MutationSuccess():
            return b'{"type":"MutationResponse","requestId":%d,"success":true,"result":%b,"ts":"%b","logLines":%b}' % (
                message.request_id,
                outcome.result,
                timestamps.to_wire(outcome.ts).encode(),
                _encode_lines(outcome.log_lines),
            )
        case FunctionFailure():
            return b'{"type":"MutationResponse","requestId":%d,%b,"ts":null}' % (
                message.request_id,
                _encode_failure(outcome),
            )
        case _:
            assert_never(outcome)


def _encode_action_response(message: ActionResponse) -> bytes:
    outcome = message.outcome
    match outcome:
        case ActionSuccess():
            return b'{"type":"ActionResponse","requestId":%d,"success":true,"result":%b,"logLines":%b}' % (
                message.request_id,
                outcome.result,
                _encode_lines(outcome.log_lines),
            )
        case FunctionFailure():
            return b'{"type":"ActionResponse","requestId":%d,%b}' % (
                message.request_id,
                _encode_failure(outcome),
            )
        case _:
            assert_never(outcome)


def _encode_failure(failure: FunctionFailure) -> bytes:
    # Clients take any "errorData", null included, for an application error: an ordinary one has no such key.
    data = b"" if failure.data is None else b',"errorData":' + failure.data
    return b'"success":false,"result":%b,"logLines":%b%b' % (
        encode_text(failure.message),
        _encode_lines(failure.log_lines),
        data,
    )


def _encode_lines(lines: tuple[str, ...]) -> bytes:
    return b"[" + b",".join(map(encode_text, lines)) + b"]" if lines else b"[]"


def encode_text(text: str) -> bytes:
    """A JSON string.  Lone surrogates, which error texts of users' code may hold, become question marks."""
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        return msgspec.json.encode(text.encode("utf-8", "replace").decode())
