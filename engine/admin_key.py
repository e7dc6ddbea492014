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
    """A key without what tools put before it.

    ``prod:name|secret`` and ``dev:name|secret`` lose everything up to the colon, if it stands before
    the bar; what follows a later colon is an identity to act as, and is cut off as well.
    """
    name, bar, secret = key.partition("|")
    if not bar:
        return key.strip()
    kind, colon, rest = name.partition(":")
    if colon:
        name = rest
    if kind.lower() in ("preview", "project"):
        return secret.partition(":")[0].strip()
    return f"{name}|{secret.partition(':')[0]}".strip()
