"""A client that proves who it is, without a network: what it is told, and when it has to go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import Factory, define
from relive.engine.admin_key import AdminKey
from relive.engine.authentication.authenticator import Authenticator
from relive.engine.authentication.providers import CustomJwt, OidcProvider, Provider
from relive.engine.server.connection import Connection
from relive.protocol import json
from relive.protocol.client_version import UNKNOWN_VERSION
from relive.protocol.close import ErrorClass, Refused
from relive.protocol.server_session import ServerSession

from relive import ApplicationError, MutationCtx, QueryCtx
from relive.testing import TestApp

from .issuer import AUDIENCE, ISSUER, NOW_S, Clock, data_uri, key_set, token

DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
KEY = "name|secret"
SOURCE = {
    "notes": """
from relive import ApplicationError, MutationCtx, QueryCtx, mutation, query

@query
async def who(ctx: QueryCtx) -> str | None:
    identity = await ctx.auth.get_user_identity()
    return identity.subject if identity is not None else None

@query
async def same(ctx: QueryCtx) -> int:
    return await ctx.db.query("notes").count()

@query
async def swallows(ctx: QueryCtx) -> str:
    try:
        await ctx.auth.get_user_identity()
    except BaseException:
        return "swallowed"
    return "seen"

@query
async def looks_if(ctx: QueryCtx) -> str:
    if await ctx.db.query("notes").count() == 0:
        return "for everybody"
    identity = await ctx.auth.get_user_identity()
    return identity.subject if identity is not None else "nobody"

@query
async def nested(ctx: QueryCtx) -> str | None:
    return await ctx.run_query("notes:who")

@mutation
async def add(ctx: MutationCtx, text: str) -> None:
    await ctx.db.insert("notes", {"text": text})

@mutation
async def sign(ctx: MutationCtx) -> str:
    identity = await ctx.auth.get_user_identity()
    if identity is None:
        raise ApplicationError("sign in first")
    await ctx.db.insert("notes", {"text": identity.subject})
    return identity.subject
"""
}


@pytest.fixture
def app() -> Iterator[TestApp]:
    with TestApp(SOURCE) as app:
        yield app


@define(eq=False)
class Peer:
    """One client, message by message."""

    app: TestApp
    provider: Provider = CustomJwt(ISSUER, data_uri(), "RS256", AUDIENCE)
    clock: Clock = Factory(Clock)
    connection: Connection = Factory(lambda self: self.connect(), takes_self=True)
    versions: list[int] = Factory(lambda: [0, 0])
    """Of the query set, and of the identity."""

    def connect(self) -> Connection:
        database = self.app._database
        judge = Authenticator(lambda: [self.provider], self.clock.wall, self.clock.steady)
        live = database.live
        connection = Connection(
            ServerSession(UNKNOWN_VERSION), database, live, AdminKey(KEY), judge, lambda _: None, lambda: None
        )
        live.wake = lambda watcher: watcher[0].stale.update({watcher[1]: None})
        connection.receive(
            json.dump({"type": "Connect", "sessionId": "0" * 8 + "-0000-4000-8000-" + "0" * 12, "connectionCount": 0}),
            int(self.clock.wall_s * 1000),
        )
        return connection

    def say(self, type: str, **fields: object) -> None:
        self.connection.receive(json.dump({"type": type, **fields}), int(self.clock.wall_s * 1000))

    def authenticate(self, value: str | None, kind: str = "User", **fields: object) -> None:
        base = self.versions[1]
        self.say("Authenticate", baseVersion=base, tokenType=kind, **({"value": value} if value else {}), **fields)
        self.versions[1] += 1

    def watch(self, *paths: str) -> None:
        base = self.versions[0]
        adds = [
            {"type": "Add", "queryId": base + number, "udfPath": path, "args": [{}]}
            for number, path in enumerate(paths)
        ]
        self.say("ModifyQuerySet", baseVersion=base, newVersion=base + len(paths), modifications=adds)
        self.versions[0] += len(paths)

    def heard(self) -> list[dict[str, object]]:
        """Everything that was said since, results by their values alone."""
        self.app._settle()
        self.connection.live.catch_up()
        self.connection.advance()
        texts: list[bytes] = []
        while self.connection.ready:
            outgoing = self.connection.ready.popleft()
            texts += outgoing.texts
            self.connection.written(outgoing.transitions)
        return [json.parse(text) for text in texts]  # type: ignore[misc]

    def results(self) -> dict[int, object]:
        """The newest result of each query that was shown since."""
        shown: dict[int, object] = {}
        for message in self.heard():
            for each in message.get("modifications", []):  # type: ignore[attr-defined]
                shown[each["queryId"]] = each.get("value", each.get("errorMessage"))
        return shown


def refused(peer: Peer, value: str) -> Refused:
    with pytest.raises(Refused) as caught:
        peer.authenticate(value)
    return caught.value


def test_queries_that_ask_who_asks_run_again_when_somebody_signs_in_and_no_others(app: TestApp) -> None:
    peer = Peer(app)
    peer.watch("notes:who", "notes:same", "notes:nested", "notes:swallows")
    assert peer.results() == {0: None, 1: 0, 2: None, 3: "seen"}
    ran = peer.connection.live.evaluations

    peer.authenticate(token())
    assert peer.results() == {0: "ada", 2: "ada"}
    assert peer.connection.live.evaluations == ran + 3
    peer.authenticate(None, "None")
    assert peer.results() == {0: None, 2: None}


def test_a_query_that_does_not_ask_is_run_once_for_all_people(app: TestApp) -> None:
    peers = [Peer(app) for _ in range(3)]
    for peer, name in zip(peers, ("ada", "bob", "carol"), strict=True):
        peer.authenticate(token(sub=name))
        peer.watch("notes:same", "notes:who")

    assert [peer.results() for peer in peers] == [{0: 0, 1: name} for name in ("ada", "bob", "carol")]
    live = app._database.live
    # Once for all; and of the other, once to find that it asks, and once for each.
    assert live.evaluations == 1 + 1 + 3
    live.check()


def test_a_query_that_begins_to_ask_is_run_for_each_from_then_on(app: TestApp) -> None:
    ada, bob, nobody = Peer(app), Peer(app), Peer(app)
    ada.authenticate(token(sub="ada"))
    bob.authenticate(token(sub="bob"))
    for peer in (ada, bob, nobody):
        peer.watch("notes:looks_if")
        assert peer.results() == {0: "for everybody"}

    app.mutation("notes:add", text="one")
    assert [peer.results() for peer in (ada, bob, nobody)] == [{0: "ada"}, {0: "bob"}, {0: "nobody"}]
    ada.connection.live.check()


def test_a_result_of_one_person_is_never_kept_for_another(app: TestApp) -> None:
    first, second = Peer(app), Peer(app)
    first.authenticate(token(sub="ada"))
    first.watch("notes:who")
    assert first.results() == {0: "ada"}
    first.connection.close()

    second.watch("notes:who")
    assert second.results() == {0: None}
    third = Peer(app)
    third.authenticate(token(sub="ada", jti="another token"))
    ran = third.connection.live.evaluations
    third.watch("notes:who")
    assert third.results() == {0: "ada"}
    assert third.connection.live.evaluations == ran, "it was kept for her"


def test_a_token_waits_for_the_keys_and_nothing_is_done_before(app: TestApp) -> None:
    peer = Peer(app, OidcProvider(ISSUER, AUDIENCE))
    peer.watch("notes:who")
    peer.authenticate(token())
    judge = peer.connection.authenticator
    assert peer.connection.unsettled is not None
    assert peer.connection.unsettled.url == DISCOVERY
    with pytest.raises(AssertionError, match="settled before"):
        peer.watch("notes:same")

    judge.learn(DISCOVERY, json.dump({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}))
    peer.connection.settle()
    judge.learn(f"{ISSUER}/keys", key_set())
    peer.connection.settle()
    assert peer.connection.unsettled is None
    assert peer.results() == {0: "ada"}


def test_a_provider_that_is_away_makes_the_client_try_again_later(app: TestApp) -> None:
    peer = Peer(app, OidcProvider(ISSUER, AUDIENCE))
    peer.authenticate(token())
    peer.connection.authenticator.failed(DISCOVERY, "it did not answer within 10 s")

    with pytest.raises(Refused) as caught:
        peer.connection.settle()
    assert caught.value.kind is ErrorClass.OPERATIONAL
    assert "did not answer" in str(caught.value)


def test_a_refused_token_is_told_with_the_identity_that_was_confirmed_last(app: TestApp) -> None:
    peer = Peer(app)
    peer.authenticate(token())
    peer.heard()
    error = refused(peer, token(aud="another-app"))

    assert error.kind is ErrorClass.TOKEN_REJECTED
    assert peer.connection.rejected is not None
    assert (peer.connection.rejected.base_version, peer.connection.rejected.update_attempted) == (1, True)


def test_a_client_goes_when_its_token_has_expired_and_not_while_it_is_valid(app: TestApp) -> None:
    peer = Peer(app)
    peer.authenticate(token(exp=NOW_S + 60))
    peer.watch("notes:who")
    peer.clock.pass_s(64)
    peer.watch("notes:same")
    peer.clock.pass_s(2)

    with pytest.raises(Refused) as caught:
        peer.watch("notes:nested")
    assert caught.value.kind is ErrorClass.UNAUTHENTICATED
    assert peer.connection.rejected is not None
    assert peer.connection.rejected.update_attempted is False


def test_a_refreshed_token_extends_the_stay_and_makes_no_query_run(app: TestApp) -> None:
    peer = Peer(app)
    peer.authenticate(token(exp=NOW_S + 60))
    peer.watch("notes:who")
    assert peer.results() == {0: "ada"}
    ran = peer.connection.live.evaluations
    peer.authenticate(token(exp=NOW_S + 600, jti="2"))
    peer.clock.pass_s(300)

    peer.watch("notes:same")
    assert peer.results() == {1: 0}
    assert peer.connection.live.evaluations == ran + 1


def test_a_holder_of_the_admin_key_may_act_as_somebody(app: TestApp) -> None:
    peer = Peer(app)
    peer.watch("notes:who")
    peer.authenticate(KEY, "Admin", impersonating={"subject": "ada", "issuer": ISSUER})
    assert peer.results() == {0: "ada"}
    peer.authenticate(KEY, "Admin")
    assert peer.results() == {0: None}

    with pytest.raises(Refused):
        peer.authenticate(KEY, "Admin", impersonating={"subject": 7})


def test_an_author_tests_functions_as_somebody() -> None:
    with TestApp(SOURCE) as app:
        watch = app.watch("notes:who")
        with pytest.raises(ApplicationError):
            app.mutation("notes:sign")
        app.sign_in(subject="ada", email="ada@example.com")
        mine = app.watch("notes:who")
        assert app.mutation("notes:sign") == app.query("notes:who") == "ada"
        app.sign_out()

        assert (watch.results, mine.results, app.query("notes:who")) == ([None], ["ada"], None)
        assert [document["text"] for document in app.documents("notes")] == ["ada"]


def test_contexts_are_what_type_checkers_see() -> None:
    assert {"auth"} <= vars(QueryCtx).keys()
    assert issubclass(MutationCtx, QueryCtx)
