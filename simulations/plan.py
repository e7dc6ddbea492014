"""A plan: everything that happens to a run from outside, as data.  The plan file is the bug report.

    seed ──> generate ──> Plan ──> to_bytes ──> a file ──> from_bytes ──> the same plan

Times are in milliseconds of virtual time.  Whatever a run needs beyond that (latencies, which pages a crash
keeps) is drawn from streams named after the plan's seed, one for each thing.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import asdict, define, frozen

from ..protocol import cbor
from ..protocol.errors import InvalidValue
from .errors import PlanInvalid
from .schedule import POLICIES, SHUFFLE

PLAN_VERSION: Final = 1

MUTATE: Final = "mutate"
SUBSCRIBE: Final = "subscribe"
UNSUBSCRIBE: Final = "unsubscribe"
MORE: Final = "more"
"""Watch the page that follows those that are watched, or the first one anew; if none is watched, this one."""
SPLIT: Final = "split"
"""Watch two pages in place of one that can be split."""
DEPLOY: Final = "deploy"
"""Whoever operates the server deploys the version of the app that the arguments say."""
MIGRATE: Final = "migrate"
"""Whoever operates the server starts the migration, once the app has it."""
VERBS: Final = (MUTATE, SUBSCRIBE, UNSUBSCRIBE, MORE, SPLIT, DEPLOY, MIGRATE)

CRASH: Final = "crash"
"""The machine stops; ``amount`` is how many of a hundred changed pages survive."""
CRASH_AT_CHANGE: Final = "crash_at_change"
"""The machine stops at the ``amount``-th change of a file from then on; half of the pages survive."""
KILL: Final = "kill"
"""The process ends, the page cache stays."""
SYNC_FAILS: Final = "sync_fails"
WRITE_FAILS: Final = "write_fails"
DISK_FULL: Final = "disk_full"
"""Only ``amount`` more bytes fit, until the disk is made larger or the run heals."""
CUT: Final = "cut"
"""A client's connection ends at once, on both sides; what was under way is lost."""
HALF_OPEN: Final = "half_open"
"""A client's connection ends, and the server hears of it, and of what the client had sent, ``amount`` ms later."""
STALL: Final = "stall"
"""A client reads nothing for ``amount`` ms."""
CLOCK: Final = "clock"
"""The wall clock jumps by ``amount`` ms, forth or back."""
SYNC_LIES: Final = "sync_lies"
"""The next ``amount`` syncs say that they are done, and are not."""
ROT_LOG: Final = "rot_log"
"""A bit of a segment rots: tried on a copy of the disk."""
ROT_CHECKPOINT: Final = "rot_checkpoint"
MISREAD: Final = "misread"
"""A read gives what stands elsewhere: tried on a copy of the disk."""
FOLLOWER: Final = "follower"
"""The tables fail at the next ``amount`` commits; the supervisor rebuilds them, some times."""
CHECKPOINT_DIES: Final = "checkpoint_dies"
"""The process that makes a checkpoint ends at the ``amount``-th change of a file."""
DUPLICATE: Final = "duplicate"
"""A client's connection ends, though all that it had sent arrives: it sends it again."""
DELAY: Final = "delay"
"""Nothing arrives on a client's connection, either way, for ``amount`` ms."""
FAULTS: Final = (
    SYNC_LIES,
    ROT_LOG,
    ROT_CHECKPOINT,
    MISREAD,
    FOLLOWER,
    CHECKPOINT_DIES,
    DUPLICATE,
    DELAY,
    CRASH,
    CRASH_AT_CHANGE,
    KILL,
    SYNC_FAILS,
    WRITE_FAILS,
    DISK_FULL,
    CUT,
    HALF_OPEN,
    STALL,
    CLOCK,
)


@frozen
class Operation:
    """What a client does, ``pause_ms`` after what it did before."""

    pause_ms: int
    verb: str
    path: str
    """Of ``mutate``, ``subscribe`` and ``more``; else empty: the oldest subscription ends, the first page is meant."""
    args: dict[str, Any]


@frozen
class Fault:
    at_ms: int
    kind: str
    target: int
    """Which client, of faults of the network."""
    amount: int


@define
class Knobs:
    """What is the same for a whole run."""

    latency_ms_max: int = 3
    sync_ms_max: int = 3
    page_bytes: int = 512
    window: int = 16
    """How many messages may be on their way to a client before the server has to wait."""
    restart_ms: int = 20
    reconnect_ms: int = 10
    pipelined: bool = True
    """Whether a client asks for the next mutation before it knows the outcome of the one before."""
    clock_step_ns: int = 0
    """By how much the monotonic clock moves each time somebody looks."""
    segment_bytes: int = 64 * 2**20
    follower_lag: int = 0
    """How many entries behind the newest commit mutations may run, on a second executor; 0 without one."""
    checkpoint_ms: int = 0
    """How often a checkpoint is made, if there is something to make it of; 0 is never."""
    buggify: bool = False
    """Whether the code makes rare choices now and then."""
    full_stack: bool = False
    """Whether clients speak to the server's own listener in bytes, instead of in messages."""
    calls: bool = False
    """Whether what clients do with counters and accounts is done over HTTP, too; with `full_stack`."""


@frozen
class Plan:
    seed: int
    policy: str
    knobs: Knobs
    clients: tuple[tuple[Operation, ...], ...]
    faults: tuple[Fault, ...]
    choices: tuple[int, ...] = ()
    """Of the scheduler, for the policy ``replay``."""

    def __attrs_post_init__(self) -> None:
        require(self.policy in POLICIES, f"there is no policy {self.policy!r}")
        for fault in self.faults:
            require(fault.kind in FAULTS, f"there is no fault {fault.kind!r}")
        for operations in self.clients:
            for operation in operations:
                require(operation.verb in VERBS, f"no client can {operation.verb!r}")

    @property
    def operations(self) -> int:
        return sum(map(len, self.clients))

    def fault_kinds(self) -> frozenset[str]:
        return frozenset(fault.kind for fault in self.faults)


def require(condition: bool, problem: str) -> None:
    if not condition:
        raise PlanInvalid(problem)


def to_bytes(plan: Plan) -> bytes:
    return cbor.encode({"version": PLAN_VERSION, **listed(asdict(plan))})


def listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: listed(each) for name, each in value.items()}
    return [listed(each) for each in value] if isinstance(value, tuple) else value


def from_bytes(data: bytes) -> Plan:
    """Raises PlanInvalid."""
    try:
        tree: Any = cbor.decode(data)
    except InvalidValue as error:
        raise PlanInvalid(str(error)) from error
    require(isinstance(tree, dict), "it is not an object")
    version = tree.pop("version", None)
    require(version == PLAN_VERSION, f"it is of version {version}, and this is version {PLAN_VERSION}")
    try:
        return Plan(
            seed=tree["seed"],
            policy=tree["policy"],
            knobs=Knobs(**tree["knobs"]),
            clients=tuple(tuple(Operation(**each) for each in client) for client in tree["clients"]),
            faults=tuple(Fault(**fault) for fault in tree["faults"]),
            choices=tuple(tree["choices"]),
        )
    except (KeyError, TypeError) as error:
        raise PlanInvalid(f"a part of it is missing or too much: {error}") from error


EMPTY: Final = Plan(0, SHUFFLE, Knobs(), (), ())
