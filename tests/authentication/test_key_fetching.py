"""Keys fetched over real connections from providers that are away, hostile or broken: said why, never raised."""

from __future__ import annotations

import gzip
from functools import partial

import pytest
import trio
import trio.testing
from relive.engine.authentication.authenticator import Authenticator
from relive.engine.server import key_fetching
from relive.engine.server.key_fetching import DOCUMENT_BYTES_MAX, KeyFetching
from relive.protocol import json

# What httpx reads an answer with is left to the garbage collector if the answer is not read to its end.
pytestmark = pytest.mark.filterwarnings("ignore:.*[Aa]sync.generator:pytest.PytestUnraisableExceptionWarning")

OK = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(b" " * 20 * DOCUMENT_BYTES_MAX)
TOO_MUCH = "more than 1,048,576 bytes"


def answer(head: bytes, body: bytes) -> bytes:
    return OK + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def fetched(sent: bytes, *, hangs: bool = False) -> dict[str, str]:
    """Why nothing was learnt from a provider that sends this."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        try:
            await stream.send_all(sent)
        except trio.BrokenResourceError:
            return  # It has heard enough.
        if hangs:
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        judge = Authenticator(tuple, lambda: 0.0, lambda: 0.0)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/keys"
        with trio.fail_after(5):
            await KeyFetching(judge).fetch(url)
        nursery.cancel_scope.cancel()
    assert judge.key_sets.fetched == {}
    return {url.rpartition("/")[2]: problem for url, problem in judge.key_sets.problems.items()}


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/keys\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (answer(b"", b" " * (DOCUMENT_BYTES_MAX + 1)), TOO_MUCH),
        (answer(b"Content-Encoding: gzip\r\n", BOMB), TOO_MUCH),
        (answer(b"Content-Encoding: gzip\r\n", b"no gzip"), "decompressing"),
        (OK + b"Content-Length: 10\r\n\r\nabc", "incomplete|without sending complete"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk"),
        (b"SSH-2.0-OpenSSH\r\n", "status line|disconnected"),
        (b"", "disconnected"),
        (answer(b"", b"[" * 100_000), "nested"),
        (answer(b"", b"<html>"), "no JSON"),
    ],
)
async def test_what_is_no_key_set_is_told_and_nothing_is_learnt(sent: bytes, says: str) -> None:
    (problem,) = (await fetched(sent)).values()

    assert any(each in problem for each in says.split("|"))


async def test_a_provider_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_fetching, "FETCH_S_MAX", 0.1)

    assert "did not answer" in (await fetched(OK + b"Content-Length: 9\r\n\r\n", hangs=True))["keys"]


async def test_who_asks_first_and_goes_does_not_take_the_keys_from_those_who_wait() -> None:
    asked, go_on = trio.Event(), trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        asked.set()
        await go_on.wait()
        await stream.send_all(answer(b"", json.dump({"keys": []})))

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        judge = Authenticator(tuple, lambda: 0.0, lambda: 0.0)
        fetching = KeyFetching(judge)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/keys"
        with trio.fail_after(5):
            async with trio.open_nursery() as askers:

                async def ask_and_go() -> None:
                    with trio.CancelScope() as scope:
                        leave.append(scope)
                        await fetching.fetch(url)

                leave: list[trio.CancelScope] = []
                askers.start_soon(ask_and_go)
                await asked.wait()
                askers.start_soon(fetching.fetch, url)
                leave[0].cancel()
                await trio.testing.wait_all_tasks_blocked()
                go_on.set()
        nursery.cancel_scope.cancel()

    assert judge.key_sets.fetched[url].document == ()
    assert judge.key_sets.problems == {}
