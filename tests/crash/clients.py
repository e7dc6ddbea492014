"""Clients of one server that is killed under them: each asks and asks, and keeps in mind what it was told."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import suppress
from random import Random
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import trio
from attrs import Factory, define
from trio_websocket import wrap_client_stream

from .record import Cancelled, Record, Uploaded

HOST = "127.0.0.1"
ANSWER_S_MAX = 30.0
PAUSE_S_MAX = 0.01
PLACED_FROM = 1_000_000
"""Numbers of durable actions that clients begin; those of orders are smaller."""
STEPS = 2
STORED_FROM = 2_000_000
"""Numbers of files that clients upload; actions store those of orders."""
FILE_BYTES = (0, 100, 60_000, 1_500_000)
STAY_S_MAX = 0.2
CONNECT = {"type": "Connect", "connectionCount": 0, "lastCloseReason": None}
EMPTY_SET = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": []}


@define(eq=False)
class Clients:
    """While ``listening`` is set there is a server; a request that it does not answer may have happened or not."""

    port: int
    seed: int
    record: Record = Factory(Record)
    listening: threading.Event = Factory(threading.Event)
    stopped: threading.Event = Factory(threading.Event)
    threads: list[threading.Thread] = Factory(list[threading.Thread])

    def start(self) -> None:
        for number, work in enumerate((self.order, self.place, self.visit, self.store)):
            thread = threading.Thread(target=self.go_on, args=(work, Random(self.seed * 10 + number)), daemon=True)
            self.threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self.stopped.set()
        self.listening.set()
        for thread in self.threads:
            thread.join()

    def go_on(self, work: Any, draw: Random) -> None:
        number = 0
        while not self.stopped.is_set():
            if self.listening.wait(0.1):
                work(number, draw)
                number += 1
                self.stopped.wait(draw.random() * PAUSE_S_MAX)

    def order(self, number: int, draw: Random) -> None:
        self.record.ordered[number] = False
        steps = STEPS if draw.random() < 0.3 else 0
        answer = self.ask("mutation", "main:order", number=number, seconds=draw.random() * 0.3, steps=steps)
        self.record.ordered[number] = answer is not None
        if draw.random() < 0.4:
            chosen, job = draw.randint(max(0, number - 5), number), draw.choice(("first", "doomed", "outside"))
            answer = self.ask("mutation", "main:cancel", number=chosen, job=job)
            if answer is not None and answer["value"] is not None:
                self.record.cancelled.append(Cancelled(chosen, job, answer["value"]))

    def place(self, number: int, draw: Random) -> None:
        answer = self.ask("action", "main:place", number=PLACED_FROM + number, steps=STEPS)
        if answer is not None:
            self.record.placed[PLACED_FROM + number] = answer["value"]

    def store(self, number: int, draw: Random) -> None:
        """Upload a file, look whether an older one is as it was, perhaps delete one."""
        number += STORED_FROM
        data = draw.randbytes(draw.choice(FILE_BYTES))
        address = self.ask("mutation", "main:where_to_upload")
        stored = self.upload(address["value"], data) if address is not None else None
        if stored is not None:
            self.record.uploaded[number] = Uploaded(stored, data)
            attached = self.ask("mutation", "main:attach", number=number, file=stored)
            self.record.uploaded[number].attached = attached is not None
        known = self.known()
        if known:
            self.look(draw.choice(known))
            if draw.random() < 0.5:
                self.drop(draw.choice(known))

    def known(self) -> list[int]:
        """Files that must be there."""
        return [number for number, each in self.record.uploaded.items() if each.attached and not each.dropping]

    def drop_some(self) -> None:
        """While the server goes on: after a start the bytes of deleted files are looked for in another way."""
        for number in self.known()[::2]:
            self.drop(number)

    def upload(self, address: str, data: bytes) -> str | None:
        """In two halves; the id of the file, None if the server was killed before it said so."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_S_MAX)
        parts = urlsplit(address)
        try:
            connection.putrequest("POST", f"{parts.path}?{parts.query}")
            connection.putheader("content-length", str(len(data)))
            connection.endheaders()
            connection.send(data[: len(data) // 2])
            self.record.half_uploaded()
            connection.send(data[len(data) // 2 :])
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        if response.status != 200:
            self.record.problems.append(f"upload of {len(data)} bytes: {response.status} {answer}")
            return None
        self.record.answered()
        return str(answer["storageId"])

    def look(self, number: int) -> None:
        address = self.ask("query", "main:address", number=number)
        if address is None:
            return
        if address["value"] is None:
            self.record.problems.append(f"file {number} has no address any more")
            return
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_S_MAX)
        try:
            connection.request("GET", urlsplit(address["value"]).path)
            response = connection.getresponse()
            found = response.read()
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()
        if response.status != 200 or found != self.record.uploaded[number].data:
            problem = f"{response.status}, {len(found)} bytes, or others than were sent"
            self.record.problems.append(f"file {number}: {problem}")

    def drop(self, number: int) -> None:
        uploaded = self.record.uploaded[number]
        uploaded.dropping = True
        uploaded.dropped = self.ask("mutation", "main:drop", number=number) is not None

    def visit(self, number: int, draw: Random) -> None:
        session = str(UUID(int=number + 1))
        self.record.visited[session] = False
        with suppress(OSError, ExceptionGroup):
            trio.run(self.stay, session, draw.random() * STAY_S_MAX)

    async def stay(self, session: str, seconds: float) -> None:
        """Over a websocket, and go without a word."""
        with trio.move_on_after(ANSWER_S_MAX):
            async with await trio.open_tcp_stream(HOST, self.port) as stream, trio.open_nursery() as nursery:
                socket = await wrap_client_stream(nursery, stream, HOST, "/api/1.48.0/sync")
                await socket.send_message(json.dumps(CONNECT | {"sessionId": session}))
                await socket.send_message(json.dumps(EMPTY_SET))
                await socket.get_message()
                self.record.visited[session] = True
                self.record.answered()
                await trio.sleep(seconds)
                nursery.cancel_scope.cancel()

    def ask(self, kind: str, path: str, **args: Any) -> Any:
        """What the server answers; None if it was killed before it did."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_S_MAX)
        try:
            body = json.dumps({"path": path, "args": args, "format": "json"})
            connection.request("POST", f"/api/{kind}", body, {"content-type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        except TimeoutError:
            self.record.problems.append(f"{path} {args} was not answered within {ANSWER_S_MAX:.0f} s")
            return None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        if answer.get("status") != "success":
            self.record.problems.append(f"{path} {args}: {answer}")
            return None
        self.record.answered()
        return answer
