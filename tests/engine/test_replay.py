"""The promise of the product: running a handler again from its entry does the same.

An entry holds the function, its arguments, its clock and its seed.  With them, on the tables as of its snapshot that
are replayed from the log alone, the handler reads, writes, says and returns what it did when it first ran.
"""

from __future__ import annotations

import datetime as dt
import random
import secrets
import time
import uuid
from hashlib import blake2b
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from relive.actors.tables import Tables
from relive.engine.application.app import App
from relive.engine.application.codecs import codecs_of, definer
from relive.engine.application.functions import AnyFunction, mutation
from relive.engine.data.catalog import Catalog
from relive.engine.data.schema import Document, field, index
from relive.engine.data.table_codec import TableCodec
from relive.engine.determinism.gate import Run
from relive.engine.env import Env
from relive.engine.errors import ApplicationError
from relive.engine.execution.attempt import DIGEST_BYTES, Attempt
from relive.engine.execution.nested_calls import NestedCalls
from relive.engine.execution.results import encode_result
from relive.engine.transactions.context import MutationCtx
from relive.engine.transactions.transaction import Transaction
from relive.log.entry import LSN, Entry, Kind
from relive.log.reader import LogReader
from relive.protocol import cbor

from .bench import SECRET, Bench, app_of, open_bench


class Ticket(Document):
    owner: str = field()
    code: str
    luck: float
    tags: dict[str, int] = field(default_factory=dict)
    by_owner = index(owner)


@mutation
async def issue(ctx: MutationCtx, owner: str, tags: dict[str, int]) -> dict[str, Any]:
    """Uses every source of time and chance that there is, and the order of what it was given."""
    code = f"{uuid.uuid4()} {secrets.token_hex(4)} {time.time_ns()} {ctx.now.isoformat()} {dt.datetime.now(dt.UTC)}"
    luck = random.random() + ctx.random.random()
    id = await ctx.db.insert(Ticket(owner=owner, code=code, luck=luck, tags=tags))
    print("issued", id, list(tags), random.choice("abc"))
    return {"id": id, "order": list(tags), "time": time.time()}


@mutation
async def shuffle(ctx: MutationCtx, owner: str, keep: int) -> list[str]:
    """Reads in random order, deletes some, changes others; iterates over what is stored."""
    tickets = await ctx.db.query(Ticket).index(Ticket.by_owner, owner).collect()
    random.shuffle(tickets)
    for ticket in tickets[keep:]:
        await ctx.db.delete(ticket.id)
    for ticket in tickets[:keep]:
        await ctx.db.patch(ticket.id, code="-".join(ticket.tags), luck=random.gauss(0, 1))
    await ctx.db.insert("audit", {"owner": owner, "at": time.time(), "first": tickets[0].id if tickets else None})
    return [ticket.id for ticket in tickets]


@mutation
async def maybe(ctx: MutationCtx, owner: str) -> str | None:
    """Writes, fails or does nothing, as chance has it."""
    ticket = await ctx.db.query(Ticket).index(Ticket.by_owner, owner).order("desc").first()
    match random.randrange(3):
        case 0:
            raise ApplicationError("not today")
        case 1 if ticket is not None:
            await ctx.db.patch(ticket.id, tags={**ticket.tags, secrets.token_hex(1): 1})
            return str(uuid.uuid4())
        case _:
            return None


FUNCTIONS: dict[str, AnyFunction] = {"app:issue": issue, "app:shuffle": shuffle, "app:maybe": maybe}

owners = st.sampled_from("ab")
tags = st.dictionaries(st.sampled_from(["z", "b", "aa", "c"]), st.integers(0, 3), max_size=4)
calls = st.one_of(
    st.tuples(st.just("app:issue"), st.fixed_dictionaries({"owner": owners, "tags": tags})),
    st.tuples(st.just("app:issue"), st.fixed_dictionaries({"owner": owners, "tags": tags})),
    st.tuples(st.just("app:shuffle"), st.fixed_dictionaries({"owner": owners, "keep": st.integers(0, 2)})),
    st.tuples(st.just("app:maybe"), st.fixed_dictionaries({"owner": owners})),
)


class Replica:
    """Tables that are replayed from the log alone, and the handlers run again on them."""

    def __init__(self, app: App) -> None:
        codecs: dict[str, TableCodec] = {}
        self.app = app
        self.tables = Tables.empty(definer(codecs))
        self.catalog = Catalog(self.tables)
        codecs.update(codecs_of(app, self.catalog))
        self.codecs = codecs

    def follow(self, reader: LogReader) -> int:
        """Run every mutation again before its entry is applied; how many there were."""
        count = 0
        for entry in reader.entries(LSN(1)):
            if entry.kind is Kind.MUTATION:
                assert entry.snapshot == self.tables.position
                self.run_again(entry)
                count += 1
            self.tables.replay(entry)
            self.tables.check()
        return count

    def run_again(self, entry: Entry) -> None:
        env = Env(lambda: entry.clock, lambda count: entry.seed)
        attempt = Attempt(
            "mutation",
            env,
            env.clock_ns,
            SECRET,
            self.codecs,
            self.catalog,
            NestedCalls(self.app),
            lambda: Transaction.at_head(self.tables),
        )
        endpoint = self.app.endpoints[entry.function]
        result = attempt.drive(endpoint, lambda: endpoint.bind(cbor.decode(entry.args)))
        assert isinstance(attempt.run, Run)
        assert attempt.transaction is not None
        assert attempt.mutation is not None

        writes = [(change.table, change.id) for change in attempt.transaction.changes()]
        assert writes == [(write.table, write.id) for write in entry.writes]
        assert attempt.mutation.documents() == tuple(write.document for write in entry.writes)
        assert attempt.reads() == entry.reads
        assert attempt.lines() == entry.logs
        encoded = encode_result(result, attempt.transaction.handed_out)
        assert blake2b(encoded, digest_size=DIGEST_BYTES).digest() == entry.result_digest


def played(workload: list[tuple[str, dict[str, Any]]]) -> Bench:
    """The database after a workload, some of it before a restart."""
    bench = open_bench(app_of(Ticket, functions=FUNCTIONS))
    for number, (path, args) in enumerate(workload):
        bench.mutate(path, **args)
        if number == len(workload) // 2:
            bench = bench.reopen()
    bench.flush()
    return bench


@settings(max_examples=50, deadline=None)
@given(st.lists(calls, min_size=1, max_size=12))
def test_running_an_entry_again_does_the_same(workload: list[tuple[str, dict[str, Any]]]) -> None:
    bench = played(workload)
    replica = Replica(bench.executor.app)
    ran = replica.follow(bench.database.log.reader)

    assert replica.tables.position == bench.database.runtime.tail.head
    assert ran == replica.tables.position - 1
    assert sum(path == "app:issue" for path, _ in workload) <= ran


def test_two_runs_with_other_seeds_differ() -> None:
    bench = played([("app:issue", {"owner": "a", "tags": {}})] * 2)
    one, two = (bench.entry(LSN(lsn)) for lsn in (2, 3))

    assert one.seed != two.seed
    assert one.writes[0].document != two.writes[0].document


def test_the_whole_log_follows_from_clock_and_entropy() -> None:
    issue_one: tuple[str, dict[str, Any]] = ("app:issue", {"owner": "a", "tags": {"z": 1, "a": 2}})
    workload = [issue_one, ("app:shuffle", {"owner": "a", "keep": 1})] * 3
    one, two = (list(played(workload).database.log.reader.encoded(LSN(1))) for _ in range(2))

    assert one == two
    assert len(one) == 7
