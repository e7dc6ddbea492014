"""Tokens of upload addresses: whoever has one may upload files for an hour.

    <moment at which it ends, in ms: 8 bytes> <nonce: 12 bytes> <HMAC with the secret of the deployment: 20 bytes>

in base64url.  Nothing is stored for a token, so one that is never used leaves nothing behind.  It may be used more than
once: each time makes another file.

Invariant: a token follows from clock, seed and secret of the run that made it, so a mutation that is run again makes
the same one.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, Literal

VALID_MS: Final = 3_600_000
MOMENT_BYTES: Final = 8
NONCE_BYTES: Final = 12
MAC_BYTES: Final = 20
TOKEN_CHARS_MAX: Final = 200
PURPOSE: Final = b"relive: upload token"

Verdict = Literal["valid", "expired", "forged"]


def make_token(secret: bytes, now_ms: float, nonce: bytes) -> str:
    assert len(nonce) == NONCE_BYTES
    body = (int(now_ms) + VALID_MS).to_bytes(MOMENT_BYTES, "big") + nonce
    return urlsafe_b64encode(body + mac_of(secret, body)).decode()


def judge_token(secret: bytes, token: str, now_ms: float) -> Verdict:
    if len(token) > TOKEN_CHARS_MAX:
        return "forged"
    try:
        data = urlsafe_b64decode(token.encode("ascii"))
    except ValueError:
        return "forged"
    if urlsafe_b64encode(data).decode() != token:
        return "forged"  # What is read leaves out what it does not know.
    body, mac = data[: MOMENT_BYTES + NONCE_BYTES], data[MOMENT_BYTES + NONCE_BYTES :]
    if not hmac.compare_digest(mac, mac_of(secret, body)):
        return "forged"
    return "valid" if now_ms < int.from_bytes(body[:MOMENT_BYTES], "big") else "expired"


def mac_of(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, PURPOSE + body, "sha256")[:MAC_BYTES]
