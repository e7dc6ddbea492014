"""One server that is killed again and again, its clients, its disk, and the world outside."""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import IO, Any, Literal

from attrs import define, field

from ..ports import HOST, free_port
from .clients import ANSWER_S_MAX, Clients
from .disk import Disk

FOLDER = Path(__file__).parent
START_S_MAX = 60.0
SETTLE_S_MAX = 60.0
STOP_S_MAX = 20.0
SYNC_S = (0.0, 0.02)
"""How long a disk takes: a slow one leaves more that is not confirmed."""
CRONS = ("main:tick", "main:slow")
Moment = Literal["start", "listening", "load", "answer", "upload"]
MOMENTS: dict[Moment, float] = {"start": 0.25, "listening": 0.1, "load": 0.2, "answer": 0.3, "upload": 0.15}
"""How likely a kill comes while the server starts, as soon as it listens, while it works, just after an answer,
in the middle of an upload."""


@define(eq=False)
class World:
    folder: Path
    seed: int
    draw: Random = field(init=False)
    clients: Clients = field(init=False)
    disk: Disk = field(init=False)
    process: subprocess.Popen[str] | None = None
    start_s: float = 1.0
    """How long the last whole start took."""
    versions: int = 0
    kills: list[str] = field(factory=list)
    """Each of them, in words."""

    def __attrs_post_init__(self) -> None:
        self.draw = Random(self.seed)
        self.clients = Clients(free_port(), self.seed)
        self.disk = Disk(self.folder / "data", self.folder / "synced")
        self.outside.mkdir()
        shutil.copytree(FOLDER / "app", self.folder / "app", ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def outside(self) -> Path:
        return self.folder / "outside"

    @property
    def files(self) -> Path:
        return self.folder / "data" / "files"

    @property
    def errors(self) -> Path:
        return self.folder / "stderr"

    def live(self, rounds: int) -> dict[str, Any]:
        """So many kills, then a last start; what it says is stored, once all that was begun has ended."""
        self.clients.start()
        try:
            for _ in range(rounds):
                self.round()
            self.clients.stop()
            self.start()
            self.wait_listening(START_S_MAX)
            started_ms = time.time() * 1000
            self.settle(started_ms)
            self.clients.drop_some()
            stored = self.settle(started_ms)
            self.end(signal.SIGTERM)
        finally:
            self.end(signal.SIGKILL)
            self.clients.stop()
        return stored

    def round(self) -> None:
        if self.draw.random() < 0.1:
            self.deploy()
        (moment,) = self.draw.choices(tuple(MOMENTS), tuple(MOMENTS.values()))
        power = self.draw.random() < 0.5
        self.start()
        if moment == "start":
            self.wait_listening(self.draw.random() * self.start_s, needed=False)
        else:
            self.wait_listening(START_S_MAX)
        if moment == "load":
            time.sleep(self.draw.random() * 0.4)
        elif moment == "answer":
            self.clients.record.wait_answers(self.draw.randint(1, 30), 2.0)
        elif moment == "upload":
            self.clients.record.wait_upload(2.0)
            time.sleep(self.draw.random() * 0.02)
        self.end(signal.SIGKILL)
        self.kills.append(f"{moment}{' and power' if power else ''}")
        if power:
            self.disk.cut(self.draw)

    def deploy(self) -> None:
        """The next start has other code: the crons' arguments are others, their times are not."""
        self.versions += 1
        (self.folder / "app" / "version.py").write_text(f'"""Another version."""\n\nVERSION = {self.versions}\n')

    # The process.

    def start(self) -> None:
        assert self.process is None
        environment = {"CRASH_OUTSIDE": str(self.outside), "CRASH_SYNCED": str(self.disk.record)}
        environment["CRASH_SYNC_S"] = str(self.draw.choice(SYNC_S))
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(FOLDER / "witness"), os.environ.get("PYTHONPATH")))
        )
        command = [sys.executable, "-m", "relive", "serve", "app", "--data", "data", "--port", str(self.clients.port)]
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=os.environ | environment, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def wait_listening(self, seconds: float, *, needed: bool = True) -> None:
        """Until the server takes requests, or the time is over."""
        begun = time.monotonic()
        ready, _, _ = select.select([self.output], [], [], seconds)
        if ready and self.output.readline():
            self.start_s = time.monotonic() - begun
            self.clients.listening.set()
        elif ready or needed:
            raise AssertionError(f"the server does not start: {self.process and self.process.poll()}\n{self.said()}")

    @property
    def output(self) -> IO[str]:
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout

    def end(self, number: signal.Signals) -> None:
        """Raises AssertionError if the server has ended before, or not as it should."""
        if self.process is None:
            return
        process, self.process = self.process, None
        self.clients.listening.clear()
        process.send_signal(number)
        code = process.wait(STOP_S_MAX)
        if process.stdout is not None:
            process.stdout.close()
        assert code == (0 if number is signal.SIGTERM else -number), f"ended with {code}\n{self.said()}"

    def said(self) -> str:
        return "\n".join(self.errors.read_text().splitlines()[-20:])

    # What it says of itself.

    def settle(self, started_ms: float) -> dict[str, Any]:
        """Wait for the end of all that has begun, and for crons to go on."""
        deadline = time.monotonic() + SETTLE_S_MAX
        while left := self.unfinished(started_ms):
            assert time.monotonic() < deadline, f"these never end: {left[:5]}\n{self.said()}"
            time.sleep(0.1)
        stored: dict[str, Any] = self.query("main:documents")
        return stored

    def unfinished(self, started_ms: float) -> list[Any]:
        jobs = self.get("GET", "/api/relive/jobs")["jobs"]
        actions = self.get("GET", "/api/relive/actions")["actions"]
        crons = self.get("GET", "/api/relive/crons")["crons"]
        return [
            *(job for job in jobs if job["state"]["kind"] in ("pending", "inProgress") and job["name"] not in CRONS),
            *(action for action in actions if action["state"] in ("running", "waiting")),
            *(cron for cron in crons if cron["nextRun"] < started_ms),
            *self.query("main:present"),
            *self.unlike_rows(),
        ]

    def unlike_rows(self) -> list[str]:
        """Every row has its bytes, and sooner or later no bytes are without a row."""
        there, rows = len(list(self.files.glob("*"))), self.query("main:files")
        return [f"bytes of {there} files, and {rows} rows"] if there != rows else []

    def query(self, path: str) -> Any:
        return self.get("POST", "/api/query", {"path": path, "args": {}})["value"]

    def get(self, method: str, path: str, body: object = None) -> Any:
        """As the administrator."""
        key = (self.folder / "data" / "local_key").read_text().strip()
        connection = http.client.HTTPConnection(HOST, self.clients.port, timeout=ANSWER_S_MAX)
        headers = {"authorization": f"Convex {key}", "content-type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
