"""Which tokens prove somebody, and which prove nothing."""

from __future__ import annotations

import hmac
import warnings
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, RSAKey
from relive.engine.authentication.authenticator import Accepted, Authenticator
from relive.engine.authentication.errors import TokenRejected
from relive.engine.authentication.providers import CustomJwt, Provider
from relive.engine.authentication.tokens import SLACK_S, TOKEN_CHARS_MAX

from .issuer import AUDIENCE, ISSUER, KEYS, NOW_S, Clock, claims, data_uri, token, unsigned


def authenticator(*providers: Provider, clock: Clock | None = None) -> Authenticator:
    clock = clock or Clock()
    given = providers or tuple(
        CustomJwt(ISSUER, data_uri(), algorithm, AUDIENCE)  # type: ignore[arg-type]
        for algorithm in KEYS
    )
    return Authenticator(lambda: given, clock.wall, clock.steady)


def only(algorithm: str, audience: str | None = AUDIENCE) -> Authenticator:
    return authenticator(CustomJwt(ISSUER, data_uri(), algorithm, audience))  # type: ignore[arg-type]


def refusal(judge: Authenticator, text: str) -> str:
    with pytest.raises(TokenRejected) as caught:
        judge.authenticate(text)
    assert text not in str(caught.value), "a token is a secret"
    return str(caught.value)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_signed_by_the_issuer_proves_who_asks(algorithm: str) -> None:
    answer = only(algorithm).authenticate(token(algorithm))

    assert isinstance(answer, Accepted)
    assert answer.identity.token_identifier == f"{ISSUER}|ada"
    assert (answer.identity.subject, answer.identity.issuer) == ("ada", ISSUER)
    assert answer.expires_s == NOW_S + 600


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("other", KEYS)
def test_a_token_signed_with_another_algorithm_than_configured_is_refused(algorithm: str, other: str) -> None:
    if algorithm == other:
        assert isinstance(only(algorithm).authenticate(token(other)), Accepted)
    else:
        assert f"the issuer signs with {algorithm}, not with {other}" in refusal(only(algorithm), token(other))


def test_a_token_that_uses_the_public_key_as_the_secret_of_an_hmac_is_refused() -> None:
    public = KEYS["RS256"].as_pem(private=False)
    head, body, _ = unsigned({"alg": "HS256", "kid": "rsa"}).split(".")
    mac = hmac.digest(public, f"{head}.{body}".encode(), "sha256")
    forged = f"{head}.{body}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    assert "not with 'HS256'" in refusal(only("RS256"), forged)


def test_a_token_whose_header_says_another_algorithm_than_its_key_is_refused() -> None:
    """Signed with RS256 by a key of the issuer, and said to be ES256."""
    head, body, signature = token("RS256").split(".")
    lie = token("ES256").split(".")[0]

    assert "signature" in refusal(only("ES256"), f"{lie}.{body}.{signature}")
    assert head != lie


@pytest.mark.parametrize("none", ["none", "None", "NONE", "", None, 1, ["RS256"]])
def test_a_token_that_is_not_signed_is_refused(none: object) -> None:
    assert "signed with RS256, ES256, EdDSA" in refusal(only("RS256"), unsigned({"alg": none, "kid": "rsa"}))


def test_a_token_signed_by_somebody_else_under_the_issuers_key_id_is_refused() -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "rsa"})

    assert "signature is not valid" in refusal(only("RS256"), token(key=stranger))


@given(st.data())
def test_a_token_of_which_one_character_was_changed_is_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([token(algorithm) for algorithm in KEYS]))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_.="))
    changed = f"{text[:place]}{other}{text[place + 1 :]}"
    judge = authenticator()
    if changed == text or last_bits_only(text, place):
        return

    with pytest.raises(TokenRejected):
        judge.authenticate(changed)


def last_bits_only(text: str, place: int) -> bool:
    """Base64 leaves bits over in the last character of each part; they mean nothing."""
    return place + 1 == len(text)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_rubbish_is_refused_and_nothing_else_happens(text: str) -> None:
    for rubbish in (text, f"{text}.{text}.{text}", f"{token().partition('.')[0]}.{text}.x"):
        with pytest.raises(TokenRejected):
            authenticator().authenticate(rubbish)


def test_a_token_that_is_too_long_is_refused_before_anything_is_read_of_it() -> None:
    assert f"may have {TOKEN_CHARS_MAX:,}" in refusal(only("RS256"), token(padding="x" * TOKEN_CHARS_MAX))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"aud": "another-app"}, "not made for 'our-app'"),
        ({"aud": ["our-app", "another-app"]}, "not for it alone"),
        ({"aud": []}, "not made for"),
        ({"aud": None}, "not made for"),
        ({"aud": {"our-app": 1}}, "not made for"),
        ({"iss": "https://other.example"}, "no auth provider is configured for the issuer 'https://other.example'"),
        ({"iss": None}, "no auth provider is configured for the issuer ''"),
        ({"iss": ["https://issuer.example"]}, "no auth provider is configured for the issuer"),
        ({"exp": NOW_S - 6}, "expired 6 s ago"),
        ({"exp": None}, "has no `exp`"),
        ({"exp": "tomorrow"}, "has no `exp`"),
        ({"exp": True}, "has no `exp`"),
        ({"exp": 1e300}, "has no `exp`"),
        ({"nbf": NOW_S + 60}, "not valid for another 60 s"),
        ({"nbf": "soon"}, "`nbf` is no time"),
        ({"iat": NOW_S + 60}, "not valid for another 60 s"),
        ({"sub": None}, "no `sub`"),
        ({"sub": ""}, "no `sub`"),
        ({"sub": 7}, "no `sub`"),
        ({f"claim{number}": True for number in range(300)}, "an identity has 256 claims at most"),
    ],
)
def test_a_token_that_says_the_wrong_thing_is_refused(changed: dict[str, Any], says: str) -> None:
    assert says in refusal(only("RS256"), token(**changed))


def test_clocks_may_be_some_seconds_apart() -> None:
    for name, moment in (("exp", NOW_S - SLACK_S + 1), ("nbf", NOW_S + SLACK_S), ("iat", NOW_S + SLACK_S)):
        assert isinstance(only("RS256").authenticate(token("RS256", None, None, **{name: moment})), Accepted)


def test_a_token_for_one_audience_in_a_list_is_accepted() -> None:
    assert isinstance(only("RS256").authenticate(token(aud=["our-app"])), Accepted)


def test_an_issuer_without_audience_may_be_trusted_for_everybody() -> None:
    assert isinstance(only("RS256", audience=None).authenticate(token(aud="whatever")), Accepted)


def test_of_two_providers_with_one_issuer_that_of_the_audience_is_meant() -> None:
    judge = authenticator(
        CustomJwt(ISSUER, data_uri(KEYS["ES256"]), "ES256", "other-app"),
        CustomJwt(f"{ISSUER}/", data_uri(KEYS["RS256"]), "RS256", AUDIENCE),
    )

    assert isinstance(judge.authenticate(token("RS256")), Accepted)
    assert isinstance(judge.authenticate(token("ES256", aud="other-app")), Accepted)


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"b64": False}])
def test_a_token_that_needs_extensions_is_refused(header: dict[str, Any]) -> None:
    head = {"alg": "RS256", "kid": "rsa"} | header

    assert "extensions" in refusal(only("RS256"), unsigned(head) + "x")


def test_a_key_for_encryption_and_one_that_is_too_short_sign_nothing() -> None:
    for_encryption = RSAKey.generate_key(2048, {"kid": "rsa", "use": "enc"})
    with pytest.warns(SecurityWarning):
        short = RSAKey.generate_key(1024, {"kid": "rsa"})
    for key in (for_encryption, short):
        judge = authenticator(CustomJwt(ISSUER, data_uri(key), "RS256"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            signer = RSAKey.import_key({**key.as_dict(private=True), "use": "sig"})

        assert "no RS256 key" in refusal(judge, token(key=signer))


def test_without_a_key_id_every_key_of_the_kind_is_tried() -> None:
    other = RSAKey.generate_key(2048, {"kid": "other"})
    ours = KEYS["RS256"]
    assert isinstance(ours, RSAKey)
    judge = authenticator(CustomJwt(ISSUER, data_uri(other, ours), "RS256"))

    assert isinstance(judge.authenticate(token(header={"kid": None})), Accepted)


def test_a_key_of_another_curve_is_no_key() -> None:
    key = ECKey.generate_key("P-384", {"kid": "ec"})
    judge = authenticator(CustomJwt(ISSUER, data_uri(key), "ES256"))

    assert "no ES256 key" in refusal(judge, token("ES256"))


def test_an_identity_is_what_the_token_says_of_the_person_and_nothing_of_the_token() -> None:
    said: dict[str, Any] = {
        "given_name": "Ada",
        "email": "ada@example.com",
        "email_verified": True,
        "org": {"id": "o1", "roles": ["admin"]},
        "jti": "1",
        "fva": [0, 1],
        "tokenIdentifier": "somebody else",
        "subject": "somebody else",
        "größe": 180,
        "$admin": True,
    }
    answer = only("RS256").authenticate(token(**said))
    assert isinstance(answer, Accepted)

    assert dict(answer.identity) == {
        "tokenIdentifier": f"{ISSUER}|ada",
        "issuer": ISSUER,
        "subject": "ada",
        "givenName": "Ada",
        "email": "ada@example.com",
        "emailVerified": True,
        "org.id": "o1",
        "org.roles": ["admin"],
    }
    assert (answer.identity.given_name, answer.identity.email_verified) == ("Ada", True)
    assert answer.identity["org.roles"] == ["admin"]


def test_a_refreshed_token_is_the_same_identity() -> None:
    judge = only("RS256")
    first, second = (judge.authenticate(token(iat=NOW_S - age, exp=NOW_S + 900 - age, jti=str(age))) for age in (9, 1))
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)

    assert first.identity == second.identity
    assert first.identity != only("RS256").authenticate(token(sub="bob")).identity  # type: ignore[union-attr]


def test_the_claims_that_tests_begin_with_are_valid() -> None:
    assert claims()["exp"] > NOW_S
