"""Frames: what a checksum covers, and what can be found behind damage."""

from __future__ import annotations

import pytest
from relive.log.entry import LSN
from relive.log.frame import (
    ALIGNMENT,
    HEADER_BYTES,
    durable_claimed,
    entry_frame,
    frame_bytes,
    mark_frame,
    read_body,
    read_head,
)

SALT = 12345


def payload_of(frame: bytes, salt: int = SALT) -> bytes | None:
    head = read_head(frame, 0, salt)
    return None if head is None else read_body(frame, 0, head.frame_bytes, head, salt)


@pytest.mark.parametrize("length", range(20))
def test_a_frame_gives_back_its_payload_and_ends_aligned(length: int) -> None:
    payload = bytes(range(1, length + 1))
    frame = entry_frame(payload, LSN(9), LSN(7), SALT)
    head = read_head(frame, 0, SALT)

    assert head is not None
    assert (head.is_mark, head.lsn, head.durable) == (False, 9, 7)
    assert payload_of(frame) == payload
    assert len(frame) == head.frame_bytes == frame_bytes(length)
    assert len(frame) % ALIGNMENT == 0


def test_a_mark_says_what_is_durable() -> None:
    head = read_head(mark_frame(LSN(9), SALT), 0, SALT)

    assert head is not None
    assert (head.is_mark, head.lsn, head.durable, head.length) == (True, 9, 9, 0)


@pytest.mark.parametrize("frame", [entry_frame(b"hello", LSN(9), LSN(8), SALT), mark_frame(LSN(9), SALT)])
def test_every_bit_of_a_frame_is_checked(frame: bytes) -> None:
    for bit in range(len(frame) * 8):
        rotten = bytearray(frame)
        rotten[bit // 8] ^= 1 << bit % 8

        assert payload_of(bytes(rotten)) is None, bit


def test_a_frame_of_another_segment_is_no_frame() -> None:
    assert payload_of(entry_frame(b"hello", LSN(9), LSN(8), SALT), SALT + 1) is None
    assert read_head(mark_frame(LSN(9), SALT), 0, SALT + 1) is None


@pytest.mark.parametrize("length", range(HEADER_BYTES))
def test_part_of_a_header_is_no_header(length: int) -> None:
    assert read_head(mark_frame(LSN(9), SALT)[:length], 0, SALT) is None


def test_the_highest_claim_is_found_behind_damage() -> None:
    frames = entry_frame(b"one", LSN(9), LSN(8), SALT) + mark_frame(LSN(9), SALT)
    frames += entry_frame(b"two", LSN(10), LSN(9), SALT)

    assert durable_claimed(b"\xff" * 24 + frames, SALT) == 9
    assert durable_claimed(b"\xff" * 21 + frames, SALT) == 9, "lost bytes move what follows"
    assert durable_claimed(b"", SALT) == 0
    assert durable_claimed(entry_frame(b"", LSN(9), LSN(8), SALT) + mark_frame(LSN(4), SALT), SALT) == 8


def test_a_header_is_proof_even_if_its_payload_is_gone() -> None:
    frame = bytearray(entry_frame(b"two", LSN(10), LSN(9), SALT))
    frame[HEADER_BYTES] ^= 1

    assert durable_claimed(bytes(frame), SALT) == 9


def test_a_frame_inside_a_document_proves_nothing() -> None:
    forged = mark_frame(LSN(10**9), salt=0)

    assert durable_claimed(entry_frame(b"\x00" * 8 + forged, LSN(2), LSN(1), SALT), SALT) == 1
