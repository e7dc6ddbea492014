"""Which bytes a Range header asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from relive.engine.files.ranges import Part, part_of


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60) | st.none())
def test_a_range_is_the_bytes_between_first_and_last(size: int, first: int, last: int | None) -> None:
    data = bytes(range(size))
    header = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert part_of(header, size) is None
        return
    wanted = data[first : None if last is None else last + 1]
    if not wanted:
        with pytest.raises(ValueError, match="the file has"):
            part_of(header, size)
        return
    part = part_of(header, size)
    assert part is not None
    assert data[part.start : part.stop] == wanted


@given(st.integers(0, 50), st.integers(0, 60))
def test_a_range_without_a_first_byte_is_the_end(size: int, count: int) -> None:
    if not min(size, count):
        with pytest.raises(ValueError, match="the file has"):
            part_of(f"bytes=-{count}", size)
    else:
        assert part_of(f"bytes=-{count}", size) == Part(max(size - count, 0), size)


@pytest.mark.parametrize("header", [None, "", "bytes", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=1", "bytes=--1"])
def test_what_cannot_be_read_asks_for_everything(header: str | None) -> None:
    assert part_of(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "bytes=0-1, 5-", "bytes=-1,-2"])
def test_one_range_at_a_time(header: str) -> None:
    with pytest.raises(ValueError, match="one range"):
        part_of(header, 10)
