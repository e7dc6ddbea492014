"""Tokens that a deployment signs itself: accepted there, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relive.engine.application.app import App, load_bundle
from relive.engine.application.bundle import bundle_of
from relive.engine.authentication.authenticator import Accepted, Authenticator
from relive.engine.authentication.errors import TokenRejected
from relive.engine.authentication.own_tokens import LIFETIME_S_MAX, issue, own_key
from relive.engine.authentication.providers import CustomJwt, OwnTokens, Provider
from relive.engine.errors import AppInvalid
from relive.log.memory import MemoryStorage

import relive

from ..server.harness import serve
from .issuer import AUDIENCE, ISSUER, NOW_S, Clock, data_uri, token

SECRET, OTHER = b"a secret of 32 bytes, for a test", b"another, of some other deployment"
OURS = OwnTokens(ISSUER, AUDIENCE)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def judge(secret: bytes = SECRET, *providers: Provider, clock: Clock | None = None) -> Authenticator:
    clock = clock or Clock()
    return Authenticator(lambda: providers or (OURS,), clock.wall, clock.steady, lambda: (own_key(secret),))


def issued(subject: str = "ada", lifetime_s: float = 600, **claims: Any) -> str:
    return issue(own_key(SECRET), OURS, subject, claims, lifetime_s, NOW_S)


@given(st.text(min_size=1, max_size=40), st.dictionaries(st.sampled_from(["name", "email", "roles"]), JSON))
def test_what_was_issued_proves_its_subject_and_its_claims(subject: str, claims: dict[str, Any]) -> None:
    answer = judge().authenticate(issued(subject, **claims))

    assert isinstance(answer, Accepted)
    assert answer.identity.token_identifier == f"{ISSUER}|{subject}"
    assert answer.identity.subject == subject
    assert answer.identity.get("name") == claims.get("name")
    assert answer.expires_s == NOW_S + 600


def test_the_same_token_is_signed_in_the_same_way() -> None:
    assert issued(name="Ada") == issued(name="Ada") != issued(name="Eve")


def test_a_token_of_another_deployment_proves_nothing() -> None:
    with pytest.raises(TokenRejected, match="no EdDSA key with the `kid`"):
        judge(OTHER).authenticate(issued())
    with pytest.raises(TokenRejected, match="no EdDSA key with the `kid`"):
        judge().authenticate(token("EdDSA"))
    same_kid = token("EdDSA", header={"kid": own_key(SECRET).kid})
    with pytest.raises(TokenRejected, match="signature is not valid"):
        judge().authenticate(same_kid)


def test_it_ends_to_be_valid() -> None:
    text, clock = issued(lifetime_s=60), Clock()
    assert isinstance(judge(clock=clock).authenticate(text), Accepted)
    clock.wall_s += 66
    with pytest.raises(TokenRejected, match="expired 6 s ago"):
        judge(clock=clock).authenticate(text)


def test_it_is_accepted_only_where_the_app_says_so_and_beside_other_issuers() -> None:
    with pytest.raises(TokenRejected, match="no auth provider is configured for the issuer"):
        judge(SECRET, OwnTokens("https://other.example", AUDIENCE)).authenticate(issued())
    with pytest.raises(TokenRejected, match="not made for 'other-app'"):
        judge(SECRET, OwnTokens(ISSUER, "other-app")).authenticate(issued())

    beside = judge(SECRET, CustomJwt("https://other.example", data_uri(), "ES256"), OURS)
    assert isinstance(beside.authenticate(issued()), Accepted)
    assert isinstance(beside.authenticate(token("ES256", iss="https://other.example")), Accepted)


@pytest.mark.parametrize(
    ("subject", "lifetime", "claims", "problem"),
    [
        ("", 60, {}, "its subject is text, and not empty"),
        (5, 60, {}, "its subject is text, and not empty"),
        ("ada", 0, {}, "1 to 2,592,000 s"),
        ("ada", LIFETIME_S_MAX + 1, {}, "1 to 2,592,000 s"),
        ("ada", float("nan"), {}, "a number of seconds"),
        ("ada", "60", {}, "a number of seconds"),
        ("ada", 60, {"exp": 9e9, "iss": "x"}, "the claims exp, iss are given by the deployment"),
        ("ada", 60, {"data": object()}, "plain values"),
        ("ada", 60, {"text": "\ud800"}, "plain values"),
        ("ada", 60, {"text": "x" * 20_000}, "may have 16,384"),
    ],
)
def test_a_token_that_could_not_be_is_not_issued(subject: Any, lifetime: Any, claims: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        issue(own_key(SECRET), OURS, subject, claims, lifetime, NOW_S)


SOURCE = """
from relive import ActionCtx, QueryCtx, action, query

@query
async def name(ctx: QueryCtx) -> str:
    identity = await ctx.auth.get_user_identity()
    return identity.name if identity is not None else "nobody"

@action{runtime}
async def sign_in(ctx: ActionCtx, name: str) -> str:
    return await ctx.auth.issue_token("id of " + name, claims={{"name": name}}, lifetime=60)
"""
PROVIDERS = "from relive import OwnTokens\nproviders = [OwnTokens('https://club.example', 'club')]\n"


def club(runtime: str = "", providers: str = PROVIDERS) -> App:
    modules = {"app": SOURCE.format(runtime=runtime), "auth_config": providers}
    return load_bundle("club", bundle_of("club", {name: text.encode() for name, text in modules.items()}))


@pytest.mark.parametrize("runtime", ["", '(runtime="asyncio")'])
async def test_a_client_signs_in_with_what_an_action_has_issued(runtime: str) -> None:
    async with serve(club(runtime), MemoryStorage()) as running, running.http() as http:
        got = await http.post("/api/action", json={"path": "app:sign_in", "args": {"name": "Ada"}, "format": "json"})
        bearer = {"authorization": f"Bearer {got.json()['value']}"}
        ask = {"path": "app:name", "args": {}, "format": "json"}

        assert (await http.post("/api/query", json=ask, headers=bearer)).json()["value"] == "Ada"
        assert (await http.post("/api/query", json=ask)).json()["value"] == "nobody"
        forged = {"authorization": bearer["authorization"][:-3] + "AAA"}
        assert (await http.post("/api/query", json=ask, headers=forged)).status_code == 401


async def test_an_app_that_does_not_name_itself_issues_none() -> None:
    app = club(providers="providers = []")
    async with serve(app, MemoryStorage()) as running, running.http() as http:
        got = await http.post("/api/action", json={"path": "app:sign_in", "args": {"name": "Ada"}, "format": "json"})
        assert "needs `OwnTokens` among the providers" in got.json()["errorMessage"]


def test_a_provider_without_an_issuer_is_refused_when_the_app_is_loaded() -> None:
    assert relive.OwnTokens is OwnTokens
    with pytest.raises(AppInvalid, match="texts, and not empty"):
        club(providers=PROVIDERS.replace("'club'", "''"))
