"""Tokens that a deployment signs itself, for apps that keep accounts of their own (`OwnTokens`).

    auth_config      providers = [OwnTokens(issuer="https://shop.example.com", application_id="shop")]
    an action        token = await ctx.auth.issue_token(account.id, lifetime=3600)

The key is made from the deployment's secret: it is the same as long as the data folder, its backups included, and
another for every other deployment. EdDSA (RFC 8037) needs no randomness, so the same token is signed the same way.

Invariant: what is signed here for a provider is accepted for that provider, until it expires.
"""

from __future__ import annotations

import hmac
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from ...protocol import json
from ...protocol.errors import InvalidValue
from ...protocol.values import normalize
from .providers import OwnTokens
from .tokens import TOKEN_CHARS_MAX

if TYPE_CHECKING:
    # Only who has providers pays for it at the start: see `providers.prepare`.
    from joserfc.jwk import OKPKey

PURPOSE: Final = b"relive: tokens of this deployment's own"
LIFETIME_S_MAX: Final = 30 * 24 * 3_600.0
RESERVED: Final = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti"})
"""Claims that a token has anyway, or that would change what it is."""


@lru_cache(maxsize=4)
def own_key(secret: bytes) -> OKPKey:
    """The deployment's key; the private part is in it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from joserfc.jwk import OKPKey

    private = Ed25519PrivateKey.from_private_bytes(hmac.digest(secret, PURPOSE, "sha256"))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    parts = {"kty": "OKP", "crv": "Ed25519", "x": in_base64(public), "d": in_base64(private.private_bytes_raw())}
    return OKPKey.import_key({**parts, "kid": in_base64(public[:12]), "use": "sig", "alg": "EdDSA"})


def in_base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def issue(
    key: OKPKey, provider: OwnTokens, subject: str, claims: Mapping[str, Any], lifetime_s: float, now_s: float
) -> str:
    """A token of the provider that proves ``subject`` from now on, for so many seconds.

    Raises ValueError for a subject, claims or a lifetime that a token cannot have.
    """
    from joserfc import jws
    from joserfc.errors import SecurityWarning

    if not isinstance(subject, str) or not subject:
        raise ValueError(f"a token is of somebody: its subject is text, and not empty; not {subject!r}")
    if isinstance(lifetime_s, bool) or not isinstance(lifetime_s, int | float) or not isfinite(lifetime_s):
        raise ValueError(f"a token is valid for a number of seconds, not {lifetime_s!r}")
    if not 1 <= lifetime_s <= LIFETIME_S_MAX:
        raise ValueError(f"a token is valid for 1 to {LIFETIME_S_MAX:,.0f} s (30 days), not {lifetime_s:,} s")
    if reserved := RESERVED & claims.keys():
        raise ValueError(f"the claims {', '.join(sorted(reserved))} are given by the deployment")
    moments = {"iat": int(now_s), "exp": int(now_s + lifetime_s)}
    given = {**claims, "iss": provider.issuer, "sub": subject, "aud": provider.application_id, **moments}
    try:
        normalize(given)
        payload = json.dump(given)
    except (InvalidValue, TypeError, ValueError) as error:
        raise ValueError(f"claims are an object of plain values: {error}") from None
    header = {"alg": "EdDSA", "typ": "JWT", "kid": key.kid}
    with warnings.catch_warnings():
        # `EdDSA` has a new name (RFC 9864), which readers of tokens do not know yet.
        warnings.simplefilter("ignore", SecurityWarning)
        token = jws.serialize_compact(header, payload, key, algorithms=["EdDSA"])
    if len(token) > TOKEN_CHARS_MAX:
        raise ValueError(f"the token would have {len(token):,} characters, and may have {TOKEN_CHARS_MAX:,}")
    return token
