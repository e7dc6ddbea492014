"""Where a page ends: a position in an index, as text that only this deployment can read or make.

A cursor is encrypted and bound to the query that made it (AES-SIV, RFC 5297): it shows no values of
documents that the client was not given, it cannot be changed, and one query does not take that of
another.  The same position of the same query is the same text every time, so equal pages are equal.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b

from attrs import define, field
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ...log.entry import IndexKey
from ..errors import InvalidCursor

KEY_BYTES = 64
END = b"\x00"
AT = b"\x01"


@define(eq=False)
class Cursors:
    secret: bytes = field(repr=False)
    cipher: AESSIV = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.cipher = AESSIV(blake2b(self.secret, digest_size=KEY_BYTES, person=b"cursor").digest())

    def encode(self, fingerprint: bytes, position: IndexKey | None) -> str:
        """The text for a position of a query: a key, or None for its end."""
        plain = END if position is None else AT + position
        return base64.urlsafe_b64encode(self.cipher.encrypt(plain, [fingerprint])).decode()

    def decode(self, fingerprint: bytes, text: str) -> IndexKey | None:
        """The position; None for the end.  Raises InvalidCursor for anything that this query did not make."""
        try:
            sealed = base64.b64decode(text, altchars=b"-_", validate=True)
            plain = self.cipher.decrypt(sealed, [fingerprint])
        except (InvalidTag, binascii.Error, ValueError):
            raise InvalidCursor() from None
        if base64.urlsafe_b64encode(sealed).decode() != text:
            raise InvalidCursor()  # Padding can be written in more than one way.
        return None if plain == END else plain[1:]
