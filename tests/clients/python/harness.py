"""What every script here needs: the server's address, and a way to talk to the test that runs it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

URL = os.environ["RELIVE_URL"]


def step(name: str) -> None:
    """Ask the test to do something to the server; returns when it is done."""
    print(json.dumps({"step": name}), flush=True)
    sys.stdin.readline()


def finish(result: object) -> None:
    """Give the result and end.  At once: the client's threads would wait for a lost connection."""
    print(json.dumps({"result": result}), flush=True)
    os._exit(0)


def rejection(call: Callable[[], object]) -> dict[str, Any]:
    """The error of a call, as `{"data": ...}` if it carries data, else as `{"message": ...}`."""
    try:
        call()
    except Exception as error:  # every kind: the clients raise plain `Exception` for plain failures
        if hasattr(error, "data"):
            return {"data": error.data}
        return {"message": str(error)}
    raise AssertionError("the call succeeded, but should have failed")
