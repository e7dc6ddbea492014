"""What an app writes to say whose tokens it accepts: a module ``auth_config`` with a list of providers.

    # auth_config.py
    from relive import CustomJwt, OidcProvider

    providers = [
        OidcProvider(domain="https://tenant.example.com", application_id="my-app"),
        CustomJwt(issuer="https://auth.example.com", jwks="https://auth.example.com/keys.json", algorithm="ES256"),
    ]

It is part of the app: a deploy changes it together with the functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from ..errors import AppInvalid

MODULE: Final = "auth_config"
ATTRIBUTE: Final = "providers"
Algorithm = Literal["RS256", "ES256", "EdDSA"]
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
DISCOVERY = "/.well-known/openid-configuration"
DATA_URI = "data:"
NEEDED_FOR_TOKENS = ("joserfc.jws", "httpx")


@frozen
class OidcProvider:
    """A provider that speaks OpenID Connect: its keys are found from its address."""

    domain: str
    """Its address, ``https://tenant.example.com``; tokens must carry it as ``iss``."""
    application_id: str
    """What tokens must be made for: their ``aud``."""

    @property
    def issuer(self) -> str:
        return self.domain if "://" in self.domain else f"https://{self.domain}"

    @property
    def algorithms(self) -> tuple[str, ...]:
        return ALGORITHMS

    @property
    def discovery(self) -> str:
        """Where the provider says where its keys are."""
        return f"{self.issuer.rstrip('/')}{DISCOVERY}"

    def problem(self) -> str | None:
        """What is wrong with it; None if nothing is."""
        if not self.application_id:
            return "`application_id` is empty: then any token of the provider would do"
        return url_problem("domain", self.issuer)


@frozen
class CustomJwt:
    """An issuer of JSON web tokens whose keys are given, or at an address that is given."""

    issuer: str
    """What tokens must carry as ``iss``."""
    jwks: str = field(repr=lambda jwks: repr(jwks[:60]))
    """Where its JSON web key set is, or the set itself as ``data:application/json;base64,...``."""
    algorithm: Algorithm
    application_id: str | None = None
    """What tokens must be made for; None accepts those that are made for anybody."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        return (self.algorithm,)

    def problem(self) -> str | None:
        """What is wrong with it; None if nothing is."""
        if not self.issuer:
            return "`issuer` is empty"
        if self.algorithm not in ALGORITHMS:
            return f"algorithm {self.algorithm!r} is none of {', '.join(ALGORITHMS)}"
        if self.application_id == "":
            return "`application_id` is empty: leave it out to accept tokens that are made for anybody"
        return None if self.jwks.startswith(DATA_URI) else url_problem("jwks", self.jwks)


@frozen
class OwnTokens:
    """The deployment itself, for accounts that the app keeps: an action has it sign with ``ctx.auth.issue_token``."""

    issuer: str
    """The address of the app, ``https://shop.example.com``: part of every ``token_identifier``, so never change it."""
    application_id: str

    @property
    def algorithms(self) -> tuple[str, ...]:
        return ("EdDSA",)

    def problem(self) -> str | None:
        """What is wrong with it; None if nothing is."""
        return None if self.issuer and self.application_id else "`issuer` and `application_id` are texts, and not empty"


Provider = OidcProvider | CustomJwt | OwnTokens


def url_problem(what: str, url: str) -> str | None:
    """Why keys must not be fetched from there; over plain HTTP, anybody on the way could give their own."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return None
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
        return None
    return f"`{what}` must be an address with https:// (http:// for this machine only), not {url!r}"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def prepare() -> None:
    """Import what judging tokens needs, for an app that judges them: not when the first one comes, and not for others,
    whose starts it would make longer than anything else does."""
    for name in NEEDED_FOR_TOKENS:
        import_module(name)


def checked_providers(where: str, given: object) -> tuple[Provider, ...]:
    """What a module ``auth_config`` says.  Raises AppInvalid."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise AppInvalid(where, f"`{ATTRIBUTE}` is a list of OidcProvider, CustomJwt and OwnTokens")
    for number, provider in enumerate(given):
        if not isinstance(provider, Provider):
            kinds = "OidcProvider, CustomJwt and OwnTokens"
            raise AppInvalid(where, f"`{ATTRIBUTE}[{number}]` is none of {kinds}: {provider!r}")
        problem = provider.problem()
        if problem is not None:
            raise AppInvalid(where, f"`{ATTRIBUTE}[{number}]`: {problem}")
    return tuple(given)
