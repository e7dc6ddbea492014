"""The admin key: what opens internal functions and administrative routes.

Keys that people hold are made once, shown once, and kept as hashes: who reads the data folder, or a backup
of it, holds no key.  Commands on the server's own machine use one that lives as long as the server.
Compared in constant time, and never shown in logs.  A key may come with the name of the
deployment before it (``name|secret``, ``prod:name|secret``), as official tools write it.

A key may do all that there is (`POWERS`), or less: one for a build machine deploys, and reads no documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, Literal, Protocol

from attrs import field, frozen

HASH_BYTES = 32
Power = Literal["run", "read", "write", "deploy", "env"]
POWERS: Final[dict[Power, str]] = {
    "run": "call every function, internal ones too, as anybody",
    "read": "read every document, the log, its past, and what functions print",
    "write": "import, pause, and cancel what runs or is scheduled",
    "deploy": "deploy code and run migrations",
    "env": "read and set environment variables",
}
"""What there is to be done with an admin key."""
NO_POWERS: Final[frozenset[Power]] = frozenset()


class Keys(Protocol):
    """What says which keys open."""

    def powers(self, given: str) -> frozenset[Power]:
        """What a key may do; nothing if it is none."""
        ...


@frozen
class AdminKey:
    """One key that is known in full, and may do everything."""

    key: str = field(repr=False)
    """The whole key, as it was printed: ``name|secret``."""

    def powers(self, given: str) -> frozenset[Power]:
        return frozenset(POWERS) if self.opens(given) else NO_POWERS

    def opens(self, given: str) -> bool:
        """True if ``given`` is the key, with or without a deployment type before it."""
        shown, whole = bare(given).encode("utf-8", "replace"), bare(self.key).encode()
        # Keys of some types arrive without their name; the secret alone is as hard to guess.
        secret = whole.partition(b"|")[2] or whole
        return bool(secret.strip(b"|")) and compare_digest(shown, whole) | compare_digest(shown, secret)


@frozen
class AdminKeys:
    """A key that is known in full, and those of which only hashes are."""

    instance_name: str
    local: AdminKey = field(repr=False)
    hashes: Callable[[], Iterable[tuple[str, frozenset[Power]]]]
    """Of the keys that are valid now, each with what it may do."""

    def powers(self, given: str) -> frozenset[Power]:
        """What ``given`` may do, with or without a deployment type before it."""
        if self.local.opens(given):
            return frozenset(POWERS)
        name, bar, secret = bare(given).partition("|")
        if bar and name != self.instance_name:
            return NO_POWERS
        shown = hash_of(secret if bar else name)
        return next((powers for stored, powers in self.hashes() if compare_digest(shown, stored)), NO_POWERS)


def hash_of(secret: str) -> str:
    """What is kept of a key: its secret part has so much entropy that a plain hash does not give it away."""
    return blake2b(secret.encode("utf-8", "replace"), digest_size=HASH_BYTES, person=b"relive admin key").hexdigest()


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
