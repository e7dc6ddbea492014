"""The JSON in which HTTP answers: which encoding of values a client expects, and what is put around them."""

from __future__ import annotations

from collections.abc import Callable

from ...protocol import json
from ...protocol.client_version import parse_client_version

FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "convex_encoded_json": lambda encoded: encoded,
    "convex_json": lambda encoded: encoded,
    "json": lambda encoded: json.encode_clean(json.decode(encoded)),
    "convex_clean_json": lambda encoded: json.encode_clean(json.decode(encoded)),
    "export_json": lambda encoded: json.encode_export(json.decode(encoded)),
}
"""From canonical Convex JSON, by the name that requests give."""
PLAIN_JSON_SINCE = {"npm": (1, 4, 1), "npm-cli": (1, 4, 1), "actions": (1, 4, 1), "python": (0, 5, 0)}


def default_format_of(header: str) -> str:
    """Old clients expect the encoding of their time; everybody else gets plain JSON."""
    client = parse_client_version(header, None)
    since = PLAIN_JSON_SINCE.get(client.name)
    if since is None or client.version is None or client.version > since:
        return "json"
    return "json" if client.version == since and not client.prerelease else "convex_encoded_json"


def success_json(value: bytes, lines: tuple[str, ...]) -> bytes:
    """A function's result, encoded already, and what it printed."""
    return b'{"status":"success","value":' + value + lines_json(lines) + b"}"


def failure_json(message: str, data: bytes | None, lines: tuple[str, ...]) -> bytes:
    """Why a function failed, with the data of its error, encoded already, and what it printed."""
    shown = b'{"status":"error","errorMessage":' + json.dump(message)
    if data is not None:
        shown += b',"errorData":' + data
    return shown + lines_json(lines) + b"}"


def lines_json(lines: tuple[str, ...]) -> bytes:
    return b',"logLines":' + json.dump(list(lines)) if lines else b""
