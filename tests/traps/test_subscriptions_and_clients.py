"""What clients are shown, and when: every client is at one moment, and goes from moment to moment."""

from __future__ import annotations

from typing import Any

import pytest
from relive.engine.application.functions import internal_query, mutation, query
from relive.engine.data.schema import Document, Id, field, index
from relive.engine.deployment.environment_changes import EnvironmentChange, change_environment
from relive.engine.errors import ApplicationError
from relive.engine.execution.calls import Call
from relive.engine.limits import CACHED_CLOCK_NS_MAX
from relive.engine.transactions.context import MutationCtx, QueryCtx
from relive.engine.transactions.pagination import Page, PaginationOptions
from relive.protocol.client_session import ActionDone
from relive.protocol.close import Refused
from relive.protocol.errors import ProtocolError
from relive.protocol.limits import TRANSITIONS_QUEUED_MAX
from relive.protocol.messages import Action, AdminToken, MutationResponse, NoToken, Transition

from ..engine.bench import Bench, app_of, value_of
from ..server.harness import ADMIN_KEY
from .nodes import database
from .wire import Client, Server


class Account(Document):
    owner: str = field()
    money: int = 0
    by_owner = index(owner)


class Line(Document):
    text: str


@mutation
async def transfer(ctx: MutationCtx, giver: str, taker: str, amount: int = 1) -> None:
    for owner, change in ((giver, -amount), (taker, amount)):
        account = await ctx.db.query(Account).index(Account.by_owner, owner).unique()
        if account is None:
            await ctx.db.insert(Account(owner=owner, money=change))
        else:
            await ctx.db.patch(account.id, money=account.money + change)


@query
async def money(ctx: QueryCtx, owner: str) -> int:
    account = await ctx.db.query(Account).index(Account.by_owner, owner).unique()
    return account.money if account is not None else 0


@query
async def in_debt(ctx: QueryCtx, owner: str) -> bool:
    return await money(ctx, owner) < 0


@query
async def solvent(ctx: QueryCtx, owner: str) -> str:
    """Fails with the same words however deep in debt."""
    if await money(ctx, owner) < 0:
        raise ApplicationError("in debt")
    return "solvent"


@internal_query
async def everybody(ctx: QueryCtx) -> list[str]:
    return [account.owner for account in await ctx.db.query(Account).collect()]


@mutation
async def say(ctx: MutationCtx, text: str) -> Id[Line]:
    return await ctx.db.insert(Line(text=text))


@query
async def said(ctx: QueryCtx) -> list[str]:
    return [line.text for line in await ctx.db.query(Line).collect()]


@query
async def page(ctx: QueryCtx, paginationOpts: PaginationOptions) -> Page[Line]:
    return await ctx.db.query(Line).order("desc").paginate(paginationOpts)


@query
async def minute(ctx: QueryCtx) -> int:
    return ctx.now.minute


@query
async def greeting(ctx: QueryCtx) -> str:
    return ctx.env.get("GREETING", "hello")


FUNCTIONS: dict[str, Any] = {
    "transfer": transfer, "money": money, "in_debt": in_debt, "solvent": solvent, "everybody": everybody,
    "say": say, "said": said, "page": page, "minute": minute, "greeting": greeting,
}  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    return database(Account, Line, **FUNCTIONS)


@pytest.fixture
def server(bench: Bench) -> Server:
    return Server(bench)


def mentioned(transition: Transition) -> set[int]:
    return {modification.query_id for modification in transition.modifications}


# One moment.


def test_all_queries_of_a_client_move_to_a_new_moment_together(server: Server) -> None:
    """Pushing each query by itself shows money that has left one account and reached no other."""
    client, other = server.client(), server.client()
    ada, ben = client.watch("app:money", owner="ada"), client.watch("app:money", owner="ben")
    server.settle()
    totals: list[int] = []
    client.after_each = lambda: totals.append(client.shown(ada) + client.shown(ben))
    for amount in range(1, 9):
        other.mutate("app:transfer", giver="ada", taker="ben", amount=amount)
        other.say()
        if amount % 3:
            server.work()
        server.write()
    server.settle()

    assert client.shown(ben) == 36
    assert totals == [0] * len(totals) != []


def test_what_a_transition_does_not_mention_is_right_at_its_time_too(server: Server) -> None:
    """The version is of the whole client: a query left at its old time would tear as soon as it moves."""
    client, other = server.client(), server.client()
    client.watch("app:money", owner="ada")
    cleo = client.watch("app:money", owner="cleo")
    server.settle()
    other.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()

    newest = client.transitions()[-1]
    assert cleo not in mentioned(newest)
    assert client.session.version == newest.end_version
    assert newest.end_version.ts == server.bench.entry().ts


def test_a_client_refuses_a_transition_that_does_not_start_where_it_is(server: Server) -> None:
    """Applied after one was lost, it shows a mixture of two moments for ever."""
    client, other = server.client(), server.client()
    client.watch("app:money", owner="ada")
    server.settle()
    for _ in range(2):
        other.mutate("app:transfer", giver="ada", taker="ben")
        other.say()
        server.work()
        server.write()
    client.hear(0)
    del client.on_its_way[0]

    with pytest.raises(ProtocolError, match="BaseVersionMismatch"):
        client.hear()
    assert client.shown(0) == 0


# One's own writes.


def test_a_promise_is_kept_when_its_effect_is_shown_and_not_when_it_is_answered(server: Server) -> None:
    """Kept with the answer, the page shows the old state once more: it flickers."""
    client = server.client()
    said = client.watch("app:said")
    server.settle()
    seen: list[tuple[Any, list[int]]] = []
    client.after_each = lambda: seen.append((client.shown(said), list(client.done)))
    client.mutate("app:say", text="a")
    client.say()
    server.work()
    server.write()

    assert [type(message) for message in client.hear()] == [MutationResponse, Transition]
    assert seen == [([], []), (["a"], [0])]


def test_what_was_written_optimistically_never_flickers(server: Server) -> None:
    """Layers that are dropped before, or after, the result that contains them show a line twice or not at all."""
    client, other = server.client(), server.client()
    said = client.watch("app:said")
    server.settle()
    asked: list[str] = []
    mine: list[list[str]] = []

    def show() -> None:
        """What the page shows: the server's lines, then those of all that is not known to be among them, in order."""
        waiting = [request.message.args[0]["text"] for request in client.session.unresolved.values()]  # type: ignore[index]
        mine.append([text for text in [*client.shown(said), *waiting] if text.startswith("mine")])
        assert mine[-1] == asked, "each once, and in the order in which it was said"

    client.after_each = show
    for number in range(12):
        asked.append(f"mine {number}")
        client.mutate("app:say", text=asked[-1])
        other.mutate("app:say", text="theirs")
        show()
        (client if number % 2 else other).say()
        if number % 3:
            server.work()
            server.write()
        client.hear(number % 2)
    server.settle()

    assert client.done == list(range(12))
    assert len(mine) > 24


def test_every_own_write_is_followed_by_a_transition_even_if_it_changes_nothing_that_is_watched(
    server: Server,
) -> None:
    """Without it the promise is never kept: the client waits for a moment that nobody tells of."""
    client = server.client()
    server.settle()
    client.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()

    assert client.done == [0]
    assert mentioned(client.transitions()[-1]) == set()
    assert client.session.version.ts == server.bench.entry().ts


def test_a_result_that_came_out_the_same_is_not_sent_and_time_goes_on_all_the_same(server: Server) -> None:
    """Sending it again makes every page render for nothing; standing still breaks the promise of the write."""
    client = server.client()
    debt = client.watch("app:in_debt", owner="ada")
    client.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()
    evaluations, ts = server.live.evaluations, client.session.version.ts
    client.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()

    assert server.live.evaluations == evaluations + 1
    assert debt not in mentioned(client.transitions()[-1])
    assert client.session.version.ts > ts
    assert client.done == [0, 1]


# Who asks, and what a kept result depends on.


def test_another_identity_runs_every_query_of_the_client_again(server: Server) -> None:
    """Keeping those that seem not to look at it leaves what the last user saw on the screen."""
    client = server.client()
    owners, ada = client.watch("app:everybody"), client.watch("app:money", owner="ada")
    server.settle()
    assert "Could not find public function" in client.shown(owners)
    evaluations = server.live.evaluations
    for token in (AdminToken(ADMIN_KEY, None), AdminToken(ADMIN_KEY, None), NoToken()):
        client.session.authenticate(token)
        server.settle()
        assert client.session.version.identity == client.session.identity_version, "confirmed, changed or not"

    assert "Could not find public function" in client.shown(owners)
    assert client.shown(ada) == 0
    assert server.live.evaluations - evaluations >= 2, "for the administrator, who was somebody else"


def test_a_kept_result_of_the_administrator_is_given_to_nobody_else(server: Server) -> None:
    """A cache that does not ask who asks gives secrets away."""
    live, secret = server.live, Call("app:everybody", [{}], admin=True)

    assert value_of(live.once(secret)[0]) == []
    assert "Could not find" in str(live.once(Call("app:everybody", [{}]))[0])
    assert value_of(live.once(secret)[0]) == []


def test_sessions_that_ask_the_same_share_one_result(server: Server) -> None:
    """A key with the session in it evaluates for every client what none of them changes."""
    clients = [server.client() for _ in range(5)]
    for client in clients:
        client.watch("app:money", owner="ada")
    server.settle()

    assert server.live.evaluations == 1


def test_a_kept_result_ends_with_a_change_of_anything_that_it_looked_at(server: Server) -> None:
    """Environment variables and code are inputs like documents; a cache that forgets them is wrong until restart."""
    bench, asked = server.bench, Call("app:greeting", [{}])

    def set_greeting(value: str | None) -> None:
        changes = (EnvironmentChange("GREETING", value),)
        bench.executor.write("env", "cli", lambda ctx: change_environment(ctx, changes))

    @query
    async def greeting(ctx: QueryCtx) -> str:
        return "new code"

    given = [value_of(server.live.once(asked)[0])]
    for value in ("good morning", None):
        set_greeting(value)
        given.append(value_of(server.live.once(asked)[0]))
    bench.deploy(app_of(Account, Line, version=2, functions={"app:greeting": greeting}))
    given.append(value_of(server.live.once(asked)[0]))

    assert given == ["hello", "good morning", "hello", "new code"]


def test_a_newcomer_is_not_given_the_grown_page_of_somebody_else(server: Server) -> None:
    """A key without the journal shares pages that end at different places."""
    for number in range(4):
        value_of(server.bench.mutate("app:say", text=str(number)))
    options = {"numItems": 2, "cursor": None}
    early = server.client()
    first = early.watch("app:page", paginationOpts=options)
    server.settle()
    server.bench.mutate("app:say", text="new")
    server.settle()
    late = server.client()
    second = late.watch("app:page", paginationOpts=options)
    server.settle()

    shown = [client.shown(each)["page"] for client, each in ((early, first), (late, second))]
    assert [[line["text"] for line in lines] for lines in shown] == [["new", "3", "2"], ["new", "3"]]


def test_what_a_query_saw_of_the_clock_expires_for_newcomers_and_does_not_tick_for_those_who_watch(
    server: Server,
) -> None:
    """Ticking runs queries for ever; never expiring shows newcomers a time of long ago."""
    early = server.client()
    first = early.watch("app:minute")
    server.settle()
    evaluations, then = server.live.evaluations, early.shown(first)
    server.bench.clock.now_ns += CACHED_CLOCK_NS_MAX + 60 * 10**9
    server.settle()
    assert (server.live.evaluations, early.shown(first)) == (evaluations, then)

    late = server.client()
    second = late.watch("app:minute")
    server.settle()
    assert late.shown(second) != then
    assert early.shown(first) == late.shown(second), "two clients never differ about one moment"


# Failures.


def test_a_query_that_fails_is_a_result_like_any_other(server: Server) -> None:
    """Taken for a fault of the server it ends the connection, runs in a loop, or is never tried again."""
    client, other = server.client(), server.client()
    for each in (client, other):
        assert each.watch("app:solvent", owner="ada") == 0
    server.bench.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()
    assert "in debt" in client.shown(0)
    assert server.live.evaluations == 1, "shared"

    server.bench.mutate("app:transfer", giver="cleo", taker="ben")
    server.settle()
    assert server.live.evaluations == 1, "not run again for what it has not read"
    transitions = len(client.transitions())
    server.bench.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()
    assert (server.live.evaluations, len(client.transitions())) == (2, transitions), "the same failure is not sent"

    server.bench.mutate("app:transfer", giver="ben", taker="ada", amount=9)
    server.settle()
    assert client.shown(0) == other.shown(0) == "solvent"


# Crowds and slow readers.


def test_hundreds_of_queries_that_one_commit_changes_arrive_as_of_one_moment(server: Server) -> None:
    """Spreading a herd over time must not spread it over moments."""
    client, other = server.client(), server.client()
    queries = [client.watch("app:money", owner="ada" if number % 2 else "ben") for number in range(300)]
    server.settle()
    transitions = len(client.transitions())
    other.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()

    (transition,) = client.transitions()[transitions:]
    assert mentioned(transition) == set(queries)
    assert {client.shown(each) for each in queries} == {1, -1}
    assert server.live.evaluations == 4, "once for each question, not once for each watcher"


def test_a_crowd_is_served_one_after_another_and_each_of_them_whole(server: Server) -> None:
    """A commit in the middle of the crowd must not reach a client that has been given half of the one before."""
    crowd = [server.client() for _ in range(20)]
    for client in crowd:
        client.watch("app:money", owner="ada")
        client.watch("app:money", owner="ben")
    server.settle()
    totals: set[int] = set()
    for client in crowd:
        client.after_each = lambda client=client: totals.add(client.shown(0) + client.shown(1))  # type: ignore[misc]
    server.bench.mutate("app:transfer", giver="ada", taker="ben")
    server.live.catch_up()
    for _ in range(10):
        connection = server.syncer.waiting.popleft()
        connection.scheduled = False
        connection.advance()
    server.bench.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()

    assert totals == {0}
    assert {client.shown(1) for client in crowd} == {2}


def test_a_client_that_does_not_read_has_two_transitions_waiting_and_then_gets_the_newest_moment(
    server: Server,
) -> None:
    """Queueing every moment fills the memory; merging two of them into one shows what never was."""
    slow, quick = server.client(), server.client()
    ada, ben = slow.watch("app:money", owner="ada"), slow.watch("app:money", owner="ben")
    server.settle()
    slow.heard.clear()
    for _ in range(30):
        quick.mutate("app:transfer", giver="ada", taker="ben")
        quick.say()
        server.work()
        server.write()
        assert slow.connection.transitions_queued <= TRANSITIONS_QUEUED_MAX == 2
    shown: list[tuple[int, int]] = []
    slow.after_each = lambda: shown.append((slow.shown(ada), slow.shown(ben)))
    server.settle()

    assert shown == [(-1, 1), (-2, 2), (-30, 30)]


# Connections come and go.


def unheard(server: Server, client: Client) -> None:
    """What the client has said is done, and the answers are on their way to it."""
    client.say()
    server.work()
    server.write()
    client.hear(0)


def test_a_request_that_was_answered_and_not_heard_is_done_once_and_answered_again(server: Server) -> None:
    """Running it again does it twice; not answering leaves the promise unkept for ever."""
    client = server.client()
    client.mutate("app:transfer", giver="ada", taker="ben")
    unheard(server, client)
    client.lose()
    client.connect()
    server.settle()

    assert client.done == [0]
    assert value_of(server.bench.query("app:money", owner="ben")) == 1


def test_a_request_whose_answer_was_heard_but_not_its_transition_is_acknowledged_anew(server: Server) -> None:
    """Only the client knows that it has not seen its write yet; the server knows when it happened."""
    client = server.client()
    server.settle()
    client.mutate("app:transfer", giver="ada", taker="ben")
    unheard(server, client)
    assert isinstance(client.hear(1)[0], MutationResponse)
    assert client.done == []
    client.lose()
    client.connect()
    ben = client.watch("app:money", owner="ben")
    server.settle()

    first, again = client.responses()
    assert first == again
    assert (client.done, client.shown(ben)) == ([0], 1)


def test_requests_that_were_not_answered_are_sent_again_in_their_order(server: Server) -> None:
    """A map of what is open, in no order, swaps two writes to one place."""
    client = server.client()
    for text in "abc":
        client.mutate("app:say", text=text)
    unheard(server, client)
    server.bench.storage.space = 0
    for text in "de":
        client.mutate("app:say", text=text)
    client.say()
    client.lose()
    server.write()
    server.bench.storage.space, server.bench.clock.now_ns = None, server.bench.clock.now_ns + 2 * 10**9
    client.connect()
    server.settle()

    assert client.done == [0, 1, 2, 3, 4]
    assert value_of(server.bench.query("app:said")) == list("abcde")


def test_a_page_ends_where_it_ended_after_the_connection_was_lost(server: Server) -> None:
    """A fresh first page overlaps the second one, or leaves a gap before it."""
    for text in "abcd":
        server.bench.mutate("app:say", text=text)
    client = server.client()
    first = client.watch("app:page", paginationOpts={"numItems": 2, "cursor": None})
    server.settle()
    rest = client.shown(first)["continueCursor"]
    second = client.watch("app:page", paginationOpts={"numItems": 2, "cursor": rest})
    client.lose()
    server.bench.mutate("app:say", text="new")
    client.connect()
    server.settle()

    pages = [[line["text"] for line in client.shown(each)["page"]] for each in (first, second)]
    assert pages == [["new", "d", "c"], ["b", "a"]]


def test_a_client_never_goes_back_in_time(server: Server) -> None:
    """A server that is behind what the client has seen must refuse it, not show it the past."""
    client = server.client()
    client.watch("app:money", owner="ada")
    server.settle()
    seen = client.session.max_observed
    assert seen is not None
    client.lose()
    client.connect()
    server.settle()
    assert client.transitions()[-1].end_version.ts >= seen

    client.lose()
    client.session.max_observed = seen + 3600 * 10**9
    client.connect()
    server.settle()
    assert isinstance(client.connection.failure, Refused)
    assert client.session.version.ts == 0


def test_an_action_that_may_have_run_fails_and_is_not_sent_again(server: Server) -> None:
    """Nothing remembers whether it ran: a second e-mail is worse than an error."""
    client = server.client()
    client.session.act("app:send_mail", {})
    (sent,) = [message for message in client.session.outgoing() if isinstance(message, Action)]
    client.lose()
    client.connect()

    (failed,) = [fact for fact in client.facts if isinstance(fact, ActionDone)]
    assert failed.request_id == sent.request_id
    assert not any(isinstance(message, Action) for message in client.session.outgoing())


@pytest.mark.parametrize("moment", range(5))
def test_a_commit_at_any_moment_of_a_subscription_is_seen(server: Server, moment: int) -> None:
    """Registering what a query has read after looking at the data misses what is committed in between."""
    client = server.client()
    server.settle()
    ben = client.watch("app:money", owner="ben")
    steps = [client.say, server.live.catch_up, server.work, server.write, client.hear]
    for number, step in enumerate(steps):
        if number == moment:
            server.bench.mutate("app:transfer", giver="ada", taker="ben")
        step()  # type: ignore[operator]
    server.settle()
    assert client.shown(ben) == 1

    server.bench.mutate("app:transfer", giver="ada", taker="ben")
    server.settle()
    assert client.shown(ben) == 2
