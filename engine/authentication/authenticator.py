"""From a token to an identity, or what must be fetched before that can be said.

    authenticate ──> Accepted
                 └─> Fetch: a shell fetches the address and tells `learn` or `failed`, then asks again

Everything is checked that can be checked without keys before any are fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import Factory, define, frozen

from .errors import KeysUnavailable, TokenRejected
from .identity import Identity, identity_of_claims
from .key_sets import KeySets, embedded, jwks_address, keys_of
from .providers import DATA_URI, OidcProvider, OwnTokens, Provider
from .tokens import Key, Token, check_claims, check_signature, fits, take_apart

NOT_CONFIGURED = "no auth provider is configured, so no token can be accepted"


@frozen
class Accepted:
    """The token proves who asks."""

    identity: Identity
    expires_s: float
    """When the token ends to be valid, in seconds since the epoch."""


@frozen
class Fetch:
    """Fetch this first."""

    url: str


@define(eq=False)
class Authenticator:
    providers: Callable[[], Sequence[Provider]]
    """Of the app that is deployed."""
    wall_s: Callable[[], float]
    """Seconds since the epoch."""
    steady_s: Callable[[], float]
    """Seconds of a clock that only goes forward."""
    own_keys: Callable[[], Sequence[Key]] = tuple
    """Those with which the deployment itself signs."""
    key_sets: KeySets = Factory(KeySets)

    def authenticate(self, text: str) -> Accepted | Fetch:
        """Who the token's owner is.  Raises TokenRejected, KeysUnavailable."""
        if not self.providers():
            raise TokenRejected("NoAuthProvider", NOT_CONFIGURED)
        token = take_apart(text)
        provider = self.provider_of(token)
        check_claims(token.claims, provider.application_id, self.wall_s())
        keys = self.keys(provider)
        if isinstance(keys, Fetch):
            return keys
        fitting = [key for key in keys if fits(key, token)]
        if not fitting:
            url = self.keys_address(provider)
            if url is not None and self.key_sets.needs_fetching(url, self.steady_s(), newer=True):
                return Fetch(url)  # The provider may have changed its keys.
            if url is not None and url in self.key_sets.problems:
                raise KeysUnavailable(url, self.key_sets.problems[url])  # It may be one of the newest keys.
            known = f"with the `kid` {token.key_id!r:.60}" if token.key_id is not None else "that it could be of"
            raise TokenRejected("InvalidAuthHeader", f"the issuer has no {token.algorithm} key {known}")
        check_signature(token, fitting)
        return Accepted(identity_of_claims(token.claims), float(token.claims["exp"]))

    def provider_of(self, token: Token) -> Provider:
        """The one whose token it says to be.  Raises TokenRejected."""
        same = [each for each in self.providers() if each.issuer.rstrip("/") == token.issuer.rstrip("/")]
        if not same:
            raise TokenRejected(
                "NoAuthProvider", f"no auth provider is configured for the issuer {token.issuer!r:.200}"
            )
        audience = token.claims.get("aud")
        meant = [each for each in same if each.application_id in (audience, None) or audience == [each.application_id]]
        provider = (meant or same)[0]
        if token.algorithm not in provider.algorithms:
            problem = f"the issuer signs with {', '.join(provider.algorithms)}, not with {token.algorithm}"
            raise TokenRejected("InvalidAuthHeader", problem)
        return provider

    def keys(self, provider: Provider) -> Sequence[Key] | Fetch:
        """Raises KeysUnavailable."""
        if isinstance(provider, OwnTokens):
            return self.own_keys()
        if not isinstance(provider, OidcProvider) and provider.jwks.startswith(DATA_URI):
            return keys_of("data:...", embedded(provider.jwks))
        now_s = self.steady_s()
        if isinstance(provider, OidcProvider) and self.key_sets.needs_fetching(provider.discovery, now_s):
            return Fetch(provider.discovery)
        url = self.keys_address(provider)
        assert url is not None
        if self.key_sets.needs_fetching(url, now_s):
            return Fetch(url)
        keys = self.key_sets.document(url, now_s)
        assert isinstance(keys, tuple)
        return keys

    def keys_address(self, provider: Provider) -> str | None:
        """Where the keys are; None if they are held here.  Raises KeysUnavailable."""
        if isinstance(provider, OwnTokens):
            return None
        if isinstance(provider, OidcProvider):
            return str(self.key_sets.document(provider.discovery, self.steady_s()))
        return None if provider.jwks.startswith(DATA_URI) else provider.jwks

    def learn(self, url: str, text: bytes) -> None:
        """What was found at an address.  What cannot be read counts as not found."""
        now_s = self.steady_s()
        discovered = [each for each in self.providers() if isinstance(each, OidcProvider) and each.discovery == url]
        try:
            document: object = jwks_address(discovered[0], text) if discovered else keys_of(url, text)
        except KeysUnavailable as error:
            self.key_sets.failed(url, error.problem, now_s)
        else:
            self.key_sets.learn(url, document, now_s)

    def failed(self, url: str, problem: str) -> None:
        """Nothing was found at an address."""
        self.key_sets.failed(url, problem, self.steady_s())
