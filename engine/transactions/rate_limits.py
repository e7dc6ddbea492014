"""Limits on how often something may be done: `TokenBucket`, `FixedWindow`.

    sends = TokenBucket("sends", rate=10, per=timedelta(minutes=1), capacity=3)

    @mutation
    async def send(ctx: MutationCtx, body: str) -> None:
        await sends.require(ctx, key=await user_of(ctx))

What was taken stands in the system table ``_rate_limits``, and is written by the transaction that takes it:
if that is undone, nothing was taken.

Invariants
    * Time and tokens are whole numbers, so nothing is lost or gained by rounding.
    * Time that was counted once is not counted again: a clock that goes back brings no tokens.
"""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from attrs import field, frozen

from ...protocol.values import Int64
from ..data.schema import Record
from ..data.schema import field as stored_as
from ..data.system_tables import RateLimitRow
from ..errors import ApplicationError
from .context import MutationCtx, QueryCtx
from .database_access import DatabaseWriter, SystemTablesReader

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
UNITS_MAX = 2**62
"""Of a full bucket, so that it can be stored."""
NAME_CHARS_MAX = 64
KEY_CHARS_MAX = 1_024
SHARDS_MAX = 64


class Allowance(Record):
    """What a limit says; may be returned to clients."""

    ok: bool
    retry_after: int = stored_as(name="retryAfter")
    """In milliseconds: how long to wait before as much can be had, if nobody else takes any; 0 if it is ok."""


class LimitWriter(DatabaseWriter):
    """Writes ``_rate_limits``, for a mutation that takes something."""

    _writes_system_tables: ClassVar[bool] = True


@frozen
class State:
    """Of one limit, key and shard."""

    at: int
    """Microseconds since the Unix epoch: until when time has been counted."""
    units: int


@frozen(kw_only=True)
class RateLimit:
    """What `TokenBucket` and `FixedWindow` have in common."""

    kind: ClassVar[str]

    name: str = field(kw_only=False)
    """State is kept under it: no two limits of an app may have the same."""
    rate: int
    """How much there is for each ``per``."""
    per: dt.timedelta
    shards: int = 1
    """Into how many rows each key is split, so that servers beside each other conflict less."""
    max_reserved: int = 0
    """How much `reserve` may take that is not there yet."""

    def __attrs_post_init__(self) -> None:
        """Raises ValueError for what makes no limit."""
        if not isinstance(self.name, str) or not 0 < len(self.name) <= NAME_CHARS_MAX:
            raise ValueError(f"a limit is named with 1 to {NAME_CHARS_MAX} characters, not {self.name!r}")
        if not isinstance(self.per, dt.timedelta) or self.per < dt.timedelta(milliseconds=1):
            raise ValueError(f"limit {self.name!r}: per= is a timedelta of a millisecond or more, not {self.per!r}")
        if type(self.shards) is not int or not 1 <= self.shards <= SHARDS_MAX:
            raise ValueError(f"limit {self.name!r}: shards= is a whole number from 1 to {SHARDS_MAX}")
        for what, count, least in (
            ("rate", self.rate, 1),
            ("capacity", self.most, 1),
            ("max_reserved", self.max_reserved, 0),
        ):
            if type(count) is not int or count < least or count % self.shards:
                shared = f" that {self.shards} shards can share" if self.shards > 1 else ""
                problem = f"{what}= is a whole number of {least} or more{shared}, not {count!r}"
                raise ValueError(f"limit {self.name!r}: {problem}")
        for what, count in (
            ("rate", self.rate),
            ("capacity", self.most),
            ("max_reserved", self.most + self.max_reserved),
        ):
            if count * self.period > UNITS_MAX:
                raise ValueError(f"limit {self.name!r}: {what}={count:,} for {self.per} is too large to be counted")

    async def take(self, ctx: MutationCtx, key: str = "", count: int = 1) -> Allowance:
        """Take ``count`` for ``key``, if there is as much; else nothing is taken.

        It is undone with the transaction.  Raises ValueError for a count that can never be had.
        """
        shards = self._shards(ctx)
        refused: list[int] = []
        for shard in shards:
            row = await self._row(ctx, key, shard)
            now = now_us(ctx)
            state = self._state(row, now)
            wait = self._wait(state, self._checked(count), now)
            if wait == 0:
                await self._keep(ctx, row, key, shard, self._taken(state, count))
                return Allowance(ok=True, retry_after=0)
            refused.append(wait)
        return Allowance(ok=False, retry_after=in_ms(min(refused)))

    async def reserve(self, ctx: MutationCtx, key: str = "", count: int = 1) -> Allowance:
        """Take ``count`` for ``key`` now, to be used when ``retry_after`` has passed: schedule for then what it is for.

        Whoever comes later waits behind it.  It is refused where more than ``max_reserved`` would be taken that is
        not there yet; then ``retry_after`` says when as much can be reserved.  It is undone with the transaction.
        Raises ValueError for a count that can never be had, and for a limit without ``max_reserved``.
        """
        if not self.max_reserved:
            raise ValueError(f"limit {self.name!r}: say with max_reserved= how much may be reserved")
        now, places, refused = now_us(ctx), list[tuple[int, int]](), list[int]()
        for shard in self._shards(ctx):
            state = self._state(await self._row(ctx, key, shard), now)
            too_early = self._wait_to_reserve(state, self._checked(count), now)
            if too_early:
                refused.append(too_early)
            else:
                places.append((self._wait(state, count, now), shard))
        if not places:
            return Allowance(ok=False, retry_after=in_ms(min(refused)))
        wait = min(wait for wait, _ in places)
        shard = next(shard for each, shard in places if each == wait)
        row = await self._row(ctx, key, shard)
        await self._keep(ctx, row, key, shard, self._taken(self._state(row, now), count))
        return Allowance(ok=True, retry_after=in_ms(wait))

    async def check(self, ctx: QueryCtx, key: str = "", count: int = 1) -> Allowance:
        """What `take` would say; nothing is taken.  A live query hears of what is taken, not of time that passes."""
        waits: list[int] = []
        for shard in range(self.shards):
            row = await self._row(ctx, key, shard)
            now = now_us(ctx)
            waits.append(self._wait(self._state(row, now), self._checked(count), now))
        return Allowance(ok=min(waits) == 0, retry_after=in_ms(min(waits)))

    async def require(self, ctx: MutationCtx, key: str = "", count: int = 1) -> None:
        """As `take`, but raises ApplicationError if there is not as much.

        Its data is ``{"kind": "RateLimited", "name": ..., "retryAfter": milliseconds}``.
        """
        allowance = await self.take(ctx, key, count)
        if not allowance.ok:
            raise ApplicationError({"kind": "RateLimited", "name": self.name, "retryAfter": allowance.retry_after})

    async def reset(self, ctx: MutationCtx, key: str = "") -> None:
        """As if nothing had been taken for ``key``."""
        for shard in range(self.shards):
            row = await self._row(ctx, key, shard)
            if row is not None:
                await LimitWriter(ctx._run).delete(row.id)

    @property
    def most(self) -> int:
        """The most that can be had at once."""
        return self.rate

    @property
    def period(self) -> int:
        """In microseconds."""
        return self.per // MICROSECOND

    def _state(self, row: RateLimitRow | None, now: int) -> State:
        """As of now.  ``row`` is None where nothing was taken yet."""
        raise NotImplementedError

    def _wait(self, state: State, count: int, now: int) -> int:
        """Microseconds until ``count`` can be had; 0 if it can."""
        raise NotImplementedError

    def _wait_to_reserve(self, state: State, count: int, now: int) -> int:
        """Microseconds until ``count`` can be reserved; 0 if it can."""
        raise NotImplementedError

    def _taken(self, state: State, count: int) -> State:
        """Raises AssertionError if that would be more than may be reserved."""
        raise NotImplementedError

    def _full_at(self, state: State) -> int:
        """When it will be as if nothing had been taken."""
        raise NotImplementedError

    def _checked(self, count: int) -> int:
        most = self.most // self.shards
        if type(count) is not int or not 1 <= count <= most:
            raise ValueError(f"limit {self.name!r}: a count is a whole number from 1 to {most:,}, not {count!r}")
        return count

    def _shards(self, ctx: MutationCtx) -> list[int]:
        """In which order they are asked: any of them first, so that they empty evenly."""
        first = ctx.random.randrange(self.shards) if self.shards > 1 else 0
        return [(first + shard) % self.shards for shard in range(self.shards)]

    async def _row(self, ctx: QueryCtx, key: str, shard: int) -> RateLimitRow | None:
        if not isinstance(key, str) or len(key) > KEY_CHARS_MAX:
            raise ValueError(
                f"limit {self.name!r}: a key is text of up to {KEY_CHARS_MAX:,} characters, not {key!r:.80}"
            )
        rows = SystemTablesReader(ctx._run).query(RateLimitRow)
        return await rows.index(RateLimitRow.by_key, self.name, key, shard).unique()

    async def _keep(self, ctx: MutationCtx, row: RateLimitRow | None, key: str, shard: int, state: State) -> None:
        writer = LimitWriter(ctx._run)
        kept = RateLimitRow(
            name=self.name, key=key, shard=shard, kind=self.kind,
            at=Int64(state.at), units=Int64(state.units), period=Int64(self.period),
            full_at=Int64(self._full_at(state)),
        )  # fmt: skip
        if row is None:
            await writer.insert(kept)
        else:
            await writer.replace(row.id, kept)


@frozen(kw_only=True)
class TokenBucket(RateLimit):
    """Up to ``capacity`` at once, and ``rate`` for each ``per`` in the long run, coming evenly.

        TokenBucket("sends", rate=10, per=timedelta(minutes=1), capacity=3)

    Without ``capacity`` the bucket holds ``rate``.  With ``shards`` both are shared out, and the most that can
    be taken at once is what one shard holds.  With ``max_reserved`` there is `reserve`.
    Raises ValueError for what makes no limit.
    """

    kind: ClassVar[str] = "token bucket"

    capacity: int | None = None

    # A token is as many units as the period has microseconds, and each microsecond brings `rate` units.

    @property
    def most(self) -> int:
        return self.capacity if self.capacity is not None else self.rate

    def _state(self, row: RateLimitRow | None, now: int) -> State:
        full = self.most // self.shards * self.period
        if row is None or row.kind != self.kind:
            return State(now, full)
        # The period may have been another one when it was written: a token stays a token.
        units = int(row.units) * self.period // int(row.period)
        gained = max(0, now - row.at) * (self.rate // self.shards)
        return State(max(now, row.at), min(full, units + gained))

    def _wait(self, state: State, count: int, now: int) -> int:
        return self._until(state, count * self.period, now)

    def _wait_to_reserve(self, state: State, count: int, now: int) -> int:
        return self._until(state, (count - self.max_reserved // self.shards) * self.period, now)

    def _until(self, state: State, units: int, now: int) -> int:
        """Microseconds until so many units are there."""
        missing = units - state.units
        if missing <= 0:
            return 0
        return (state.at - now) + -(-missing // (self.rate // self.shards))

    def _taken(self, state: State, count: int) -> State:
        units = state.units - count * self.period
        assert units >= -self.max_reserved // self.shards * self.period, "more than may be reserved"
        return State(state.at, units)

    def _full_at(self, state: State) -> int:
        return state.at - (state.units - self.most // self.shards * self.period) // (self.rate // self.shards)


@frozen(kw_only=True)
class FixedWindow(RateLimit):
    """``rate`` in each window of ``per``; windows are counted from the Unix epoch, in UTC.

        FixedWindow("sign-ups", rate=100, per=timedelta(hours=1))

    Raises ValueError for what makes no limit.
    """

    kind: ClassVar[str] = "fixed window"

    # A state is of the last window of which something was taken: what is reserved may be in one that is to come.

    def _state(self, row: RateLimitRow | None, now: int) -> State:
        begun = now // self.period * self.period
        if row is None or row.kind != self.kind or row.at < begun:
            return State(begun, 0)
        return State(int(row.at), int(row.units))

    def _wait(self, state: State, count: int, now: int) -> int:
        return max(0, self._taken(state, count).at - now)

    def _wait_to_reserve(self, state: State, count: int, now: int) -> int:
        taken, rate = self._taken(state, count), self.rate // self.shards
        window = now // self.period
        ahead = (taken.at // self.period - window) * rate + taken.units - rate
        windows = -(-(ahead - self.max_reserved // self.shards) // rate)
        return (window + windows) * self.period - now if windows > 0 else 0

    def _taken(self, state: State, count: int) -> State:
        """In the window of ``state`` if it has room, else in the next one: a count is not split."""
        if state.units + count <= self.rate // self.shards:
            return State(state.at, state.units + count)
        return State((state.at // self.period + 1) * self.period, count)

    def _full_at(self, state: State) -> int:
        return (state.at // self.period + 1) * self.period


def now_us(ctx: QueryCtx) -> int:
    return (ctx.now - EPOCH) // MICROSECOND


def in_ms(us: int) -> int:
    """Rounded up: whoever waits so long has waited long enough."""
    return -(-us // 1_000)
