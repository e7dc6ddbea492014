"""The arguments of one call: checked and measured once, and made anew for each run of the handler.

A handler may change the lists and dictionaries that it is given.  When it is run again (after a
conflict, for comparison, or because it imported a module) it must get what the client sent.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field

from ...protocol import json
from ...protocol.errors import InvalidValue
from ...protocol.limits import ARGS_BYTES_MAX
from ...protocol.values import Value, size
from ..application.endpoint import Endpoint
from ..errors import ArgumentValidationError
from .calls import Call


@define(eq=False)
class Arguments:
    """Making it raises ArgumentValidationError if the function does not take them."""

    call: Call
    endpoint: Endpoint
    value: Value = field(init=False)
    """Before the first run; a handler may change it."""
    bound: dict[str, Any] | None = field(init=False)
    """For the first run; None once it has been taken."""

    def __attrs_post_init__(self) -> None:
        self.value = decode(self.call)
        bytes_ = size(self.value)
        if bytes_ > ARGS_BYTES_MAX:
            problem = f"{bytes_:,} bytes of arguments; a call takes at most {ARGS_BYTES_MAX:,}"
            raise ArgumentValidationError(self.call.path, problem)
        self.bound = self.endpoint.bind(self.value)

    def take(self) -> dict[str, Any]:
        """Keyword arguments for one run of the handler; nobody else has them."""
        bound, self.bound = self.bound, None
        return bound if bound is not None else self.endpoint.bind(decode(self.call))


def decode(call: Call) -> Value:
    """Raises ArgumentValidationError."""
    args = call.args
    try:
        if isinstance(args, list):
            if len(args) > 1:
                raise InvalidValue("$", "positional arguments are not supported: pass one object")
            args = args[0] if args else {}
        return json.from_json(args)
    except InvalidValue as error:
        raise ArgumentValidationError(call.path, str(error)) from None
