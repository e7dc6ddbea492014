"""Large Transitions in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relive.protocol.chunks import Assembler, split, transition_texts
from relive.protocol.client_version import parse_client_version
from relive.protocol.client_wire import decode_server
from relive.protocol.errors import ProtocolError
from relive.protocol.limits import CHUNK_BYTES
from relive.protocol.messages import INITIAL_VERSION, QueryUpdated, StateVersion, Transition, TransitionChunk
from relive.protocol.wire import encode_server

JAVASCRIPT = parse_client_version(None, "1.48.0")
PYTHON = parse_client_version("python-0.8.1", None)


def put_together(chunks: tuple[TransitionChunk, ...]) -> str:
    assembler = Assembler()
    texts = [assembler.add(chunk) for chunk in chunks]
    assert texts[:-1] == [None] * (len(chunks) - 1)
    assert texts[-1] is not None
    return texts[-1]


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='aä€😀\\"', min_size=1, max_size=60), st.integers(4, 20))
def test_pieces_are_small_and_make_the_whole_again(text: str, bytes_max: int) -> None:
    chunks = split(text.encode(), bytes_max)

    assert put_together(chunks) == text
    assert all(0 < len(chunk.chunk.encode()) <= bytes_max for chunk in chunks)
    assert [chunk.part for chunk in chunks] == list(range(len(chunks)))
    assert {(chunk.parts, chunk.transition_id) for chunk in chunks} == {(len(chunks), str(len(text.encode())))}


def test_only_a_large_transition_for_a_client_that_can_is_cut() -> None:
    value = b'"' + "€".encode() * (CHUNK_BYTES // 2) + b'"'
    transition = Transition(INITIAL_VERSION, StateVersion(1, 0, 1), (QueryUpdated(0, value, (), None),), None, None)
    large = encode_server(transition)

    assert transition_texts(b"{}", JAVASCRIPT) == (b"{}",)
    assert transition_texts(large, PYTHON) == (large,)
    texts = transition_texts(large, JAVASCRIPT)
    assert len(texts) == 2
    pieces = [decode_server(text) for text in texts]
    assert put_together(tuple(piece for piece in pieces if isinstance(piece, TransitionChunk))) == large.decode()


def test_a_piece_out_of_turn_is_refused() -> None:
    first, second, third = split(b"abcdefghijkl", 4)
    assembler = Assembler()
    assembler.add(first)

    with pytest.raises(ProtocolError, match="ChunkOutOfTurn"):
        assembler.add(third)
    with pytest.raises(ProtocolError, match="ChunkOutOfTurn"):
        assembler.add(first)
    with pytest.raises(ProtocolError, match="ChunksInterrupted"):
        assembler.interrupted()
    with pytest.raises(ProtocolError, match="ChunkOutOfTurn"):
        Assembler().add(second)


def test_one_transition_may_follow_another() -> None:
    assembler = Assembler()

    for text in (b"abcdefgh", b"ijklmnopqrst"):
        whole = [assembler.add(chunk) for chunk in split(text, 4)][-1]
        assert whole == text.decode()
    assembler.interrupted()
