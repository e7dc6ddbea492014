"""The site's port from the command line."""

from __future__ import annotations

import socket

import pytest

from relive.cli.errors import PortUnavailable
from relive.cli.serving import Options, site_port_of


def options(port: int, site_port: int | None) -> Options:
    return Options(None, "127.0.0.1", port, False, False, True, site_port)


def test_the_site_is_served_on_the_port_after_the_main_one_unless_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert site_port_of(options(port - 1, None)) is None
        with pytest.raises(PortUnavailable):
            site_port_of(options(1, port))
    assert site_port_of(options(port - 1, None)) == port
    assert site_port_of(options(0, None)) is None
    assert site_port_of(options(65_535, None)) is None
    assert site_port_of(options(1, 0)) == 0
