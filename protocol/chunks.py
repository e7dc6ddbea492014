"""A Transition too large for one message, in pieces: cut by the server, put together by the client.

Only clients with ``ClientVersion.chunks`` take pieces.  Nothing but a Ping may stand between the pieces of
one Transition: any other message makes the client throw the pieces away, and it never recovers from the
gap.
"""

from __future__ import annotations

from attrs import Factory, define

from . import limits
from .client_version import ClientVersion
from .errors import ProtocolError
from .messages import TransitionChunk
from .wire import encode_server

_UTF8_BYTES_MAX = 4


def transition_texts(encoded: bytes, client: ClientVersion) -> tuple[bytes, ...]:
    """The messages to send for one encoded Transition: itself, or its pieces, back to back."""
    if len(encoded) <= limits.CHUNK_BYTES or not client.chunks:
        return (encoded,)
    return tuple(encode_server(chunk) for chunk in split(encoded, limits.CHUNK_BYTES))


def split(encoded: bytes, bytes_max: int) -> tuple[TransitionChunk, ...]:
    """Cut text between characters into pieces of at most ``bytes_max`` bytes of UTF-8."""
    assert bytes_max >= _UTF8_BYTES_MAX, bytes_max
    cuts = [0]
    while len(encoded) - cuts[-1] > bytes_max:
        cut = cuts[-1] + bytes_max
        while encoded[cut] & 0xC0 == 0x80:  # The middle of a character.
            cut -= 1
        cuts.append(cut)
    cuts.append(len(encoded))
    parts = len(cuts) - 1
    identity = str(len(encoded))
    return tuple(
        TransitionChunk(encoded[cuts[part] : cuts[part + 1]].decode(), part, parts, identity) for part in range(parts)
    )


@define
class Assembler:
    """Puts the pieces of one Transition together again."""

    pieces: list[str] = Factory(list[str])
    transition_id: str = ""

    def add(self, chunk: TransitionChunk) -> str | None:
        """The whole text once its last piece is here.  Raises ProtocolError on a piece out of turn."""
        if chunk.part == 0 and not self.pieces:
            self.transition_id = chunk.transition_id
        if chunk.transition_id != self.transition_id or chunk.part != len(self.pieces):
            problem = f"piece {chunk.part} of {chunk.transition_id!r} came where {len(self.pieces)} was due"
            raise ProtocolError("ChunkOutOfTurn", problem)
        self.pieces.append(chunk.chunk)
        if len(self.pieces) < chunk.parts:
            return None
        text = "".join(self.pieces)
        self.pieces.clear()
        return text

    def interrupted(self) -> None:
        """A message other than a Ping came.  Raises ProtocolError if pieces are lost by it."""
        if self.pieces:
            raise ProtocolError("ChunksInterrupted", f"{len(self.pieces)} pieces of a Transition were cut off")
