"""Fetches what identity providers publish: where their keys are, and the keys.

Nothing is fetched but from the addresses that the app names, or the documents there; redirects are not
followed, and neither size nor time is for the other side to choose.
"""

from __future__ import annotations

import trio
from attrs import Factory, define

from ...protocol.limits import MIB
from ..authentication.authenticator import Accepted, Authenticator

FETCH_S_MAX = 10.0
DOCUMENT_BYTES_MAX = MIB


@define(eq=False)
class KeyFetching:
    authenticator: Authenticator
    under_way: dict[str, trio.Event] = Factory(dict[str, trio.Event])
    """Whoever needs what is being fetched waits for it, and fetches nothing."""

    async def authenticate(self, jwt: str) -> Accepted:
        """Whom a token proves, fetching what is needed.  Raises TokenRejected, KeysUnavailable."""
        while not isinstance(answer := self.authenticator.authenticate(jwt), Accepted):
            await self.fetch(answer.url)
        return answer

    async def fetch(self, url: str) -> None:
        """Fetch an address, or find out that it cannot be; the authenticator is told."""
        import httpx  # Only who has providers needs it: see `providers.prepare`.

        waiting = self.under_way.get(url)
        if waiting is not None:
            await waiting.wait()
            return
        done = self.under_way[url] = trio.Event()
        problem = f"it did not answer within {FETCH_S_MAX:.0f} s"
        try:
            # Not for whoever asks to cut short: others wait for it, and there is no second one for a while.
            with trio.move_on_after(FETCH_S_MAX, shield=True):
                try:
                    text = await download(url)
                except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                    problem = str(error) or type(error).__name__
                else:
                    self.authenticator.learn(url, text)
                    return
            self.authenticator.failed(url, problem)
        finally:
            del self.under_way[url]
            done.set()


async def download(url: str) -> bytes:
    """What is there.  Raises httpx.HTTPError, and ValueError if it is too much or not there."""
    import httpx

    text = b""
    async with httpx.AsyncClient(timeout=FETCH_S_MAX) as client, client.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise ValueError(f"it answered with status {response.status_code}")
        async for piece in response.aiter_bytes():
            text += piece
            if len(text) > DOCUMENT_BYTES_MAX:
                raise ValueError(f"what is there has more than {DOCUMENT_BYTES_MAX:,} bytes")
    return text
