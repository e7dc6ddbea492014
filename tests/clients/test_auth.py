"""People who sign in at a real OpenID Connect provider, with the unmodified clients."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from joserfc.jwk import RSAKey

from ..ports import free_port
from .script import run_script
from .server import Server

FOLDER = Path(__file__).parent
KEYS = ("first", "second", "only")
"""Ids of the keys that the provider signs with."""


@frozen
class Signing:
    """A server whose app trusts the provider that a script will be."""

    server: Server
    issuer_port: int
    node: str

    def run(self, name: str, steps: Mapping[str, Callable[[], None]] | None = None) -> Any:
        keys = [
            RSAKey.generate_key(2048, {"kid": kid, "alg": "RS256", "use": "sig"}).as_dict(private=True) for kid in KEYS
        ]
        environment = {"RELIVE_ISSUER_PORT": str(self.issuer_port), "RELIVE_SIGNING_KEYS": json.dumps(keys)}
        return run_script([self.node, f"{name}.mjs"], self.server, steps, FOLDER / "node", environment)

    def log(self, *words: str) -> str:
        """What ``relive log`` says of the server's log."""
        command = [sys.executable, "-m", "relive", "log", *words, "--data", str(self.server.data)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def start(folder: Path, node: str, provider: str, port: int) -> Signing:
    app = folder / "auth_app"
    shutil.copytree(FOLDER / "auth_app", app, ignore=shutil.ignore_patterns("__pycache__"))
    (app / "auth_config.py").write_text(f"from relive import CustomJwt, OidcProvider\n\nproviders = [{provider}]\n")
    server = Server(app, folder / "data")
    server.start()
    return Signing(server, port, node)


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory, node: str) -> Iterator[Signing]:
    port = free_port()
    provider = f'OidcProvider("http://127.0.0.1:{port}", "relive-tests")'
    signing = start(tmp_path_factory.mktemp("signing"), node, provider, port)
    yield signing
    signing.server.stop()


@pytest.fixture(scope="module")
def found(signing: Signing) -> Any:
    """What people saw who signed in, wrote, and signed out."""
    return signing.run("auth")


def test_functions_know_who_signed_in(found: Any) -> None:
    issuer = found["issuer"]
    assert found["anonymous"] is None
    assert found["owner"] == f"{issuer}|ada"
    assert found["who"] == {
        "tokenIdentifier": f"{issuer}|ada",
        "issuer": issuer,
        "subject": "ada",
        "name": "ada of tests",
        "givenName": "ada",
        "org.id": "o1",
    }
    assert found["bobsWho"] == "bob"
    assert found["counts"] == [1, 1]


def test_everybody_is_shown_what_is_theirs_and_nothing_else(found: Any) -> None:
    assert found["adas"] == ["sign in first", [], ["of ada"], "sign in first"]
    assert found["bobs"] == ["sign in first", [], ["of bob"]]


def test_whoever_proves_nothing_is_nobody(found: Any) -> None:
    assert found["without"] == "sign in first"
    forged = json.loads(found["forged"])
    assert (forged["code"], forged["message"]) == ("InvalidAuthHeader", "the token's signature is not valid")


def test_the_client_confirms_refreshes_and_forgets_its_token(found: Any) -> None:
    adas, bobs, carols = found["changes"]
    assert set(adas) == set(bobs) == set(carols) == {True}
    # The token that was held, and right after it was confirmed a fresh one.
    assert found["asked"][:2] == [False, True]


def test_an_entry_keeps_the_identity_that_was_looked_at_and_comes_out_the_same_again(
    signing: Signing, found: Any
) -> None:
    entries = [json.loads(line) for line in signing.log("show", "--json").splitlines()]
    added = [entry["identity"] for entry in entries if entry["function"] == "notes:add"]
    again = json.loads(signing.log("verify", "--replay", "--json").splitlines()[-1])["replay"]

    assert [identity["subject"] for identity in added] == ["ada", "bob"]
    assert (again["checked"], again["different"], again["unverifiable"]) == (2, 0, {})


def test_a_token_is_replaced_when_refused_refreshed_before_it_ends_and_kept_over_restarts(
    tmp_path: Path, node: str
) -> None:
    port = free_port()
    signing = start(tmp_path, node, f'OidcProvider("http://127.0.0.1:{port}", "relive-tests")', port)

    def restart() -> None:
        signing.server.kill()
        signing.server.restart()

    found = signing.run("auth_life", {"kill the server and start it again": restart})
    signing.server.stop()
    assert set(found["who"]) == {"ada"}
    assert found["changes"][0] is True
    # What was held was refused, so a fresh one was asked for.
    assert found["afterRefusal"][:2] == [False, True]
    assert found["mine"] == ["before", "after"]
    assert found["still"] == "ada"
    shown = [state for earlier, state in pairwise([None, *found["states"]]) if state != earlier]
    assert shown[0] == [True, False, "..."]
    assert [False, True, "bob"] in shown
    assert all(who in ("...", "bob") for _, _, who in shown), "somebody else's"
