"""Where keys come from: fetched when they are needed, kept, and fetched again when they were changed."""

from __future__ import annotations

import pytest
from attrs import Factory, define
from joserfc.jwk import ECKey, RSAKey
from relive.engine.authentication.authenticator import Accepted, Authenticator, Fetch
from relive.engine.authentication.errors import KeysUnavailable, TokenRejected
from relive.engine.authentication.key_sets import FETCH_PAUSE_S, KEPT_S, KEPT_S_MAX
from relive.engine.authentication.providers import CustomJwt, OidcProvider, Provider, checked_providers
from relive.engine.errors import AppInvalid
from relive.protocol import json

from .issuer import AUDIENCE, ISSUER, KEYS, Clock, key_set, token

DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
JWKS = f"{ISSUER}/keys"
CONFIGURATION = json.dump({"issuer": ISSUER, "jwks_uri": JWKS})
OIDC = OidcProvider(ISSUER, AUDIENCE)


@define
class Net:
    """An authenticator, and the pages that it finds."""

    provider: Provider = OIDC
    pages: dict[str, bytes] = Factory(lambda: {DISCOVERY: CONFIGURATION, JWKS: key_set()})
    clock: Clock = Factory(Clock)
    asked: list[str] = Factory(list[str])
    judge: Authenticator = Factory(
        lambda self: Authenticator(lambda: [self.provider], self.clock.wall, self.clock.steady), takes_self=True
    )

    def authenticate(self, text: str) -> Accepted:
        while isinstance(answer := self.judge.authenticate(text), Fetch):
            self.asked.append(answer.url)
            page = self.pages.get(answer.url)
            if page is None:
                self.judge.failed(answer.url, "it answered with status 503")
            else:
                self.judge.learn(answer.url, page)
            assert len(self.asked) < 50, "it asks for ever"
        return answer

    def now(self, **changed: object) -> str:
        """A token that is valid now."""
        at = int(self.clock.wall_s)
        return token(**{"iat": at - 1, "exp": at + 600} | changed)  # type: ignore[arg-type]


def test_the_keys_of_a_provider_are_found_from_its_address_and_kept() -> None:
    net = Net()
    for _ in range(3):
        assert net.authenticate(net.now()).identity.subject == "ada"

    assert net.asked == [DISCOVERY, JWKS]


def test_a_token_that_is_refused_by_what_it_says_makes_nothing_be_fetched() -> None:
    net = Net()
    for wrong in (net.now(aud="other"), net.now(iss="https://other.example"), net.now(exp=1), "a.b.c"):
        with pytest.raises(TokenRejected):
            net.authenticate(wrong)

    assert net.asked == []


def test_keys_are_fetched_again_when_a_token_names_one_that_is_new() -> None:
    net = Net()
    net.authenticate(net.now())
    fresh = RSAKey.generate_key(2048, {"kid": "fresh"})
    net.pages[JWKS] = key_set(fresh)

    assert net.authenticate(net.now(key=fresh)).identity.subject == "ada"
    with pytest.raises(TokenRejected, match="no RS256 key with the `kid` 'rsa'"):
        net.authenticate(net.now())
    assert net.asked == [DISCOVERY, JWKS, JWKS]


def test_tokens_with_made_up_key_ids_make_keys_be_fetched_no_more_often_than_every_half_minute() -> None:
    net = Net()
    stranger = RSAKey.generate_key(2048, {"kid": "made up"})
    for _ in range(300):
        with pytest.raises(TokenRejected, match="made up"):
            net.authenticate(net.now(key=stranger))
        net.clock.pass_s(1)

    assert net.asked[:2] == [DISCOVERY, JWKS]
    assert len(net.asked) == 2 + 300 / FETCH_PAUSE_S


def test_who_names_a_new_key_waits_while_newer_keys_are_being_fetched() -> None:
    net = Net()
    net.authenticate(net.now())
    fresh, stranger = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("fresh", "made up"))
    assert net.judge.authenticate(net.now(key=stranger)) == Fetch(JWKS)

    assert net.judge.authenticate(net.now(key=fresh)) == Fetch(JWKS)
    net.judge.learn(JWKS, key_set(fresh))
    assert isinstance(net.judge.authenticate(net.now(key=fresh)), Accepted)
    with pytest.raises(TokenRejected, match="made up"):
        net.judge.authenticate(net.now(key=stranger))


def test_a_token_of_a_new_key_is_not_refused_for_a_provider_that_is_away() -> None:
    net = Net()
    net.authenticate(net.now())
    page, fresh = net.pages.pop(JWKS), RSAKey.generate_key(2048, {"kid": "fresh"})
    for _ in range(2):
        with pytest.raises(KeysUnavailable, match="status 503"):
            net.authenticate(net.now(key=fresh))
    assert net.authenticate(net.now()).identity.subject == "ada"
    net.pages[JWKS] = page
    net.clock.pass_s(FETCH_PAUSE_S)

    with pytest.raises(TokenRejected, match="fresh"):
        net.authenticate(net.now(key=fresh))


def test_old_keys_serve_while_the_provider_cannot_be_reached_but_not_for_ever() -> None:
    net = Net()
    net.authenticate(net.now())
    net.pages.clear()
    net.clock.pass_s(KEPT_S + 1)
    assert net.authenticate(net.now()).identity.subject == "ada"
    net.clock.pass_s(KEPT_S_MAX)

    with pytest.raises(KeysUnavailable, match="status 503"):
        net.authenticate(net.now())


def test_a_provider_that_cannot_be_reached_is_asked_again_after_a_pause() -> None:
    net = Net(pages={})
    for _ in range(2):
        with pytest.raises(KeysUnavailable, match="status 503"):
            net.authenticate(net.now())
    assert net.asked == [DISCOVERY]
    net.pages = {DISCOVERY: CONFIGURATION, JWKS: key_set()}
    net.clock.pass_s(FETCH_PAUSE_S)

    assert net.authenticate(net.now()).identity.subject == "ada"


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON object"),
        (json.dump({"issuer": "https://evil.example", "jwks_uri": JWKS}), "another issuer"),
        (json.dump({"issuer": ISSUER}), "no `jwks_uri`"),
        (json.dump({"issuer": ISSUER, "jwks_uri": "http://issuer.example/keys"}), "https://"),
        (json.dump({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}), "https://"),
    ],
)
def test_a_provider_that_says_rubbish_of_itself_is_as_if_it_were_not_there(configuration: bytes, says: str) -> None:
    net = Net(pages={DISCOVERY: configuration, JWKS: key_set()})

    with pytest.raises(KeysUnavailable, match=says):
        net.authenticate(net.now())


@pytest.mark.parametrize("keys", [b"", b"{}", b'{"keys":{}}', b'{"keys":7}', json.dump({"keys": [{}] * 101})])
def test_a_key_set_that_is_none_is_as_if_it_were_not_there(keys: bytes) -> None:
    net = Net(pages={DISCOVERY: CONFIGURATION, JWKS: keys})

    with pytest.raises(KeysUnavailable):
        net.authenticate(net.now())


def test_keys_that_cannot_be_read_are_passed_over() -> None:
    good = KEYS["RS256"].as_dict(private=False)
    broken = [{"kty": "RSA"}, {"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": []}]
    rubbish: list[object] = [7, None, *broken]
    net = Net(pages={DISCOVERY: CONFIGURATION, JWKS: json.dump({"keys": [*rubbish, good]})})

    assert net.authenticate(net.now()).identity.subject == "ada"


def test_a_provider_that_publishes_its_private_key_still_has_only_its_public_one_here() -> None:
    net = Net(pages={DISCOVERY: CONFIGURATION, JWKS: json.dump({"keys": [KEYS["RS256"].as_dict(private=True)]})})
    net.authenticate(net.now())

    keys = net.judge.key_sets.document(JWKS, 0)
    assert isinstance(keys, tuple)
    assert [key.is_private for key in keys] == [False]


def test_keys_of_a_custom_issuer_are_where_it_says() -> None:
    net = Net(CustomJwt("any text", "https://elsewhere.example/jwks.json", "ES256"))
    net.pages = {
        "https://elsewhere.example/jwks.json": key_set(ECKey.generate_key("P-256", {"kid": "x"}), KEYS["ES256"])
    }

    assert net.authenticate(net.now(algorithm="ES256", iss="any text")).identity.issuer == "any text"
    assert net.asked == ["https://elsewhere.example/jwks.json"]


@pytest.mark.parametrize(
    ("providers", "says"),
    [
        (None, "is a list"),
        ("https://issuer.example", "is a list"),
        ([{"domain": ISSUER}], r"providers\[0\]` is none of"),
        ([OIDC, OidcProvider(ISSUER, "")], r"providers\[1\]`: `application_id` is empty"),
        ([OidcProvider("http://issuer.example", "app")], "https://"),
        ([OidcProvider("ftp://issuer.example", "app")], "https://"),
        ([OidcProvider("", "app")], "https://"),
        ([CustomJwt(ISSUER, "http://issuer.example/keys", "RS256")], "https://"),
        ([CustomJwt(ISSUER, "keys.json", "RS256")], "https://"),
        ([CustomJwt("", JWKS, "RS256")], "`issuer` is empty"),
        ([CustomJwt(ISSUER, JWKS, "HS256")], "algorithm 'HS256' is none of"),  # type: ignore[arg-type]
        ([CustomJwt(ISSUER, JWKS, "RS256", "")], "`application_id` is empty"),
    ],
)
def test_providers_that_cannot_be_meant_are_refused_when_the_app_loads(providers: object, says: str) -> None:
    with pytest.raises(AppInvalid, match=says):
        checked_providers("auth_config.py", providers)


def test_plain_http_is_for_this_machine_only() -> None:
    for here in ("http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000", "issuer.example"):
        assert checked_providers("auth_config.py", [OidcProvider(here, "app")])
