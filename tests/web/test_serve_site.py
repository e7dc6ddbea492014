"""The site's port from the command line."""

from __future__ import annotations

import socket

import pytest

from relive.cli.errors import PortUnavailable
from relive.cli.serving import Options, site_port_of

from ..ports import HOST, free_port


def options(port: int, site_port: int | None) -> Options:
    return Options(None, HOST, port, False, False, True, site_port)


def test_the_site_is_served_on_the_port_after_the_main_one_unless_that_is_taken() -> None:
    with socket.socket() as taken:
        port = free_port() + 1
        taken.bind((HOST, port))
        taken.listen()

        assert site_port_of(options(port - 1, None)) is None
        with pytest.raises(PortUnavailable):
            site_port_of(options(1, port))
    assert site_port_of(options(port - 1, None)) == port
    assert site_port_of(options(0, None)) is None
    assert site_port_of(options(65_535, None)) is None
    assert site_port_of(options(1, 0)) == 0
