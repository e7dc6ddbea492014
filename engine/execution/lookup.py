"""Which function a name means, and for whom."""

from __future__ import annotations

from ...protocol import paths
from ...protocol.errors import InvalidPath
from ..application.app import App
from ..application.endpoint import Endpoint
from ..errors import FunctionNotFound
from . import system_functions
from .calls import Call


def named(app: App, name: str) -> Endpoint | None:
    """A function of the app by its path, in any of the forms that clients write."""
    try:
        return app.endpoints.get(str(paths.parse(name)))
    except InvalidPath:
        return None


def reachable(app: App, call: Call) -> Endpoint:
    """The function that the call names, if the caller may know of it.  Raises FunctionNotFound."""
    try:
        path = str(paths.parse(call.path))
    except InvalidPath:
        raise FunctionNotFound(call.path) from None
    endpoint = app.endpoints.get(path) or system_functions.ENDPOINTS.get(path)
    if endpoint is None or not (endpoint.public or call.admin):
        raise FunctionNotFound(path.removesuffix(":default"))
    return endpoint
