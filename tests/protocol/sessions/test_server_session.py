"""One socket seen from the server: what it accepts, what it owes, what it says."""

from __future__ import annotations

import pytest
from relive.protocol.client_version import UNKNOWN_VERSION
from relive.protocol.close import ErrorClass, Refused, closing
from relive.protocol.errors import ProtocolError
from relive.protocol.limits import ACTIONS_IN_FLIGHT_MAX, MUTATIONS_QUEUED_MAX
from relive.protocol.messages import (
    INITIAL_VERSION,
    Action,
    ActionResponse,
    Add,
    Authenticate,
    AuthError,
    ClientMessage,
    Connect,
    Event,
    ModifyQuerySet,
    Mutation,
    MutationResponse,
    NoToken,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    Remove,
    StateVersion,
    UserToken,
)
from relive.protocol.requests import (
    Authenticated,
    Connected,
    Request,
    RunAction,
    RunMutation,
    Subscribe,
    Unsubscribe,
)
from relive.protocol.results import (
    ActionSuccess,
    FunctionFailure,
    MutationSuccess,
    QueryFailure,
    QuerySuccess,
)
from relive.protocol.server_session import QUERIES_MAX, ServerSession

SESSION = bytes(range(16))
NOW_MS = 1_000_000
FAILURE = FunctionFailure("no", None, ())


def success(value: bytes = b"1.0", journal: str | None = None) -> QuerySuccess:
    return QuerySuccess(value, (), journal)


def add(query_id: int, journal: str | None = None) -> Add:
    return Add(query_id, "messages:list", [{}], "", journal)


def mutation(request_id: int) -> Mutation:
    return Mutation(request_id, "messages:send", [{}], "")


def new_session() -> ServerSession:
    return ServerSession(UNKNOWN_VERSION)


def feed(session: ServerSession, *messages: ClientMessage) -> list[Request]:
    requests: list[Request] = []
    for message in messages:
        requests.extend(session.receive(message, NOW_MS))
        session.check()
    return requests


def refused(session: ServerSession, *messages: ClientMessage) -> str:
    with pytest.raises(ProtocolError) as caught:
        feed(session, *messages)
    return caught.value.code


def test_each_message_becomes_what_the_engine_has_to_do() -> None:
    requests = feed(
        new_session(),
        Connect(SESSION, 2, None, 77, None),
        Event("ClientConnect", []),
        ModifyQuerySet(0, 1, (add(0, "j"), add(1))),
        ModifyQuerySet(1, 2, (Remove(0),)),
        mutation(0),
        Action(1, "messages:fetch", [{}], "a/b"),
        Authenticate(0, UserToken("jwt")),
    )

    assert requests == [
        Connected(SESSION, 2, None, 77),
        Subscribe(0, "messages:list", [{}], "", "j"),
        Subscribe(1, "messages:list", [{}], "", None),
        Unsubscribe(0),
        RunMutation(0, "messages:send", [{}], ""),
        RunAction(1, "messages:fetch", [{}], "a/b"),
        Authenticated(UserToken("jwt")),
    ]


def test_connect_is_optional_and_comes_once() -> None:
    session = new_session()
    feed(session, mutation(0))

    assert session.session_id is None
    feed(session, Connect(SESSION, 0, None, 5, None))
    assert session.session_id == SESSION
    assert session.max_observed == 5
    assert refused(session, Connect(SESSION, 0, None, None, None)) == "AlreadyConnected"


def test_versions_have_to_follow_one_another() -> None:
    assert refused(new_session(), ModifyQuerySet(1, 2, ())) == "BaseVersionMismatch"
    assert refused(new_session(), ModifyQuerySet(0, 0, ())) == "VersionNotIncreasing"
    assert refused(new_session(), ModifyQuerySet(0, 1, ()), ModifyQuerySet(0, 2, ())) == "BaseVersionMismatch"
    assert refused(new_session(), Authenticate(1, NoToken())) == "BaseVersionMismatch"
    assert feed(new_session(), ModifyQuerySet(0, 4, ()), ModifyQuerySet(4, 9, ())) == []


def test_only_a_live_query_can_be_removed_and_only_once_added() -> None:
    assert refused(new_session(), ModifyQuerySet(0, 1, (add(0), add(0)))) == "DuplicateQueryId"
    assert refused(new_session(), ModifyQuerySet(0, 1, (Remove(0),))) == "UnknownQueryId"
    assert refused(new_session(), ModifyQuerySet(0, 1, (add(0), Remove(0), Remove(0)))) == "UnknownQueryId"


def test_a_transition_catches_up_with_all_received_versions() -> None:
    session = new_session()
    feed(session, ModifyQuerySet(0, 1, (add(0), add(1))), ModifyQuerySet(1, 3, (Remove(0), add(2))))

    assert session.needs_transition
    assert session.unanswered == {1, 2}
    transition = session.transition(10, {1: success(), 2: QueryFailure("[x] no", "no", b"null", (), "j")})
    assert (transition.start_version, transition.end_version) == (INITIAL_VERSION, StateVersion(3, 0, 10))
    assert transition.modifications == (
        QueryRemoved(0),
        QueryUpdated(1, b"1.0", (), None),
        QueryFailed(2, "[x] no", b"null", (), "j"),
    )
    assert not session.needs_transition
    session.check()


def test_transitions_form_a_chain() -> None:
    session = new_session()
    feed(session, ModifyQuerySet(0, 1, (add(0),)))
    first = session.transition(10, {0: success()})
    second = session.transition(10, {})
    third = session.transition(12, {0: success(b"2.0")})

    assert second.start_version == first.end_version
    assert third.start_version == second.end_version == StateVersion(1, 0, 10)
    assert second.modifications == ()
    with pytest.raises(AssertionError):
        session.transition(11, {})


def test_a_result_is_sent_once_and_again_after_the_query_was_added_again() -> None:
    session = new_session()
    failures = [QueryFailure(f"[Request ID: {n}] no", "no", None, (), None) for n in range(2)]
    feed(session, ModifyQuerySet(0, 1, (add(0), add(1))))
    session.transition(10, {0: success(), 1: failures[0]})

    assert session.transition(11, {0: success(), 1: failures[1]}).modifications == ()
    assert session.transition(12, {1: success()}).modifications == (QueryUpdated(1, b"1.0", (), None),)
    feed(session, ModifyQuerySet(1, 2, (Remove(0), add(0))))
    again = session.transition(13, {0: success()})
    assert again.modifications == (QueryRemoved(0), QueryUpdated(0, b"1.0", (), None))


def test_a_new_query_cannot_be_left_without_an_answer() -> None:
    session = new_session()
    feed(session, ModifyQuerySet(0, 1, (add(0), add(1))))

    with pytest.raises(AssertionError):
        session.transition(10, {0: success()})


def test_the_last_journal_is_kept_for_the_next_run() -> None:
    session = new_session()
    feed(session, ModifyQuerySet(0, 1, (add(0, "from the client"),)))

    assert session.queries[0].journal == "from the client"
    session.transition(10, {0: success(journal="first")})
    assert session.queries[0].journal == "first"
    session.transition(11, {0: success(journal="second")})
    assert session.queries[0].journal == "second"


def test_mutations_are_answered_in_order_and_once() -> None:
    session = new_session()
    feed(session, mutation(0), mutation(1))

    with pytest.raises(AssertionError):
        session.answer_mutation(1, FAILURE)
    session = new_session()
    feed(session, mutation(0), mutation(1))
    assert session.mutations_waiting == 2
    outcome = MutationSuccess(b"null", 7, ())
    assert session.answer_mutation(0, outcome) == MutationResponse(0, outcome)
    assert session.answer_mutation(1, FAILURE) == MutationResponse(1, FAILURE)
    with pytest.raises(AssertionError):
        session.answer_mutation(1, FAILURE)


def test_actions_are_answered_in_any_order_and_once() -> None:
    session = new_session()
    feed(session, *(Action(request_id, "a:b", [{}], "") for request_id in (0, 1, 1)))
    outcome = ActionSuccess(b"null", ())

    assert session.answer_action(1, outcome) == ActionResponse(1, outcome)
    assert session.answer_action(0, FAILURE) == ActionResponse(0, FAILURE)
    session.answer_action(1, outcome)
    session.check()
    with pytest.raises(AssertionError):
        session.answer_action(1, outcome)


def test_every_answer_owes_a_transition_even_a_failure_without_queries() -> None:
    session = new_session()
    feed(session, mutation(0), Action(1, "a:b", [{}], ""))

    assert not session.needs_transition
    session.answer_mutation(0, FAILURE)
    assert session.transition_owed
    session.transition(5, {})
    assert not session.needs_transition
    session.answer_action(1, FAILURE)
    assert session.needs_transition


def test_a_transition_shows_what_was_answered() -> None:
    session = new_session()
    feed(session, mutation(0))
    session.answer_mutation(0, MutationSuccess(b"null", 9, ()))

    with pytest.raises(AssertionError):
        session.transition(8, {})
    assert session.transition(9, {}).end_version.ts == 9


def test_time_does_not_go_behind_what_the_client_has_seen_elsewhere() -> None:
    session = new_session()
    feed(session, Connect(SESSION, 1, None, 20, None))

    with pytest.raises(AssertionError):
        session.transition(19, {})


def test_an_accepted_token_raises_the_identity_by_one_and_needs_a_transition() -> None:
    session = new_session()
    feed(session, Authenticate(0, UserToken("jwt")))

    with pytest.raises(AssertionError):
        session.receive(mutation(0), NOW_MS)
    session.authenticated()
    assert session.needs_transition
    assert session.transition(4, {}).end_version == StateVersion(0, 1, 4)
    feed(session, Authenticate(1, NoToken()))
    session.authenticated()
    assert refused(session, Authenticate(1, NoToken())) == "BaseVersionMismatch"


def test_an_auth_error_names_the_identity_that_was_last_sent() -> None:
    session = new_session()
    feed(session, Authenticate(0, UserToken("good")))
    session.authenticated()
    feed(session, Authenticate(1, UserToken("bad")))

    assert session.auth_rejected("no") == AuthError("no", 0, update_attempted=True)
    session.transition(3, {})
    assert session.auth_expired("late") == AuthError("late", 1, update_attempted=False)


@pytest.mark.parametrize(("client_ts", "skew"), [(NOW_MS + 306, 306), (NOW_MS - 5, -5), (0, None), (None, None)])
def test_the_clock_skew_is_told_with_the_servers_time_or_not_at_all(client_ts: int | None, skew: int | None) -> None:
    session = new_session()
    feed(session, Connect(SESSION, 0, None, None, client_ts))

    timed = session.transition(10, {}, server_ts=99)
    untimed = session.transition(11, {})
    assert (timed.clock_skew_ms, timed.server_ts) == (skew, None if skew is None else 99)
    assert (untimed.clock_skew_ms, untimed.server_ts) == (None, None)


def test_a_ping_is_due_after_a_silence() -> None:
    session = new_session()

    assert session.ping_due(0.0)
    session.sent(100.0)
    assert not session.ping_due(114.9)
    assert session.ping_due(115.0)
    session.sent(115.0)
    assert not session.ping_due(116.0)


def test_too_many_requests_close_the_socket_for_now() -> None:
    session = new_session()
    feed(session, *(mutation(request_id) for request_id in range(MUTATIONS_QUEUED_MAX)))
    feed(session, *(Action(request_id, "a:b", [{}], "") for request_id in range(ACTIONS_IN_FLIGHT_MAX)))

    with pytest.raises(Refused) as too_many_mutations:
        session.receive(mutation(5000), NOW_MS)
    with pytest.raises(Refused) as too_many_actions:
        session.receive(Action(5000, "a:b", [{}], ""), NOW_MS)
    assert closing(too_many_mutations.value).reason == "TooManyConcurrentMutations"
    assert closing(too_many_mutations.value).close_code == 1013
    assert closing(too_many_actions.value).reason == "TooManyInflightActionsForSingleClient"
    assert too_many_actions.value.kind is ErrorClass.RATE_LIMITED


def test_too_many_queries_close_the_socket_for_now() -> None:
    session = new_session()

    with pytest.raises(Refused, match="TooManyQueries"):
        session.receive(ModifyQuerySet(0, 1, tuple(map(add, range(QUERIES_MAX + 1)))), NOW_MS)
