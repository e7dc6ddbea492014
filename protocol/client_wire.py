"""The client's half of the wire: a message for a server to text, text from a server to a message.

``decode_server`` refuses whatever any official client chokes on: the JavaScript client throws, hangs or
reports a bogus error; the Rust and Python clients reconnect and send their mutations again, for ever.  So
what passes here passes there, which is what the server's own tests rely on.
"""

from __future__ import annotations

from typing import Annotated, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from . import json, timestamps
from .errors import InvalidValue, ProtocolError
from .messages import (
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
    Transition,
    TransitionChunk,
    UserToken,
)
from .results import ActionSuccess, FunctionFailure, MutationSuccess
from .wire import INVALID_MESSAGE, U32, decode_shape

I64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


def encode_client(message: ClientMessage) -> bytes:
    """The UTF-8 text of one message."""
    return msgspec.json.encode(_tree(message))


def _tree(message: ClientMessage) -> dict[str, object]:
    match message:
        case Connect():
            return _connect_tree(message)
        case ModifyQuerySet():
            return {
                "type": "ModifyQuerySet",
                "baseVersion": message.base_version,
                "newVersion": message.new_version,
                "modifications": [_modification_tree(each) for each in message.modifications],
            }
        case Mutation() | Action():
            return {
                "type": type(message).__name__,
                "requestId": message.request_id,
                "udfPath": message.path,
                "args": message.args,
                **_component_tree(message.component_path),
            }
        case Authenticate():
            return _authenticate_tree(message)
        case Event():
            return {"type": "Event", "eventType": message.kind, "event": message.event}
        case _:
            assert_never(message)


def _connect_tree(message: Connect) -> dict[str, object]:
    tree: dict[str, object] = {
        "type": "Connect",
        "sessionId": str(UUID(bytes=message.session_id)),
        "connectionCount": message.connection_count,
        "lastCloseReason": message.last_close_reason,
    }
    if message.max_observed is not None:
        tree["maxObservedTimestamp"] = timestamps.to_wire(message.max_observed)
    if message.client_ts is not None:
        tree["clientTs"] = message.client_ts
    return tree


def _modification_tree(modification: Add | Remove) -> dict[str, object]:
    if isinstance(modification, Remove):
        return {"type": "Remove", "queryId": modification.query_id}
    return {
        "type": "Add",
        "queryId": modification.query_id,
        "udfPath": modification.path,
        "args": modification.args,
        "journal": modification.journal,
        **_component_tree(modification.component_path),
    }


def _component_tree(component_path: str) -> dict[str, object]:
    return {"componentPath": component_path} if component_path else {}


def _authenticate_tree(message: Authenticate) -> dict[str, object]:
    tree: dict[str, object] = {"type": "Authenticate", "baseVersion": message.base_version}
    match message.token:
        case NoToken():
            tree |= {"tokenType": "None"}
        case UserToken(jwt):
            tree |= {"tokenType": "User", "value": jwt}
        case AdminToken(key, acting_as):
            tree |= {"tokenType": "Admin", "value": key}
            if acting_as is not None:
                tree["impersonating"] = acting_as
        case _:
            assert_never(message.token)
    return tree


# What a server may write, as JSON.  Field names are those of the wire.  A field without a default has to be
# there; an UNSET one may be absent but not null.


class _Version(Struct):
    querySet: U32
    identity: U32
    ts: str


class _QueryUpdated(Struct, tag="QueryUpdated"):
    queryId: U32
    value: Raw
    logLines: list[str]
    journal: str | None


class _QueryFailed(Struct, tag="QueryFailed"):
    queryId: U32
    errorMessage: str
    logLines: list[str]
    journal: str | None
    errorData: Raw | UnsetType = UNSET


class _QueryRemoved(Struct, tag="QueryRemoved"):
    queryId: U32


class _Transition(Struct, tag="Transition"):
    startVersion: _Version
    endVersion: _Version
    modifications: list[_QueryUpdated | _QueryFailed | _QueryRemoved]
    clientClockSkew: I64 | UnsetType = UNSET
    serverTs: I64 | UnsetType = UNSET


class _TransitionChunk(Struct, tag="TransitionChunk"):
    chunk: str
    partNumber: U32
    totalParts: U32
    transitionId: str


class _MutationResponse(Struct, tag="MutationResponse"):
    requestId: U32
    success: bool
    result: Raw
    ts: str | None
    logLines: list[str]
    errorData: Raw | UnsetType = UNSET


class _ActionResponse(Struct, tag="ActionResponse"):
    requestId: U32
    success: bool
    result: Raw
    logLines: list[str]
    errorData: Raw | UnsetType = UNSET


class _AuthError(Struct, tag="AuthError"):
    error: str
    baseVersion: U32
    authUpdateAttempted: bool | UnsetType = UNSET


class _FatalError(Struct, tag="FatalError"):
    error: str


class _Ping(Struct, tag="Ping"):
    pass


_ServerShape = _Transition | _TransitionChunk | _MutationResponse | _ActionResponse | _AuthError | _FatalError | _Ping
_server_shapes = msgspec.json.Decoder(_ServerShape)


def decode_server(text: str | bytes) -> ServerMessage:
    """The message in one text frame.  Raises ProtocolError if some official client would not take it."""
    shape = decode_shape(_server_shapes, text)
    try:
        return _message(shape)
    except (InvalidValue, msgspec.DecodeError) as error:
        raise ProtocolError(INVALID_MESSAGE, str(error)) from error


def _message(shape: _ServerShape) -> ServerMessage:
    match shape:
        case _Transition():
            return Transition(
                _version(shape.startVersion),
                _version(shape.endVersion),
                tuple(map(_modification, shape.modifications)),
                None if shape.clientClockSkew is UNSET else shape.clientClockSkew,
                None if shape.serverTs is UNSET else shape.serverTs,
            )
        case _MutationResponse():
            return _mutation_response(shape)
        case _ActionResponse():
            return _action_response(shape)
        case _TransitionChunk():
            if shape.partNumber >= shape.totalParts:
                raise ProtocolError(INVALID_MESSAGE, f"piece {shape.partNumber} of {shape.totalParts}")
            return TransitionChunk(shape.chunk, shape.partNumber, shape.totalParts, shape.transitionId)
        case _AuthError():
            # Clients read a missing flag as an attempt.
            return AuthError(shape.error, shape.baseVersion, shape.authUpdateAttempted is not False)
        case _FatalError():
            return FatalError(shape.error)
        case _Ping():
            return Ping()
        case _:
            assert_never(shape)


def _version(shape: _Version) -> StateVersion:
    return StateVersion(shape.querySet, shape.identity, timestamps.from_wire(shape.ts))


def _modification(shape: _QueryUpdated | _QueryFailed | _QueryRemoved) -> Modification:
    match shape:
        case _QueryUpdated():
            return QueryUpdated(shape.queryId, _value(shape.value), tuple(shape.logLines), shape.journal)
        case _QueryFailed():
            data = _data(shape.errorData)
            return QueryFailed(shape.queryId, shape.errorMessage, data, tuple(shape.logLines), shape.journal)
        case _QueryRemoved():
            return QueryRemoved(shape.queryId)
        case _:
            assert_never(shape)


def _mutation_response(shape: _MutationResponse) -> MutationResponse:
    if shape.success:
        _check_no_data(shape.errorData)
        if shape.ts is None:
            raise ProtocolError(INVALID_MESSAGE, "a successful MutationResponse has a ts")
        ts = timestamps.from_wire(shape.ts)
        return MutationResponse(shape.requestId, MutationSuccess(_value(shape.result), ts, tuple(shape.logLines)))
    if shape.ts is not None:
        raise ProtocolError(INVALID_MESSAGE, "a failed MutationResponse has no ts")
    return MutationResponse(shape.requestId, _failure(shape))


def _action_response(shape: _ActionResponse) -> ActionResponse:
    if shape.success:
        _check_no_data(shape.errorData)
        return ActionResponse(shape.requestId, ActionSuccess(_value(shape.result), tuple(shape.logLines)))
    return ActionResponse(shape.requestId, _failure(shape))


def _failure(shape: _MutationResponse | _ActionResponse) -> FunctionFailure:
    message = msgspec.json.decode(shape.result, type=str)
    return FunctionFailure(message, _data(shape.errorData), tuple(shape.logLines))


def _check_no_data(data: Raw | UnsetType) -> None:
    if data is not UNSET:
        raise ProtocolError(INVALID_MESSAGE, "errorData in a success")


def _data(data: Raw | UnsetType) -> bytes | None:
    return None if isinstance(data, UnsetType) else _value(data)


def _value(raw: Raw) -> bytes:
    text = bytes(raw)
    json.decode(text)  # Clients decode every value; one that they cannot is as bad as a malformed message.
    return text
