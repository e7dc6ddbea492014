"""`relive serve` and what is done to a running server, as real processes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from attrs import frozen
from relive.engine.data_folder import LOCAL_KEY, DataFolder
from relive.engine.server.listener import Server

from relive.cli import serving

from ..ports import free_port
from .conftest import COMMAND, Relive, Running, Serve, Start, begin, make_app

SEGMENT = f"{1:020}.log"
FILES_MAX = 256


@frozen
class Shared:
    """A server that tests use and leave as it was."""

    url: str
    data: Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder, port = tmp_path_factory.mktemp("shared"), free_port()
    running = begin(folder, "serve", make_app(folder / "notes_app"), "--port", str(port))
    running.wait(lambda: bool(running.out))
    yield Shared(f"http://127.0.0.1:{port}", folder / ".relive")
    running.kill()


def test_one_line_says_where_the_app_is_served(app: Path, serve: Serve, port: int) -> None:
    running = serve(app)

    assert running.end() == 0
    assert running.out == [f"relive: notes_app is served at http://127.0.0.1:{port} (data in .relive)"]
    assert running.err == ["relive: SIGTERM: stopping; once more stops at once"]


def test_with_json_the_line_is_json_and_holds_no_secret(app: Path, serve: Serve, port: int) -> None:
    running = serve(app, "--json", "--data", "data")

    assert running.end(signal.SIGINT) == 0
    said = json.loads(running.out[0])
    assert said.pop("instanceName").startswith("relive-")
    assert said.pop("siteUrl") in (None, f"http://127.0.0.1:{port + 1}")
    assert said == {"url": f"http://127.0.0.1:{port}", "app": "notes_app", "data": "data"}


def test_functions_of_a_running_server_are_called(shared: Shared, relive: Relive) -> None:
    data = ("--data", shared.data)
    added = relive("run", "notes:add", '{"text": "one"}', *data)
    assert (added.returncode, len(added.stdout.strip('"\n')), added.stderr) == (0, 32, "[LOG] 'adding one'\n")
    assert relive("run", "notes:all", *data).stdout == '["one"]\n'
    answer = json.loads(relive("run", "notes:add", '{"text": "two"}', "--json", *data).stdout)
    assert (answer["status"], answer["logLines"]) == ("success", ["[LOG] 'adding two'"])

    failed = relive("run", "notes:add", '{"text": ""}', *data)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "relive: notes:add failed:" in failed.stderr
    failed_json = relive("run", "notes:add", '{"text": ""}', "--json", *data)
    assert failed_json.returncode == 1
    assert json.loads(failed_json.stdout)["errorData"] == {"code": "empty"}
    assert relive("run", "notes:clear", *data).stdout == "2\n"


def test_internal_functions_need_the_admin_key(shared: Shared, relive: Relive) -> None:
    data, url = ("--data", shared.data), ("--url", shared.url)
    assert relive("run", "notes:secret", *data).stdout == '"internal"\n'
    stranger = relive("run", "notes:secret", *url)
    assert (stranger.returncode, "internal" in stranger.stdout) == (1, False)
    assert relive("run", "notes:all", *url).stdout == "[]\n"
    assert relive("run", "notes:clear", *url).stdout == "0\n"

    key = relive("admin-key", "new", *data).stdout.strip()
    call = {"path": "notes:secret", "args": {}}
    headers = {"Authorization": f"Convex {key}"}
    answer = httpx.post(f"{shared.url}/api/function", json=call, headers=headers, trust_env=False)
    assert answer.json()["value"] == "internal"


def test_the_key_of_another_folder_is_refused(shared: Shared, relive: Relive, tmp_path: Path) -> None:
    other = DataFolder.open(tmp_path / ".relive")
    (other.folder / LOCAL_KEY).write_text(other.new_local_key().key)
    url = ("--url", shared.url)

    # A server that is named by its URL alone is not shown the key that happens to be here.
    assert relive("run", "notes:all", *url).stdout == "[]\n"
    wrong = relive("run", "notes:all", *url, "--data", ".relive")
    assert (wrong.returncode, "BadDeployKey" in wrong.stderr) == (1, True)
    wrong = relive("run", "notes:all", *url, "--data", ".relive", "--watch")
    assert (wrong.returncode, "the admin key is wrong" in wrong.stderr) == (1, True)


def test_the_data_folder_and_the_port_have_one_server(
    app: Path, serve: Serve, relive_process: Relive, port: int
) -> None:
    serve(app)

    same_data = relive_process("serve", app, "--port", "0")
    assert same_data.returncode == 3
    assert ".relive/log is in use by process" in same_data.stderr
    same_port = relive_process("serve", app, "--port", str(port), "--data", "other")
    assert same_port.returncode == 3
    assert f"cannot serve at 127.0.0.1 port {port}: Address already in use" in same_port.stderr
    assert not (app.parent / "other" / "log").exists()
    assert same_data.stdout == same_port.stdout == ""


def test_what_was_acknowledged_survives_a_kill(app: Path, serve: Serve, relive: Relive) -> None:
    first = serve(app)
    relive("run", "notes:add", '{"text": "kept"}')
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    unreachable = relive("run", "notes:all")
    assert unreachable.returncode == 1
    assert "start one with `relive serve APP`" in unreachable.stderr

    serve(app)

    assert relive("run", "notes:all").stdout == '["kept"]\n'


async def test_the_key_of_this_machine_is_there_before_anybody_can_connect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = DataFolder.open(tmp_path / "data"), list[str | None]()

    async def listen(*_: object) -> None:
        found.append(folder.local_key)

    monkeypatch.setattr(Server, "serve", listen)
    database = serving.open_database(folder, None, serving.store_of(None, folder))
    await serving.serve(serving.Options(None, "127.0.0.1", 1, False, False, True), folder, database, None, None)
    database.log.close()

    assert found != [None]
    assert folder.local_key is None


def test_a_broken_app_is_refused(app: Path, relive_process: Relive) -> None:
    (app / "broken.py").write_text("import nothing_of_that_name\n")

    refused = relive_process("serve", app, "--port", "0")

    assert (refused.returncode, refused.stdout) == (4, "")
    assert refused.stderr.startswith(f'relive: File "{app}/broken.py", line 1')
    assert "Traceback" not in refused.stderr
    assert "Traceback" in relive_process("serve", app, "--port", "0", "--traceback").stderr


def test_a_schema_that_does_not_fit_is_refused(app: Path, serve: Serve, relive: Relive, relive_process: Relive) -> None:
    running = serve(app)
    relive("run", "notes:add", '{"text": "one"}')
    running.end()
    schema = (app / "schema.py").read_text()
    (app / "schema.py").write_text(schema.replace("text: str", "text: int"))

    refused = relive_process("serve", app, "--port", "0")

    assert (refused.returncode, refused.stdout) == (4, "")
    assert "1 stored document(s) do not fit the schema" in refused.stderr
    assert "Expected `int`, got `str` (at $.text)" in refused.stderr


def test_a_damaged_log_is_refused_and_found(app: Path, serve: Serve, relive: Relive, relive_process: Relive) -> None:
    running = serve(app)
    relive("run", "notes:add", '{"text": "one"}')
    running.end()
    path = app.parent / ".relive" / "log" / SEGMENT
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)

    refused = relive_process("serve", app, "--port", "0")
    assert (refused.returncode, refused.stdout) == (5, "")
    assert f"the log is damaged in .relive/log/{SEGMENT} at byte 72" in refused.stderr
    assert "restore this file from a backup" in refused.stderr

    found = relive_process("log", "verify")
    assert (found.returncode, found.stdout) == (1, "")
    assert f".relive/log/{SEGMENT} at byte 72" in found.stderr
    as_json = relive("log", "verify", "--json")
    assert as_json.returncode == 1
    said = json.loads(as_json.stdout)
    assert (said["ok"], said["offset"], said["lsn"]) == (False, 72, 1)
    assert "relive log verify" in relive("log", "show").stderr
    assert path.read_bytes() == data


def test_a_log_that_has_become_shorter_is_refused(
    app: Path, serve: Serve, relive: Relive, relive_process: Relive
) -> None:
    running = serve(app)
    relive("run", "notes:add", '{"text": "kept"}')
    running.end()
    (app.parent / ".relive" / "log" / SEGMENT).unlink()

    refused = relive_process("serve", app, "--port", "0")
    assert refused.returncode == 5
    assert "ends at entry 0, but entry 2 was durable" in refused.stderr
    assert "Restore them from a backup" in refused.stderr


def test_clients_that_hold_all_the_connections_they_can_leave_the_log_what_it_needs(
    app: Path, tmp_path: Path, port: int
) -> None:
    command = [
        "sh",
        "-c",
        f'ulimit -n {FILES_MAX} && exec "$@"',
        "sh",
        *COMMAND,
        "serve",
        str(app),
        "--port",
        str(port),
    ]
    running = Running(
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    )
    add = {"path": "notes:add", "args": {"text": "x" * 900_000}}
    try:
        running.wait(lambda: bool(running.out))
        with ExitStack() as stack, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            client.get("/version").raise_for_status()
            for _ in range(FILES_MAX):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for _ in range(12):  # More than one segment holds.
                assert client.post("/api/mutation", json=add).json()["status"] == "success"
        assert len(list((tmp_path / ".relive" / "log").glob("*.log"))) > 1
        assert f"{FILES_MAX // 2} clients at most" in "\n".join(running.err)
        assert "Too many open files" not in "\n".join(running.err)
    finally:
        running.kill()


def test_a_second_signal_ends_a_stuck_server(app: Path, serve: Serve, start: Start, port: int) -> None:
    running = serve(app, "--debug")
    start("run", "notes:spin")
    running.wait(lambda: is_stuck(f"http://127.0.0.1:{port}"))
    running.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert running.process.poll() is None

    assert running.end(signal.SIGTERM) == -signal.SIGTERM


def is_stuck(url: str) -> bool:
    try:
        httpx.get(f"{url}/version", timeout=0.5, trust_env=False)
    except httpx.TimeoutException:
        return True
    return False


def test_functions_are_limited_unless_debugged(shared: Shared, relive: Relive) -> None:
    stopped = relive("run", "notes:spin", "--data", shared.data)

    assert stopped.returncode == 1
    assert "used more than 1 s of CPU" in stopped.stderr
    assert relive("run", "notes:all", "--data", shared.data).stdout == "[]\n"


def test_functions_always_run_with_the_hash_seed_of_the_data(app: Path, serve: Serve, relive: Relive) -> None:
    (app / "seeds.py").write_text(
        "from relive import QueryCtx, query\n\n@query\nasync def order(ctx: QueryCtx) -> list[str]:\n"
        "    return list({str(number) for number in range(50)})\n"
    )
    orders = set()
    for _ in range(2):
        running = serve(app)
        orders.add(relive("run", "seeds:order").stdout)
        running.end()

    assert len(orders) == 1


def test_a_live_query_is_followed_through_a_restart(app: Path, serve: Serve, relive: Relive, start: Start) -> None:
    server = serve(app)
    watching = start("run", "notes:all", "--watch", "--json")
    watching.wait(lambda: len(watching.out) == 1)
    relive("run", "notes:add", '{"text": "one"}')
    watching.wait(lambda: len(watching.out) == 2)
    server.end(signal.SIGKILL)
    watching.wait_remark("was lost")

    serve(app)
    watching.wait_remark("again")
    relive("run", "notes:add", '{"text": "two"}')
    watching.wait(lambda: "two" in watching.out[-1])

    assert watching.end(signal.SIGINT) == 0
    values = [json.loads(line)["value"] for line in watching.out]
    assert [values[0], values[1], values[-1]] == [[], ["one"], ["one", "two"]]


def test_a_query_that_fails_is_followed_too(shared: Shared, start: Start) -> None:
    watching = start("run", "notes:absent", "--watch", "--data", shared.data)

    watching.wait_remark("Could not find public function for 'notes:absent'")
    assert watching.end() == 0


def test_there_must_be_a_server_to_follow(relive: Relive) -> None:
    refused = relive("run", "notes:all", "--watch", "--url", "http://127.0.0.1:1")

    assert refused.returncode == 1
    assert "no relive server answers at http://127.0.0.1:1" in refused.stderr


def test_another_kind_of_server_is_not_mistaken_for_ours(relive: Relive) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        thread = Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{other.server_port}"
        followed = relive("run", "notes:all", "--watch", "--url", url)
        called = relive("run", "notes:all", "--url", url)
        other.shutdown()
        thread.join()

    assert (followed.returncode, called.returncode) == (1, 1)
    assert f"no relive server answers at {url} (HTTP 404)" in followed.stderr
    assert "it does not seem to be a relive server (HTTP 501)" in called.stderr
