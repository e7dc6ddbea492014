"""Outgoing websocket frames, as a server sends them: unmasked (RFC 6455, section 5.2).

Messages are encoded text already and many go out in one write, so a header is put before each and
nothing is copied twice.  What comes in, the handshake and the close are trio-websocket's.
"""

from __future__ import annotations

from struct import pack

from ...protocol.limits import FRAME_BYTES_MAX

TEXT, CONTINUATION, PING = 0x1, 0x0, 0x9
FIN = 0x80


def header(opcode: int, length: int, *, final: bool) -> bytes:
    first = opcode | (FIN if final else 0)
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return pack(">BBH", first, 126, length)
    return pack(">BBQ", first, 127, length)


def text_frames(message: bytes, pieces: list[bytes]) -> None:
    """Append a text message to what is written next, in several frames if it is long."""
    if len(message) <= FRAME_BYTES_MAX:
        pieces += (header(TEXT, len(message), final=True), message)
        return
    # Some clients refuse a frame of more than 16 MiB, whatever limit they have for a message.
    for start in range(0, len(message), FRAME_BYTES_MAX):
        part = message[start : start + FRAME_BYTES_MAX]
        final = start + FRAME_BYTES_MAX >= len(message)
        pieces += (header(CONTINUATION if start else TEXT, len(part), final=final), part)


def ping_frame() -> bytes:
    return header(PING, 0, final=True)
