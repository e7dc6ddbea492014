"""Which HTTP action answers a request: the router of an app, filled while its modules are loaded.

    http = HttpRouter()

    @http.route("/messages", methods=["POST"])
    async def post(ctx: ActionCtx, request: Request) -> Response: ...

    @http.route(path_prefix="/files/")
    async def file(ctx: ActionCtx, request: Request) -> Response: ...

An exact path goes before every prefix, and a longer prefix before a shorter one.

Invariant: once its app is loaded, a router never changes.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, Final, Literal, get_args

import msgspec
from attrs import evolve, frozen

from ..data.shapes import ANY, ObjectOf
from ..errors import AppInvalid
from ..limits import HTTP_ROUTES_MAX
from ..transactions.action_context import ActionCtx
from .endpoint import Endpoint
from .functions import ActionFunction, ActionRuntime
from .http_messages import Request, Response

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
Handler = Callable[[ActionCtx, Request], Awaitable[Response]]


class NoArguments(msgspec.Struct):
    """A request comes beside the arguments."""


class HttpHandler:
    """A function that a router has: may be called as it was written."""

    kind = "action"
    """What the guard takes it for: it may touch the outside world."""

    def __init__(self, handler: Handler, runtime: ActionRuntime) -> None:
        self.handler = handler
        self.runtime = runtime
        self.__name__: str = getattr(handler, "__name__", "handler")
        self.__doc__ = handler.__doc__
        self.__module__ = handler.__module__
        self.__wrapped__ = handler

    def __call__(self, ctx: ActionCtx, request: Request, /) -> Awaitable[Response]:
        return self.handler(ctx, request)


@frozen(eq=False)
class Route:
    path: str
    is_prefix: bool
    method: Method
    handler: HttpHandler

    @property
    def name(self) -> str:
        """What executions and entries call it."""
        return f"{self.method} {self.path}{'*' if self.is_prefix else ''}"

    def endpoint(self, serve: Callable[[ActionCtx], Awaitable[None]]) -> Endpoint:
        """What runs as an action for one request."""
        function: ActionFunction[[], None] = ActionFunction(
            serve, public=True, runtime=self.handler.runtime, durable=False
        )
        return Endpoint(self.name, function, ObjectOf(NoArguments, (), None), ANY, NoArguments, Any)


class HttpRouter:
    """The HTTP actions of an app."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, Method], Route] = {}
        self._prefixes: dict[tuple[str, Method], Route] = {}
        self._sealed = False
        self._is_mounted = False
        """Whether another one answers for it."""

    def route(
        self,
        path: str | None = None,
        *,
        path_prefix: str | None = None,
        methods: Iterable[Method] = ("GET",),
        runtime: ActionRuntime = "trio",
    ) -> Callable[[Handler], HttpHandler]:
        """Decorates a handler: it answers requests of these methods to a path, or to all that begin with one.

        Requests with HEAD are routed as GET, and answered without the body.  The handler runs as an action
        does; see `action` for ``runtime``.

        Raises ValueError for a path, prefix or method that cannot be, and for one that has a handler.
        """
        if (path is None) == (path_prefix is None):
            raise ValueError("give either path= or path_prefix=")
        where, is_prefix = (path, False) if path is not None else (path_prefix, True)
        assert where is not None
        if not where.startswith("/") or not where.isprintable() or "?" in where or "#" in where:
            raise ValueError(f"{where!r} is no path: write it as /files, without ? and #")
        if is_prefix and not where.endswith("/"):
            raise ValueError(f"the prefix {where!r} must end with /")
        chosen: list[Method] = [methods] if isinstance(methods, str) else list(methods)  # type: ignore[list-item]
        for method in chosen:
            if method not in METHODS:
                raise ValueError(f"{method!r} is none of {', '.join(METHODS)}; GET answers HEAD, too")

        def decorate(handler: Handler) -> HttpHandler:
            made = handler if isinstance(handler, HttpHandler) else HttpHandler(checked(handler), runtime)
            for method in chosen:
                self._add(Route(where, is_prefix, method, made))
            return made

        return decorate

    def mount(self, prefix: str, router: HttpRouter) -> None:
        """Answer all that ``router`` answers, below a prefix such as ``/payments``; its routes are complete by then.

        Raises ValueError for a prefix that cannot be, a router that is mounted already or is this one, and for a
        path that has a handler.
        """
        if not prefix.startswith("/") or prefix.endswith("/") or not prefix.isprintable() or set(prefix) & set("?#"):
            raise ValueError(f"{prefix!r} is no prefix: write it as /payments, without a / at the end")
        if router is self or router._sealed:
            raise ValueError(f"what is mounted at {prefix} is this router, or mounted already")
        router.seal()
        for route in router.routes:
            self._add(evolve(route, path=f"{prefix}{route.path}"))
        router._is_mounted = True

    def _add(self, route: Route) -> None:
        if self._sealed:
            raise ValueError("routes are added while the app is loaded, not later")
        routes, key = self._prefixes if route.is_prefix else self._exact, (route.path, route.method)
        if key in routes:
            raise ValueError(f"{route.name} has a handler already: {routes[key].handler.__name__}")
        if len(self.routes) >= HTTP_ROUTES_MAX:
            raise ValueError(f"an app has at most {HTTP_ROUTES_MAX:,} routes: let a prefix stand for several")
        routes[key] = route

    @property
    def routes(self) -> tuple[Route, ...]:
        return (*self._exact.values(), *self._prefixes.values())

    def seal(self) -> None:
        self._sealed = True

    def find(self, method: str, path: str) -> Route | None:
        """Exact first, then the longest prefix that has the method."""
        wanted: Any = "GET" if method == "HEAD" else method
        if (route := self._exact.get((path, wanted))) is not None:
            return route
        end = len(path)
        while (end := path.rfind("/", 0, end)) >= 0:
            if (route := self._prefixes.get((path[: end + 1], wanted))) is not None:
                return route
        return None


def checked(handler: Handler) -> Handler:
    """Raises TypeError unless it can answer requests."""
    name = getattr(handler, "__qualname__", repr(handler))
    if not inspect.iscoroutinefunction(handler):
        raise TypeError(f"{name}: write `async def`, for ctx calls are awaited")
    if len(inspect.signature(handler).parameters) != 2:
        raise TypeError(f"{name}: an HTTP action takes `ctx: ActionCtx` and `request: Request`, nothing else")
    return handler


def find_router(modules: Mapping[str, ModuleType]) -> HttpRouter | None:
    """The router of an app, if it has one; from here on it stays as it is.

    Raises AppInvalid for two that are not mounted.
    """
    found: dict[int, tuple[str, HttpRouter]] = {}
    for module in modules.values():
        for value in list(vars(module).values()):
            if isinstance(value, HttpRouter) and not value._is_mounted:
                found.setdefault(id(value), (str(module.__file__), value))
    if len(found) > 1:
        where = ", ".join(name for name, _ in found.values())
        raise AppInvalid(where, "an app has one HttpRouter: import it from the module that makes it, or mount() others")
    for _, router in found.values():
        router.seal()
        return router
    return None
