"""Who the client is, by header and by path."""

from __future__ import annotations

import pytest
from relive.protocol.client_version import (
    UNKNOWN_VERSION,
    ClientVersion,
    InvalidClientVersion,
    parse_client_version,
)


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("npm-1.48.0", ClientVersion("npm", (1, 48, 0), "")),
        ("python-0.8.1", ClientVersion("python", (0, 8, 1), "")),
        ("NPM-CLI-1.2.3", ClientVersion("npm-cli", (1, 2, 3), "")),
        ("python-convex-0.1.0", ClientVersion("python-convex", (0, 1, 0), "")),
        ("npm-1.48.1-alpha.0", ClientVersion("npm", (1, 48, 1), "alpha.0")),
        ("rust-0.10.4+build.7", ClientVersion("rust", (0, 10, 4), "")),
        ("swift-0.0.0", ClientVersion("swift", (0, 0, 0), "")),
        ("somebody", ClientVersion("somebody", None, "")),
        ("npm-1.48", ClientVersion("npm-1.48", None, "")),
        ("", UNKNOWN_VERSION),
    ],
)
def test_a_header_is_split_where_a_version_follows(header: str, client: ClientVersion) -> None:
    assert parse_client_version(header, None) == client


def test_the_header_wins_over_the_path() -> None:
    assert parse_client_version("python-0.8.1", "nonsense").name == "python"


def test_a_version_in_the_path_is_the_javascript_client() -> None:
    assert parse_client_version(None, "1.48.0") == ClientVersion("npm", (1, 48, 0), "")


def test_neither_is_accepted() -> None:
    assert parse_client_version(None, None) == UNKNOWN_VERSION


@pytest.mark.parametrize("segment", ["", "v1", "1.48", "1.48.0.1", "01.2.3", "latest", "1.2.3-", "1.2.3\n"])
def test_a_path_that_is_no_version_is_refused(segment: str) -> None:
    with pytest.raises(InvalidClientVersion, match="is not a client version"):
        parse_client_version(None, segment)


@pytest.mark.parametrize(
    ("client", "chunks"),
    [
        ("npm-1.48.0", True),
        ("npm-1.28.0", True),
        ("npm-2.0.0-beta", True),
        ("npm-1.28.0-alpha.1", False),
        ("npm-1.27.9", False),
        ("npm-cli-1.48.0", False),
        ("python-1.48.0", False),
        ("npm", False),
    ],
)
def test_only_newer_javascript_clients_take_chunks(client: str, chunks: bool) -> None:
    assert parse_client_version(client, None).chunks is chunks


@pytest.mark.parametrize("text", ["npm-1.48.0", "npm-1.28.0-alpha.1", "somebody"])
def test_a_client_is_written_as_its_header(text: str) -> None:
    assert str(parse_client_version(text, None)) == text
