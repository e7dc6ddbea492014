"""An issuer of tokens: real keys, real signatures, and whatever a test wants to be wrong about them."""

from __future__ import annotations

import warnings
from base64 import b64encode, urlsafe_b64encode
from typing import Any

from attrs import Factory, define
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from relive.protocol import json

NOW_S = 1_700_000_000
ISSUER = "https://issuer.example"
AUDIENCE = "our-app"
Key = RSAKey | ECKey | OKPKey

KEYS: dict[str, Key] = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}


def claims(**changed: Any) -> dict[str, Any]:
    """Of a token that is valid; None leaves a claim out."""
    whole = {"iss": ISSUER, "sub": "ada", "aud": AUDIENCE, "iat": NOW_S - 10, "exp": NOW_S + 600} | changed
    return {name: value for name, value in whole.items() if value is not None}


def token(
    algorithm: str = "RS256", key: Key | None = None, header: dict[str, Any] | None = None, **changed: Any
) -> str:
    """A token signed with that algorithm by that key, or by the issuer's."""
    signer = key if key is not None else KEYS[algorithm]
    head = {"alg": algorithm, "kid": signer.kid} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    body = json.dump(claims(**changed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return jws.serialize_compact(head, body, signer, algorithms=[algorithm])


def unsigned(head: dict[str, Any], **changed: Any) -> str:
    parts = [urlsafe_b64encode(json.dump(each)).rstrip(b"=").decode() for each in (head, claims(**changed))]
    return ".".join([*parts, ""])


def key_set(*keys: Key) -> bytes:
    return json.dump({"keys": [key.as_dict(private=False) for key in keys or KEYS.values()]})


def data_uri(*keys: Key) -> str:
    return "data:application/json;base64," + b64encode(key_set(*keys)).decode()


@define
class Clock:
    """Both clocks of an authenticator."""

    wall_s: float = NOW_S
    steady_s: float = 0.0

    def wall(self) -> float:
        return self.wall_s

    def steady(self) -> float:
        return self.steady_s

    def pass_s(self, seconds: float) -> None:
        self.wall_s += seconds
        self.steady_s += seconds


@define
class Web:
    """What is to be found at addresses, and how often it was asked for."""

    pages: dict[str, bytes] = Factory(dict[str, bytes])
    asked: list[str] = Factory(list[str])
