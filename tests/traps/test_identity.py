"""Who is asking: what a token proves, for how long, and what a function may see of it."""

from __future__ import annotations

import pytest
from relive.protocol.close import ErrorClass, Refused

from relive.testing import TestApp

from ..authentication.issuer import ISSUER, NOW_S, token
from ..authentication.test_connection import SOURCE, Peer


def test_a_person_is_known_by_issuer_and_subject_together() -> None:
    """Two issuers may call different people by the same subject."""
    with TestApp(SOURCE) as app:
        app.sign_in(subject="ada", issuer="https://one.example")
        first = app.query("notes:who")
        identifiers = {
            app.sign_in(subject="ada", issuer=issuer).token_identifier for issuer in ("https://one.example", ISSUER)
        }

        assert (first, len(identifiers)) == ("ada", 2)


def test_claims_that_differ_from_token_to_token_are_not_seen_so_a_refresh_drops_no_result() -> None:
    """Every refresh would run every query again, and keep no result for the next one who asks."""
    with TestApp(SOURCE) as app:
        peer = Peer(app)
        peer.authenticate(token(iat=NOW_S - 9, jti="1", nonce="a", auth_time=NOW_S - 9))
        peer.watch("notes:who")
        assert peer.results() == {0: "ada"}
        ran = peer.connection.live.evaluations

        peer.authenticate(token(iat=NOW_S - 1, exp=NOW_S + 900, jti="2", nonce="b", auth_time=NOW_S - 1))
        assert (peer.results(), peer.connection.live.evaluations) == ({}, ran)
        assert peer.connection.identity is not None
        assert not {"iat", "exp", "nbf", "jti", "nonce", "auth_time"} & set(peer.connection.identity)


def test_a_token_that_expires_during_a_session_stops_what_would_run_after_that() -> None:
    """It is looked at when a connection begins, and the connection lasts for days."""
    with TestApp(SOURCE) as app:
        peer = Peer(app)
        peer.authenticate(token(exp=NOW_S + 60))
        peer.watch("notes:who")
        peer.clock.pass_s(66)

        with pytest.raises(Refused) as caught:
            peer.say("Mutation", requestId=0, udfPath="notes:sign", args=[{}])
        assert caught.value.kind is ErrorClass.UNAUTHENTICATED
        assert app.documents("notes") == []


def test_an_identity_is_not_carried_over_to_somebody_elses_call() -> None:
    """What was found for one person is kept, and given to whoever asks next."""
    with TestApp(SOURCE) as app:
        app.sign_in(subject="ada")
        app.mutation("notes:sign")
        app.sign_out()

        assert app.query("notes:who") is None
