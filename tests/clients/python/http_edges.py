"""The HTTP client with credentials, right and wrong, and with calls that no function answers."""

from __future__ import annotations

import contextlib
import io
import os
from functools import partial
from typing import Any

from convex.http_client import ConvexHttpClient

from .harness import URL, finish, rejection

KEY = os.environ["RELIVE_ADMIN_KEY"]
NAME: dict[str, Any] = {"name": "edges"}


def client(key: str | None = None, token: str | None = None) -> ConvexHttpClient:
    made = ConvexHttpClient(URL)
    if key is not None:
        made.set_admin_auth(key)
    if token is not None:
        made.set_auth(token)
    return made


def failure(made: ConvexHttpClient, path: str, args: Any) -> dict[str, Any]:
    return rejection(partial(made.query, path, args))


admin = client(KEY)
admin.set_debug(True)
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    admin.mutation("messages:announce", {"text": "hello"})

finish(
    {
        "byAdmin": admin.query("counters:get", NAME),
        "internal": admin.query("failures:internal", {}),
        "plainForAdmin": failure(admin, "failures:query_plain", {})["message"],
        "plain": failure(client(), "failures:query_plain", {}),
        "withData": failure(client(), "failures:query_with_data", {"data": {"code": 5}}),
        "hidden": failure(client(), "failures:internal", {}),
        "badPath": failure(client(), "a b:c", {}),
        "wrongKey": failure(client("some|thing"), "counters:get", NAME),
        "token": failure(client(token="a.b.c"), "counters:get", NAME),
        "action": rejection(partial(admin.action, "counters:get", NAME))["message"],
        "lines": printed.getvalue().splitlines(),
    }
)
