"""Every kind of value, from the server, to it, through the database, and over HTTP."""

from __future__ import annotations

import math
import struct
from typing import Any

from convex import ConvexClient, ConvexInt64
from convex.http_client import ConvexHttpClient

from .harness import URL, finish

VALUES: list[Any] = [
    None,
    True,
    False,
    0.0,
    -0.0,
    1.0,
    -1.5,
    float(2**53 - 1),
    1e300,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    ConvexInt64(0),
    ConvexInt64(2**63 - 1),
    ConvexInt64(-(2**63)),
    "",
    "grün 🌱 \u0000 \u2028",
    b"",
    bytes(range(256)),
    [],
    [1.0, ConvexInt64(1), "1", [b"\x01"]],
    {},
    {"": 0.0, "nested": {"big": [ConvexInt64(5), math.nan]}},
]


def exact(value: Any) -> object:
    """A value such that `==` tells apart what the value model tells apart."""
    match value:
        case bool() | None | str() | bytes():
            return (type(value).__name__, value)
        case int() | float():
            return ("number", struct.pack("<d", value))
        case ConvexInt64():
            return ("int64", value.value)
        case list():
            return [exact(item) for item in value]
        case dict():
            return {name: exact(item) for name, item in value.items()}
        case _:
            raise AssertionError(f"a value of an unknown kind: {value!r}")


def check(where: str, received: object, sent: object) -> None:
    assert exact(received) == exact(sent), f"{where}: sent {sent!r}, received {received!r}"


client, http = ConvexClient(URL), ConvexHttpClient(URL)
for value in VALUES:
    check("over the socket", client.query("values:echo", {"value": value}), value)
    check("over HTTP", http.query("values:echo", {"value": value}), value)
    box = client.mutation("values:store", {"value": value})
    check("from the database", client.query("values:stored", {"box": box}), value)

kinds = client.query("values:kinds")
check("kinds by HTTP", http.query("values:kinds"), kinds)
finish({"checked": len(VALUES), "kinds": {name: type(value).__name__ for name, value in kinds.items()}})
