"""One JSON web token (RFC 7519): its parts, its signature (RFC 7515), its claims.

The key decides which algorithm may be used, never the token alone: a public key is no secret for an
HMAC, and a token that says ``none`` proves nothing.
"""

from __future__ import annotations

import binascii
import re
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

from attrs import frozen

from ...protocol import json
from ...protocol.errors import InvalidValue
from .errors import TokenRejected

if TYPE_CHECKING:
    # Only who has providers pays for it at the start: see `providers.prepare`.
    from joserfc.jwk import ECKey, OKPKey, RSAKey

Key: TypeAlias = "RSAKey | ECKey | OKPKey"

TOKEN_CHARS_MAX = 16_384
SLACK_S = 5
"""How far the clocks of a provider and ours may be apart."""
RSA_BITS_MIN = 2_048
KEY_TYPES: Final = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
CURVES: Final = {"ES256": "P-256", "EdDSA": "Ed25519"}
REJECTED: Final = "InvalidAuthHeader"
THREE_PARTS = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)


@frozen
class Token:
    """A token that was taken apart; nothing of it is proven."""

    text: str
    algorithm: str
    key_id: str | None
    claims: Mapping[str, Any]

    @property
    def issuer(self) -> str:
        return str(self.claims.get("iss", ""))


def take_apart(text: str) -> Token:
    """The parts of a token.  Raises TokenRejected if it is none."""
    if len(text) > TOKEN_CHARS_MAX:
        raise TokenRejected(REJECTED, f"the token has {len(text):,} characters, and may have {TOKEN_CHARS_MAX:,}")
    parts = text.split(".")
    if THREE_PARTS.fullmatch(text) is None:
        raise TokenRejected(REJECTED, "this is no JSON web token: it has not three parts in base64url")
    header, claims = part(parts[0], "header"), part(parts[1], "payload")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in KEY_TYPES:
        raise TokenRejected(REJECTED, f"tokens are signed with {', '.join(KEY_TYPES)} here, not with {algorithm!r:.40}")
    if header.keys() & {"crit", "b64"}:
        raise TokenRejected(REJECTED, "the token's header asks for extensions that are not known here")
    if key_id is not None and not isinstance(key_id, str):
        raise TokenRejected(REJECTED, "the token's `kid` is not text")
    return Token(text, algorithm, key_id, claims)


def part(encoded: str, what: str) -> dict[str, Any]:
    try:
        tree = json.parse(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (InvalidValue, binascii.Error, ValueError):
        tree = None
    if not isinstance(tree, dict):
        raise TokenRejected(REJECTED, f"this is no JSON web token: its {what} is no JSON object in base64url")
    return tree


def fits(key: Key, token: Token) -> bool:
    """Whether the key may have signed the token, by what both say."""
    from joserfc.jwk import RSAKey

    fields: Mapping[str, Any] = key.dict_value
    if key.key_type != KEY_TYPES[token.algorithm] or fields.get("use", "sig") != "sig":
        return False
    if fields.get("alg") not in (None, token.algorithm, *(["Ed25519"] if token.algorithm == "EdDSA" else [])):
        return False
    if fields.get("crv") != CURVES.get(token.algorithm):
        return False
    if isinstance(key, RSAKey) and key.public_key.key_size < RSA_BITS_MIN:
        return False
    return token.key_id is None or key.kid == token.key_id


def check_signature(token: Token, keys: Collection[Key]) -> None:
    """Raises TokenRejected unless one of the keys, which all fit, has signed it."""
    from joserfc import jws
    from joserfc.errors import JoseError, SecurityWarning

    for key in keys:
        with warnings.catch_warnings():
            # `EdDSA` has a new name (RFC 9864); issuers use the old one.
            warnings.simplefilter("ignore", SecurityWarning)
            try:
                jws.deserialize_compact(token.text, key, algorithms=[token.algorithm])
            except (JoseError, ValueError):
                continue
        return
    raise TokenRejected(REJECTED, "the token's signature is not valid")


def check_claims(claims: Mapping[str, Any], audience: str | None, now_s: float) -> None:
    """Raises TokenRejected unless the token is valid now, and made for ``audience``."""
    subject, expires, issued, begins = (claims.get(name) for name in ("sub", "exp", "iat", "nbf"))
    if not isinstance(subject, str) or not subject:
        raise TokenRejected(REJECTED, "the token names nobody: it has no `sub`")
    if not is_time(expires):
        raise TokenRejected(REJECTED, "the token has no `exp`, so it would be valid for ever")
    for name, moment in (("iat", issued), ("nbf", begins)):
        if moment is not None and not is_time(moment):
            raise TokenRejected(REJECTED, f"the token's `{name}` is no time")
    if expires + SLACK_S <= now_s:
        raise TokenRejected("Unauthenticated", f"the token expired {now_s - expires:.0f} s ago")
    valid_from = max(begins or 0, issued or 0)
    if valid_from > now_s + SLACK_S:
        raise TokenRejected("Unauthenticated", f"the token is not valid for another {valid_from - now_s:.0f} s")
    if audience is not None and audiences(claims) != [audience]:
        raise TokenRejected("Unauthenticated", f"the token is not made for {audience!r}, or not for it alone")


def audiences(claims: Mapping[str, Any]) -> list[Any]:
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def is_time(value: object) -> TypeGuard[int | float]:
    """Seconds since the epoch (NumericDate); far enough from overflow."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53
