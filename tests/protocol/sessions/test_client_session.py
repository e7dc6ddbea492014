"""The client's half: what it says when, and what it refuses."""

from __future__ import annotations

import pytest
from relive.protocol.chunks import split
from relive.protocol.client_session import (
    ActionDone,
    Changed,
    ClientSession,
    Fact,
    IdentityConfirmed,
    IdentityRefused,
    MutationDone,
    Terminated,
)
from relive.protocol.errors import ProtocolError
from relive.protocol.messages import (
    INITIAL_VERSION,
    Action,
    ActionResponse,
    Add,
    Authenticate,
    AuthError,
    Connect,
    FatalError,
    Modification,
    ModifyQuerySet,
    Mutation,
    MutationResponse,
    NoToken,
    Ping,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    Remove,
    ServerMessage,
    StateVersion,
    Transition,
    UserToken,
)
from relive.protocol.results import ActionSuccess, FunctionFailure, MutationSuccess
from relive.protocol.wire import encode_server

SESSION = bytes(range(16))
DONE = MutationSuccess(b"null", 20, ())
FAILURE = FunctionFailure("no", None, ())


def opened() -> ClientSession:
    client = ClientSession(SESSION)
    client.opened()
    client.outgoing()
    return client


def transition(client: ClientSession, ts: int, *modifications: Modification, identity: int | None = None) -> Transition:
    """The next Transition in the chain, caught up with all that the client asked for."""
    end = StateVersion(client.query_set_version, client.identity_version if identity is None else identity, ts)
    return Transition(client.version, end, modifications, None, None)


def refused(client: ClientSession, message: ServerMessage) -> str:
    with pytest.raises(ProtocolError) as caught:
        client.receive(message)
    return caught.value.code


def reopened(client: ClientSession) -> tuple[Fact, ...]:
    facts = client.lost()
    client.opened("InternalServerError", client_ts=5)
    return facts


def test_the_first_socket_begins_with_connect_and_the_query_set() -> None:
    client = ClientSession(SESSION)
    client.subscribe("m:list", {"a": 1.0})
    client.mutate("m:send", {}, component_path="a")
    client.opened()

    assert client.outgoing() == (
        Connect(SESSION, 0, "InitialConnect", None, None),
        ModifyQuerySet(0, 1, (Add(0, "m:list", [{"a": 1.0}], "", None),)),
        Mutation(0, "m:send", [{}], "a"),
    )
    assert client.outgoing() == ()


def test_changes_on_an_open_socket_are_sent_at_once() -> None:
    client = opened()
    query = client.subscribe("m:list", {})
    client.unsubscribe(query)
    client.authenticate(UserToken("jwt"))
    client.authenticate(NoToken())
    client.act("m:fetch", {})

    assert client.outgoing() == (
        ModifyQuerySet(1, 2, (Add(0, "m:list", [{}], "", None),)),
        ModifyQuerySet(2, 3, (Remove(0),)),
        Authenticate(0, UserToken("jwt")),
        Authenticate(1, NoToken()),
        Action(0, "m:fetch", [{}], ""),
    )


def test_a_new_socket_says_everything_again() -> None:
    client = opened()
    kept, dropped = client.subscribe("m:a", {}), client.subscribe("m:b", {})
    client.authenticate(UserToken("jwt"))
    client.mutate("m:one", {})
    client.mutate("m:two", {})
    client.receive(transition(client, 10, QueryUpdated(kept, b"1.0", (), "page")))
    client.receive(MutationResponse(0, DONE))
    client.unsubscribe(dropped)
    reopened(client)

    assert client.outgoing() == (
        Connect(SESSION, 1, "InternalServerError", 20, 5),
        Authenticate(0, UserToken("jwt")),
        ModifyQuerySet(0, 1, (Add(kept, "m:a", [{}], "", "page"),)),
        Mutation(0, "m:one", [{}], ""),
        Mutation(1, "m:two", [{}], ""),
    )
    assert client.version == INITIAL_VERSION
    assert client.results[kept] == QueryUpdated(kept, b"1.0", (), "page")


def test_a_mutation_is_done_when_its_transition_has_come() -> None:
    client = opened()
    request_id = client.mutate("m:send", {})

    assert client.receive(MutationResponse(request_id, DONE)) == ()
    assert client.receive(transition(client, 19)) == ()
    assert client.receive(transition(client, 20)) == (MutationDone(request_id, DONE),)


def test_a_failed_mutation_is_done_at_once() -> None:
    client = opened()
    request_id = client.mutate("m:send", {})

    assert client.receive(MutationResponse(request_id, FAILURE)) == (MutationDone(request_id, FAILURE),)


def test_an_answer_on_an_earlier_socket_counts() -> None:
    client = opened()
    request_id = client.mutate("m:send", {})
    client.receive(MutationResponse(request_id, DONE))
    assert reopened(client) == ()

    assert client.receive(transition(client, 30)) == (MutationDone(request_id, DONE),)
    assert client.receive(MutationResponse(request_id, DONE)) == ()


def test_a_second_answer_does_not_replace_the_first() -> None:
    client = opened()
    request_id = client.mutate("m:send", {})
    client.receive(MutationResponse(request_id, DONE))
    reopened(client)

    assert client.receive(MutationResponse(request_id, FAILURE)) == ()
    assert client.receive(transition(client, 30)) == (MutationDone(request_id, DONE),)


def test_an_action_is_lost_with_its_socket_unless_it_was_never_sent() -> None:
    client = opened()
    sent = client.act("m:fetch", {})
    (lost,) = client.lost()
    later = client.act("m:fetch", {})
    client.opened(None)

    assert isinstance(lost, ActionDone)
    assert lost.request_id == sent
    assert isinstance(lost.outcome, FunctionFailure)
    outcome = ActionSuccess(b"1.0", ())
    assert client.outgoing()[-1] == Action(later, "m:fetch", [{}], "")
    assert client.receive(ActionResponse(later, outcome)) == (ActionDone(later, outcome),)


def test_results_change_together_and_before_the_mutation_is_done() -> None:
    client = opened()
    first, second = client.subscribe("m:a", {}), client.subscribe("m:b", {})
    request_id = client.mutate("m:send", {})
    client.receive(MutationResponse(request_id, DONE))

    failed = QueryFailed(second, "no", None, (), None)
    facts = client.receive(transition(client, 20, QueryUpdated(first, b"1.0", (), None), failed))
    assert facts == (Changed(20, (first, second)), MutationDone(request_id, DONE))
    assert client.results[second] == failed
    assert not client.unconfirmed


def test_results_of_a_query_given_up_are_not_shown() -> None:
    client = opened()
    query = client.subscribe("m:a", {})
    before = transition(client, 5, QueryUpdated(query, b"1.0", (), None))
    client.unsubscribe(query)

    assert client.receive(before) == ()
    assert client.receive(transition(client, 6, QueryRemoved(query))) == ()
    assert client.results == {}


def test_a_transition_out_of_place_is_refused() -> None:
    client = opened()
    client.receive(transition(client, 10))
    here = client.version

    elsewhere = StateVersion(1, 0, 9)
    assert refused(client, Transition(elsewhere, here, (), None, None)) == "BaseVersionMismatch"
    assert refused(client, Transition(here, elsewhere, (), None, None)) == "VersionNotIncreasing"
    assert refused(client, Transition(here, StateVersion(2, 0, 11), (), None, None)) == "UnknownVersion"
    assert refused(client, transition(client, 11, identity=1)) == "UnknownVersion"


def test_an_answer_nobody_waits_for_is_refused() -> None:
    client = opened()
    request_id = client.mutate("m:send", {})

    assert refused(client, MutationResponse(7, DONE)) == "UnexpectedResponse"
    assert refused(client, ActionResponse(request_id, FAILURE)) == "UnexpectedResponse"
    client = opened()
    client.mutate("m:send", {})
    client.receive(MutationResponse(request_id, DONE))
    assert refused(client, MutationResponse(request_id, DONE)) == "UnexpectedResponse"


def test_an_identity_is_confirmed_by_a_transition() -> None:
    client = opened()
    client.authenticate(UserToken("old"))
    client.authenticate(UserToken("new"))

    assert client.receive(transition(client, 10, identity=1)) == ()
    assert client.receive(transition(client, 11)) == (IdentityConfirmed(),)


def test_an_auth_error_counts_unless_a_newer_token_is_under_way() -> None:
    client = opened()
    client.authenticate(UserToken("bad"))

    assert client.receive(AuthError("no", 0, True)) == (IdentityRefused("no", True),)
    assert client.receive(AuthError("late", 0, False)) == ()
    client.authenticate(UserToken("new"))
    assert client.receive(AuthError("no", 0, True)) == ()
    client.receive(transition(client, 10))
    assert client.receive(AuthError("late", 2, False)) == (IdentityRefused("late", False),)


def test_a_transition_in_pieces_is_taken_whole_with_pings_between() -> None:
    client = opened()
    query = client.subscribe("m:a", {})
    message = transition(client, 20, QueryUpdated(query, b'"' + b"x" * 300 + b'"', (), None))
    *early, last = split(encode_server(message), 100)

    for chunk in early:
        assert client.receive(chunk) == client.receive(Ping()) == ()
    assert client.receive(last) == (Changed(20, (query,)),)


def test_pieces_must_not_be_interrupted_or_be_anything_but_a_transition() -> None:
    client = opened()
    client.receive(split(encode_server(transition(client, 20)), 50)[0])

    assert refused(client, transition(client, 20)) == "ChunksInterrupted"
    *early, last = split(encode_server(FatalError("no")), 10)
    client = opened()
    for chunk in early:
        client.receive(chunk)
    assert refused(client, last) == "NotATransition"


def test_a_fatal_error_is_the_end() -> None:
    assert opened().receive(FatalError("no")) == (Terminated("no"),)
