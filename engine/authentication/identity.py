"""An identity: what a function sees of the person who asks.

Its attributes are plain values with the names that clients of Convex know: ``tokenIdentifier``,
``subject``, ``issuer``, ``givenName``, and custom claims by their own names, nested ones with dots
(``address.country``).  Two identities with the same attributes are the same person saying the same, so
a token that was refreshed changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from ...protocol import cbor
from ...protocol.errors import InvalidValue
from ...protocol.values import Value, normalize
from .errors import TokenRejected

STANDARD: Final = {
    "name": "name",
    "given_name": "givenName",
    "family_name": "familyName",
    "nickname": "nickname",
    "preferred_username": "preferredUsername",
    "profile": "profileUrl",
    "picture": "pictureUrl",
    "website": "websiteUrl",
    "email": "email",
    "email_verified": "emailVerified",
    "gender": "gender",
    "birthdate": "birthday",
    "zoneinfo": "timezone",
    "locale": "language",
    "phone_number": "phoneNumber",
    "phone_number_verified": "phoneNumberVerified",
    "address": "address",
    "updated_at": "updatedAt",
}
"""Claims of OpenID Connect Core 1.0, section 5.1, and what the attribute is called."""

OF_THE_TOKEN: Final = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "fva", "at_hash", "auth_time", "nonce"}
)
"""Claims about the token and not about the person: they differ from token to token."""

CLAIMS_MAX = 256
ISSUER_OF_ACTING = "https://relive.invalid/acting"
"""Of whom the admin key acts as, if the identity names no issuer."""
SUBJECT_OF_ACTING = "nobody"


def _encoded(identity: Identity) -> bytes:
    return cbor.encode(dict(identity.attributes))


@frozen(eq=False)
class Identity(Mapping[str, Any]):
    """Who asks, as an identity provider said it.

    Attributes by their names (``identity["email"]``, ``identity.get("org.role")``); those that everybody
    has, and the usual ones, as properties too.
    """

    attributes: Mapping[str, Value]
    encoded: bytes = field(init=False, repr=False)
    """Canonical CBOR of the attributes: what entries keep."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "encoded", _encoded(self))

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    @property
    def token_identifier(self) -> str:
        """Issuer and subject together: one for each person, over all providers."""
        return str(self.attributes["tokenIdentifier"])

    @property
    def subject(self) -> str:
        """What the issuer calls this person; unique for one issuer."""
        return str(self.attributes["subject"])

    @property
    def issuer(self) -> str:
        return str(self.attributes["issuer"])

    @property
    def name(self) -> str | None:
        return self._text("name")

    @property
    def given_name(self) -> str | None:
        return self._text("givenName")

    @property
    def family_name(self) -> str | None:
        return self._text("familyName")

    @property
    def nickname(self) -> str | None:
        return self._text("nickname")

    @property
    def preferred_username(self) -> str | None:
        return self._text("preferredUsername")

    @property
    def picture_url(self) -> str | None:
        return self._text("pictureUrl")

    @property
    def email(self) -> str | None:
        return self._text("email")

    @property
    def email_verified(self) -> bool:
        """Whether the provider says that the address is this person's."""
        return self.attributes.get("emailVerified") is True

    @property
    def phone_number(self) -> str | None:
        return self._text("phoneNumber")

    def _text(self, name: str) -> str | None:
        value = self.attributes.get(name)
        return value if isinstance(value, str) else None


def identity_of_claims(claims: Mapping[str, object]) -> Identity:
    """The identity that the claims of a valid token describe; without claims that are no values here, such as
    those with names that are not ASCII.  Raises TokenRejected if there are too many.
    """
    issuer, subject = claims["iss"], claims["sub"]
    attributes: dict[str, object] = {
        "tokenIdentifier": f"{issuer}|{subject}",
        "issuer": issuer,
        "subject": subject,
    }
    for name, value in claims.items():
        if name in OF_THE_TOKEN:
            continue
        if name in STANDARD:
            attributes[STANDARD[name]] = value
        else:
            # What a person claims under the name of an attribute that is made here must not take its place.
            for path, leaf in flattened(name, value):
                attributes.setdefault(path, leaf)
    return identity_of_attributes({name: value for name, value in attributes.items() if is_value(name, value)})


def is_value(name: str, value: object) -> bool:
    try:
        normalize({name: value})
    except InvalidValue:
        return False
    return True


def identity_of_attributes(attributes: Mapping[str, object]) -> Identity:
    """An identity with these attributes.  Raises TokenRejected if they are no values, or too many."""
    if len(attributes) > CLAIMS_MAX:
        raise TokenRejected("InvalidAuthHeader", f"an identity has {CLAIMS_MAX} claims at most, not {len(attributes)}")
    try:
        value = normalize({name: attributes[name] for name in sorted(attributes)})
    except InvalidValue as error:
        raise TokenRejected("InvalidAuthHeader", f"a claim is no value: {error}") from None
    assert isinstance(value, dict)
    return Identity(value)


def acting_as(attributes: Mapping[str, object]) -> Identity:
    """The identity that a holder of the admin key acts as; who says no name is nobody in particular.

    Raises TokenRejected.
    """
    issuer = attributes.get("issuer", ISSUER_OF_ACTING)
    subject = attributes.get("subject", SUBJECT_OF_ACTING)
    given = attributes.get("tokenIdentifier", f"{issuer}|{subject}")
    if not (isinstance(issuer, str) and isinstance(subject, str) and isinstance(given, str)):
        raise TokenRejected("InvalidAuthHeader", "issuer, subject and tokenIdentifier of an identity are text")
    return identity_of_attributes({**attributes, "issuer": issuer, "subject": subject, "tokenIdentifier": given})


def identity_of_entry(encoded: bytes | None) -> Identity | None:
    """The identity that an entry has kept."""
    if encoded is None:
        return None
    attributes = cbor.decode(encoded)
    assert isinstance(attributes, dict)
    return Identity(attributes) if attributes else None


def flattened(name: str, value: object) -> Iterator[tuple[str, object]]:
    """A claim, and those inside it with dots in their names."""
    if isinstance(value, dict) and value:
        for inner, leaf in value.items():
            yield from flattened(f"{name}.{inner}", leaf)
    else:
        yield name, value
