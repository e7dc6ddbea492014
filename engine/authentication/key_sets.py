"""The keys of identity providers: fetched when a token needs them, kept for a while, fetched again when rotated.

    key_set(url)  ──> known, or what to fetch
    learn(url, document)  after it was fetched
    failed(url)           when it could not be

Invariants
    * Forged tokens cannot make us fetch one address more often than every `FETCH_PAUSE_S`, and failures neither.
    * While newer keys are being fetched, whoever names one that is not known waits for them.
    * Keys are kept `KEPT_S`; if they cannot be fetched then, the old ones serve up to `KEPT_S_MAX`.
"""

from __future__ import annotations

import warnings
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from attrs import Factory, define

from ...protocol import json
from ...protocol.errors import InvalidValue
from .errors import KeysUnavailable
from .providers import DATA_URI, OidcProvider, url_problem
from .tokens import Key

KEPT_S = 3_600.0
KEPT_S_MAX = 24 * 3_600.0
FETCH_PAUSE_S = 30.0
KEYS_MAX = 100


@define(eq=False)
class Fetched:
    """What one address has given."""

    document: object
    """Keys, or the address where they are."""
    at_s: float


@define(eq=False)
class KeySets:
    """Times are seconds of a clock that only goes forward."""

    fetched: dict[str, Fetched] = Factory(dict[str, Fetched])
    tried_s: dict[str, float] = Factory(dict[str, float])
    """When each address was asked last, whatever it said."""
    renewed_s: dict[str, float] = Factory(dict[str, float])
    """When each was asked last because a token named a key that was not there."""
    renewing: set[str] = Factory(set[str])
    """Those that are being asked for that reason."""
    problems: dict[str, str] = Factory(dict[str, str])
    """Why it could not be fetched the last time."""

    def needs_fetching(self, url: str, now_s: float, *, newer: bool = False) -> bool:
        """Whether to fetch it now; ``newer`` if what is known does not do."""
        if newer and url in self.renewing:
            return True  # It is on its way: whoever fetches it has others wait.
        # Once at once: keys that a provider has just changed need not wait for the pause.
        known, tried = self.fetched.get(url), (self.renewed_s if newer else self.tried_s).get(url)
        if tried is not None and now_s - tried < FETCH_PAUSE_S:
            return False
        if newer:
            self.renewing.add(url)
        return known is None or newer or now_s - known.at_s > KEPT_S

    def document(self, url: str, now_s: float) -> object:
        """What the address gave the last time.  Raises KeysUnavailable."""
        known = self.fetched.get(url)
        if known is None or now_s - known.at_s > KEPT_S_MAX:
            raise KeysUnavailable(url, self.problems.get(url, "it was not asked yet"))
        return known.document

    def learn(self, url: str, document: object, now_s: float) -> None:
        self.fetched[url] = Fetched(document, now_s)
        self.problems.pop(url, None)
        self.ended(url, now_s)

    def failed(self, url: str, problem: str, now_s: float) -> None:
        self.problems[url] = problem
        self.ended(url, now_s)

    def ended(self, url: str, now_s: float) -> None:
        self.tried_s[url] = now_s
        if url in self.renewing:
            self.renewing.remove(url)
            self.renewed_s[url] = now_s


def jwks_address(provider: OidcProvider, text: bytes) -> str:
    """Where the keys are, by what the provider's discovery document says.  Raises KeysUnavailable."""
    url = provider.discovery
    tree = tree_of(url, text)
    if str(tree.get("issuer", "")).rstrip("/") != provider.issuer.rstrip("/"):
        raise KeysUnavailable(url, f"it is the document of another issuer, {tree.get('issuer')!r:.100}")
    address = tree.get("jwks_uri")
    if not isinstance(address, str):
        raise KeysUnavailable(url, "it has no `jwks_uri`")
    problem = url_problem("jwks_uri", address)
    if problem is not None:
        raise KeysUnavailable(url, problem)
    return address


def keys_of(url: str, text: bytes) -> tuple[Key, ...]:
    """The keys of a JSON web key set (RFC 7517); of kinds that are not known here, none.

    Raises KeysUnavailable.
    """
    from joserfc.errors import JoseError, SecurityWarning
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    kinds: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    entries = tree_of(url, text).get("keys")
    if not isinstance(entries, list) or len(entries) > KEYS_MAX:
        raise KeysUnavailable(url, f"`keys` is not a list of at most {KEYS_MAX} keys")
    keys: list[Key] = []
    for entry in entries:
        kind = kinds.get(str(entry.get("kty"))) if isinstance(entry, Mapping) else None
        if kind is None:
            continue
        try:
            with warnings.catch_warnings():
                # Keys that are too short are passed over when a token is judged.
                warnings.simplefilter("ignore", SecurityWarning)
                keys.append(kind.import_key(public_part(entry)))
        except (JoseError, ValueError, KeyError, TypeError):
            continue  # One key that cannot be read must not lock out those who hold others.
    return tuple(keys)


def public_part(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A key without its private part, should somebody have published it."""
    return {name: value for name, value in entry.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}


def embedded(jwks: str) -> bytes:
    """The key set inside a ``data:`` URI (RFC 2397).  Raises KeysUnavailable."""
    kind, comma, data = jwks.removeprefix(DATA_URI).partition(",")
    try:
        if not comma:
            raise ValueError("it has no comma")
        return b64decode(data, validate=True) if kind.endswith(";base64") else unquote_to_bytes(data)
    except ValueError as error:
        raise KeysUnavailable("data:...", f"this is no data URI: {error}") from None


def tree_of(url: str, text: bytes) -> dict[str, Any]:
    try:
        tree = json.parse(text)
    except InvalidValue as error:
        raise KeysUnavailable(url, f"it is no JSON: {error.problem}") from None
    if not isinstance(tree, dict):
        raise KeysUnavailable(url, "it is no JSON object")
    return tree
