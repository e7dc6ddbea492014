"""One connection that speaks HTTP, given to hypercorn, which ends with it.

Left alone, hypercorn keeps a connection for as long as it may wait for its next request, even when the client
has gone long before: clients that do not say goodbye would soon hold every descriptor that the process may have.

HTTP/2 is not spoken, though hypercorn can: its streams would get round what limits connections.
"""

from __future__ import annotations

from typing import Any

import h11
import trio
from hypercorn.protocol import ProtocolWrapper
from hypercorn.trio.tcp_server import TCPServer


class HttpConnection(TCPServer):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gone = trio.Event()
        """Set when the client sends nothing more."""

    @property
    def protocol(self) -> ProtocolWrapper:
        return self._protocol

    @protocol.setter
    def protocol(self, given: ProtocolWrapper) -> None:
        given.protocol._check_protocol = stay  # type: ignore[method-assign, union-attr]
        self._protocol = given

    async def _read_data(self) -> None:
        await super()._read_data()
        self.gone.set()
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        if not self.gone.is_set():
            await super()._idle_timeout()


async def stay(request: h11.Request) -> None:
    """Whatever a request asks for: what is spoken stays as it is."""
