"""The admin key: what opens internal functions and administrative routes.

Compared in constant time, and never shown in logs.  A key may come with the name of the
deployment before it (``name|secret``, ``prod:name|secret``), as official tools write it.
"""

from __future__ import annotations

from hmac import compare_digest

from attrs import field, frozen


@frozen
class AdminKey:
    key: str = field(repr=False)
    """The whole key, as it was printed: ``name|secret``."""

    def opens(self, given: str) -> bool:
        """True if ``given`` is the key, with or without a deployment type before it."""
        shown, whole = bare(given).encode("utf-8", "replace"), bare(self.key).encode()
        # Keys of some types arrive without their name; the secret alone is as hard to guess.
        secret = whole.partition(b"|")[2] or whole
        return bool(secret.strip(b"|")) and compare_digest(shown, whole) | compare_digest(shown, secret)


def bare(key: str) -> str:
    """A key without what tools put before and behind it."""
    return taken_apart(key)[0]


def taken_apart(key: str) -> tuple[str, str | None]:
    """The bare key, and the identity to act as (base64 of JSON), if one is given.

    ``prod:name|secret`` and ``dev:name|secret`` lose everything up to the colon, if it stands before
    the bar; what follows a later colon is the identity.
    """
    name, bar, secret = key.partition("|")
    if not bar:
        name, colon, acting = key.partition(":")
        return name.strip(), acting if colon else None
    secret, acts, acting = secret.partition(":")
    identity = acting.strip() if acts else None
    kind, colon, rest = name.partition(":")
    if colon:
        name = rest
    if kind.lower().strip() in ("preview", "project"):
        return secret.strip(), identity
    return f"{name}|{secret}".strip(), identity
