"""What every generated Python client begins with: its text is copied there, and never imported here.

The generated code that follows uses all of it, over the official ``convex`` package.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Generic, NoReturn, ParamSpec, TypeVar

from convex import ConvexClient, ConvexError, ConvexInt64, QuerySubscription, convex_to_json, json_to_convex

T = TypeVar("T")
P = ParamSpec("P")


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"


UNSET: Final = Unset.UNSET
"""For an argument: leave it out.  For a field: it is not there, which is not the same as None."""


class PastError(Exception):
    """A question about the past that has no answer; its text says why."""


class Past:
    """Queries as of a moment of the past, in place of a `ConvexClient`: ``Client(Past(url, admin_key, at=4711))``.

    ``at`` is an entry of the log, or a time with its zone as text.  ``code`` says whose functions run: those of
    ``"then"``, or of ``"now"``.  A query that raised then raises here: `ConvexError` with its data, or `PastError`,
    as what cannot be answered does.
    """

    def __init__(
        self, url: str, admin_key: str, *, at: int | str, code: str = "then", timeout_s: float = 300.0
    ) -> None:
        self._url = f"{url.rstrip('/')}/api/past/query"
        self._admin_key = admin_key
        self._moment = {"at": at, "code": code}
        self._timeout_s = timeout_s

    def query(self, name: str, args: dict[str, Any] | None = None) -> Any:
        """What the query said then."""
        said = self._ask({"path": name, "args": convex_to_json(args or {}), **self._moment})
        if said.get("status") == "success":
            return json_to_convex(said["value"])
        message = str(said.get("errorMessage", said))
        if "errorData" in said:
            raise ConvexError(message, json_to_convex(said["errorData"]))
        raise PastError(message)

    def mutation(self, name: str, args: object = None) -> NoReturn:
        raise PastError(f"{name}: the past cannot be changed")

    action = mutation

    def subscribe(self, name: str, args: object = None) -> NoReturn:
        raise PastError(f"{name}: the past does not change, so call the query")

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(self._url, json.dumps(question).encode())
        request.add_header("Content-Type", "application/json")
        # Where it is redirected to, nobody needs the key.
        request.add_unredirected_header("Authorization", f"Convex {self._admin_key}")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                said: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise PastError(self._refusal(error)) from None
        except (OSError, ValueError) as error:
            raise PastError(f"{self._url}: {error}") from error
        return said

    @staticmethod
    def _refusal(error: urllib.error.HTTPError) -> str:
        try:
            return str(json.load(error)["message"])
        except (OSError, ValueError, LookupError, TypeError):
            return str(error)


class Subscription(Generic[T]):
    """The results of a query, now and whenever it changes: ``for`` and ``async for`` wait for the next."""

    def __init__(self, results: QuerySubscription, read: Callable[[Any], T]) -> None:
        self._results = results
        self._read = read

    def __iter__(self) -> Subscription[T]:
        return self

    def __next__(self) -> T:
        return self._read(next(self._results))

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        return self._read(await self._results.__anext__())

    def unsubscribe(self) -> None:
        """No more results are wanted."""
        self._results.unsubscribe()


class Query(Generic[P, T]):
    """A query: call it for its result, or `subscribe` to all of its results."""

    def __init__(
        self, convex: ConvexClient | Past, name: str, arguments: Callable[P, dict[str, Any]], read: Callable[[Any], T]
    ) -> None:
        self._convex = convex
        self._name = name
        self._arguments = arguments
        self._read = read

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._read(self._convex.query(self._name, self._arguments(*args, **kwargs)))

    def subscribe(self, /, *args: P.args, **kwargs: P.kwargs) -> Subscription[T]:
        return Subscription(self._convex.subscribe(self._name, self._arguments(*args, **kwargs)), self._read)


class Mutation(Generic[P, T]):
    """A mutation: call it, and it has happened."""

    def __init__(
        self, convex: ConvexClient | Past, name: str, arguments: Callable[P, dict[str, Any]], read: Callable[[Any], T]
    ) -> None:
        self._convex = convex
        self._name = name
        self._arguments = arguments
        self._read = read

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._read(self._convex.mutation(self._name, self._arguments(*args, **kwargs)))


class Action(Generic[P, T]):
    """An action: call it for its result."""

    def __init__(
        self, convex: ConvexClient | Past, name: str, arguments: Callable[P, dict[str, Any]], read: Callable[[Any], T]
    ) -> None:
        self._convex = convex
        self._name = name
        self._arguments = arguments
        self._read = read

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._read(self._convex.action(self._name, self._arguments(*args, **kwargs)))


class Wire:
    """Values as the ``convex`` package takes and gives them."""

    @staticmethod
    def kind_of(value: Any) -> str:
        """What kind of value it is, for unions."""
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "boolean"
        if isinstance(value, (int, float)):
            return "number"
        if isinstance(value, ConvexInt64):
            return "int64"
        if isinstance(value, str):
            return "string"
        if isinstance(value, (bytes, bytearray, memoryview)):
            return "bytes"
        return "object" if isinstance(value, Mapping) else "array"

    @staticmethod
    def whole(value: Any) -> Any:
        """A number that is declared as an int; the wire knows only floats."""
        return int(value)

    @staticmethod
    def from_int64(value: Any) -> Any:
        return value.value

    @staticmethod
    def to_int64(value: Any) -> Any:
        return ConvexInt64(value)

    @staticmethod
    def given(arguments: dict[str, Any]) -> dict[str, Any]:
        """Those that are not left out."""
        return {name: value for name, value in arguments.items() if value is not UNSET}

    @staticmethod
    def if_given(value: Any, write: Callable[[Any], Any]) -> Any:
        return value if value is UNSET else write(value)

    @staticmethod
    def if_there(fields: Any, name: str, read: Callable[[Any], T]) -> T | Unset:
        return read(fields[name]) if name in fields else UNSET
