"""What the lint knows: which dotted names handlers may not call, and why."""

from __future__ import annotations

from typing import Final

HANDLERS: Final = {
    "query": "query",
    "mutation": "mutation",
    "internal_query": "query",
    "internal_mutation": "mutation",
}
"""Decorators of handlers, by the last part of their name."""
OUTSIDE: Final = frozenset({"action", "internal_action", "route"})
"""Decorators of functions that may do as they please."""

_NETWORK = "does network I/O: move it to an @action and hand its result to a mutation"
_FILES = "touches the file system: read it at module load, or move it to an @action"
_PROCESS = "starts a process: move it to an @action"
_THREAD = "starts a thread: move it to an @action"
_TASKS = "waits for other things than ctx: move it to an @action"
_UNCHECKED = "runs code that nobody has checked"
_AT_THE_TOP = "imports while handlers run: import at the top of the module"

FORBIDDEN: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "requests",
            "httpx",
            "aiohttp",
            "urllib.request",
            "urllib3",
            "http.client",
            "socket",
            "ssl",
            "smtplib",
        ),
        _NETWORK,
    ),
    **dict.fromkeys(
        (
            "ftplib",
            "imaplib",
            "boto3",
            "openai",
            "anthropic",
            "redis",
            "psycopg",
            "psycopg2",
            "asyncpg",
            "pymongo",
        ),
        _NETWORK,
    ),
    **dict.fromkeys(("sqlalchemy.create_engine", "websockets", "grpc", "dns", "webbrowser"), _NETWORK),
    **dict.fromkeys(("subprocess", "multiprocessing", "pty"), _PROCESS),
    **dict.fromkeys(("threading", "_thread", "concurrent.futures"), _THREAD),
    **dict.fromkeys(("asyncio", "trio", "anyio", "select", "selectors"), _TASKS),
    **dict.fromkeys(
        (
            "builtins.open",
            "io.open",
            "codecs.open",
            "pathlib.Path.cwd",
            "pathlib.Path.home",
            "tempfile",
            "shutil",
        ),
        _FILES,
    ),
    **dict.fromkeys(("glob", "sqlite3", "mmap", "fileinput"), _FILES),
    "time.sleep": "waits: use ctx.scheduler.run_after()",
    "builtins.input": "reads the terminal",
    "builtins.breakpoint": "stops all clients: start the server with --debug to step through a handler",
    "os": "asks the operating system: read it at module load, pass it as an argument, or use ctx.env",
    "ctypes": "runs native code: move it to an @action",
    "signal": "changes the process",
    "locale.setlocale": "changes the process",
    "sys.setrecursionlimit": "changes the process",
    "sys.exit": "would stop the server: raise an Exception instead",
    "numpy.random": "draws from numpy's global generator: use numpy.random.default_rng()",
    "torch": "is not reproducible: move it to an @action",
    "uuid.uuid1": "depends on this machine: use uuid.uuid4(), which is deterministic here",
    "uuid.getnode": "depends on this machine",
    "platform": "depends on this machine",
    "builtins.id": "gives an address, which differs from run to run",
    "gc": "depends on the layout of memory",
    "weakref": "depends on when memory is freed",
    "inspect.stack": "depends on the caller",
    "builtins.exec": _UNCHECKED,
    "builtins.eval": _UNCHECKED,
    "builtins.__import__": _AT_THE_TOP,
    "importlib.import_module": _AT_THE_TOP,
}
"""Why a call is an error, by dotted prefix of what is called."""

ALLOWED: Final = frozenset(
    {
        *("os.path.join", "os.path.basename", "os.path.dirname", "os.path.split", "os.path.splitext"),
        *("os.path.normpath", "os.path.commonpath", "os.path.relpath", "os.fspath", "os.urandom"),
        *("asyncio.iscoroutinefunction", "ssl.match_hostname", "threading.Lock", "threading.RLock"),
        *("numpy.random.default_rng", "numpy.random.Generator", "numpy.random.PCG64"),
    }
)
"""Exceptions to FORBIDDEN."""
FORBIDDEN_ATTRIBUTES: Final = frozenset({"os.environ", "os.environb", "sys.argv", "sys.stdin"})
NOTES: Final[dict[str, str]] = dict.fromkeys(
    ("time.perf_counter", "time.perf_counter_ns", "time.monotonic", "time.monotonic_ns", "time.process_time"),
    "stands still inside a handler, so it measures nothing",
)

AWAITED: Final = frozenset(
    {"db", "scheduler", "storage", "auth", "run_query", "run_mutation", "run_action", "vector_search"}
)
"""Parts of ctx whose calls do nothing unless they are awaited."""
MUTATORS: Final = frozenset(
    {
        *("append", "extend", "insert", "pop", "popitem", "remove", "clear", "update", "setdefault", "add"),
        *("discard", "appendleft", "popleft", "sort", "reverse", "intersection_update", "difference_update"),
        "symmetric_difference_update",
    }
)
CONTAINERS: Final = frozenset(
    {
        "dict",
        "list",
        "set",
        "defaultdict",
        "deque",
        "OrderedDict",
        "Counter",
        "bytearray",
        "WeakValueDictionary",
    }
)
ORDER_FREE: Final = frozenset({"sorted", "len", "sum", "min", "max", "any", "all", "set", "frozenset", "bool"})
"""Built-in functions whose answer does not depend on the order of what they are given."""
ORDERED: Final = frozenset({"list", "tuple", "enumerate", "iter", "next", "zip", "map", "filter"})
"""Built-in functions that pass the order on."""


def why_forbidden(dotted: str) -> str | None:
    """Why a handler may not call it; None if it may."""
    prefix = dotted
    while prefix:
        if prefix in ALLOWED:
            return None
        reason = FORBIDDEN.get(prefix)
        if reason is not None:
            return reason
        prefix = prefix.rpartition(".")[0]
    return None
