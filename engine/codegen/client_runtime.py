"""What every generated Python client begins with: its text is copied there, and never imported here.

The generated code that follows uses all of it, over the official ``convex`` package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Generic, ParamSpec, TypeVar

from convex import ConvexClient, ConvexInt64, QuerySubscription

T = TypeVar("T")
P = ParamSpec("P")


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"


UNSET: Final = Unset.UNSET
"""For an argument: leave it out.  For a field: it is not there, which is not the same as None."""


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
        self, convex: ConvexClient, name: str, arguments: Callable[P, dict[str, Any]], read: Callable[[Any], T]
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
        self, convex: ConvexClient, name: str, arguments: Callable[P, dict[str, Any]], read: Callable[[Any], T]
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
        self, convex: ConvexClient, name: str, arguments: Callable[P, dict[str, Any]], read: Callable[[Any], T]
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
