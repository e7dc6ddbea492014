"""Function paths and timestamps as clients write them."""

from __future__ import annotations

import pytest
from relive.protocol import paths, timestamps
from relive.protocol.errors import InvalidPath, InvalidValue
from relive.protocol.paths import FunctionPath


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("messages:list", "messages:list"),
        ("messages.js:list", "messages:list"),
        ("messages", "messages:default"),
        ("messages.js", "messages:default"),
        ("dir/mod", "dir/mod:default"),
        ("dir/mod.js:default", "dir/mod:default"),
        ("a/b/c_1:_private2", "a/b/c_1:_private2"),
        ("_system/cli/exports:getLatest", "_system/cli/exports:getLatest"),
        ("1a/2:x", "1a/2:x"),
        ("m" * 64 + ":" + "f" * 64, "m" * 64 + ":" + "f" * 64),
    ],
)
def test_paths_that_mean_the_same_are_the_same(text: str, canonical: str) -> None:
    path = paths.parse(text)

    assert str(path) == canonical
    assert path == paths.parse(canonical)
    module, function = canonical.split(":")
    assert path == FunctionPath(module, function)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":list",
        "messages:",
        "messages: list",
        " messages:list",
        "messages:list\n",
        "a:b:c",
        "a//b:c",
        "/a:b",
        "a/:b",
        "../a:b",
        "a.b:c",
        "a.py:c",
        "a.js.js:c",
        "a.JS:c",
        "dir.js/a:c",
        ".js:c",
        "_:c",
        "a/___:c",
        "a:_",
        "a:__",
        "a:1b",
        "a:b.js",
        "a:b-c",
        "a-b:c",
        "é:c",
        "a:é",
        "a:٣",
        "a\0:b",
        "\ud800:b",
        "m" * 65 + ":f",
        "m:" + "f" * 65,
        pytest.param("/".join(["m"] * 600) + ":f", id="very long"),
    ],
)
def test_what_is_not_a_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        paths.parse(text)

    assert str(caught.value)


def test_a_path_that_is_not_one_cannot_be_made() -> None:
    with pytest.raises(InvalidPath):
        FunctionPath("messages.js", "list")


@pytest.mark.parametrize(
    ("ts", "text"),
    [
        (0, "AAAAAAAAAAA="),
        (1, "AQAAAAAAAAA="),
        (1795330338896039756, "TE9hYG5L6hg="),
        (2**63 - 1, "/////////38="),
    ],
)
def test_timestamps_on_the_wire(ts: int, text: str) -> None:
    assert timestamps.to_wire(ts) == text
    assert timestamps.from_wire(text) == ts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "AAAAAAAAAAA",
        "AAAAAAAAAAB=",
        "AAAAAAAAAAAA",
        "AAAAAAAAAA==",
        "AAAAAAAAAA-=",
        "AAAAAAAAAAé=",
        "//////////8=",
        "AAAAAAAAAAA=\n",
        " AAAAAAAAAAA",
        "A\nAAAAAAAAA=",
    ],
)
def test_what_is_not_a_timestamp_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        timestamps.from_wire(text)
