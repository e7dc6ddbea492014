"""Which client is at the other end: from the ``Convex-Client`` header, or from the version in the URL.

The header wins: ``<name>-<semantic version>``.  Browsers cannot set it and put their version into the path,
``/api/1.48.0/sync``, which means the JavaScript client.  Unknown names and unreadable headers are accepted,
for a client is never refused for being new; a path that is no version is refused, for it is a wrong URL.
"""

from __future__ import annotations

import re

from attrs import define, frozen

from .errors import ReliveError

_SEMANTIC_VERSION = re.compile(
    r"(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
)
PATH_CLIENT = "npm"
UNKNOWN_CLIENT = "unknown"
CHUNKS_SINCE = (1, 28, 0)
"""First version of the JavaScript client that puts ``TransitionChunk`` together."""


@define(auto_exc=True)
class InvalidClientVersion(ReliveError):
    """The URL's version segment is not a version.  Answer HTTP 400; the client has a wrong URL."""

    text: str

    def __str__(self) -> str:
        return f"{self.text!r} is not a client version: write it as in /api/1.48.0/sync, or use /api/sync"


@frozen
class ClientVersion:
    """A client's name, in lower case, and its version if it gave one."""

    name: str
    version: tuple[int, int, int] | None
    prerelease: str
    """What follows the numbers and a dash; empty for a release."""

    @property
    def chunks(self) -> bool:
        """Whether it takes a large Transition in pieces; any other client treats a piece as an error."""
        if self.name != PATH_CLIENT or self.version is None:
            return False
        return self.version > CHUNKS_SINCE or (self.version == CHUNKS_SINCE and not self.prerelease)

    def __str__(self) -> str:
        if self.version is None:
            return self.name
        dash = "-" if self.prerelease else ""
        return f"{self.name}-{'.'.join(map(str, self.version))}{dash}{self.prerelease}"


UNKNOWN_VERSION = ClientVersion(UNKNOWN_CLIENT, None, "")


def parse_client_version(header: str | None, path_version: str | None) -> ClientVersion:
    """The client behind an upgrade request.

    ``header`` is the ``Convex-Client`` header; ``path_version`` the URL's segment before ``sync``, None for
    ``/api/sync``.
    Raises InvalidClientVersion if there is no header and the segment is not a semantic version.
    """
    if header is not None:
        return _from_header(header.strip())
    if path_version is None:
        return UNKNOWN_VERSION
    client = _client(PATH_CLIENT, path_version)
    if client is None:
        raise InvalidClientVersion(path_version[:100])
    return client


def _from_header(header: str) -> ClientVersion:
    # Names hold dashes (npm-cli), prereleases too (1.0.0-alpha.1): the leftmost split that leaves a version.
    dash = header.find("-")
    while dash != -1:
        client = _client(header[:dash], header[dash + 1 :])
        if client is not None:
            return client
        dash = header.find("-", dash + 1)
    return ClientVersion(header.lower() or UNKNOWN_CLIENT, None, "")


def _client(name: str, version: str) -> ClientVersion | None:
    match = _SEMANTIC_VERSION.fullmatch(version)
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    return ClientVersion(name.lower(), (int(major), int(minor), int(patch)), prerelease or "")
