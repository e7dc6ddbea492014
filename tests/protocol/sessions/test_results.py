"""When two results are the same for a client."""

from __future__ import annotations

from itertools import combinations

from relive.protocol.results import QueryFailure, QueryResult, QuerySuccess


def test_the_journal_and_the_request_id_do_not_count() -> None:
    failures = [QueryFailure(f"[Request ID: {n}] no", "no", None, (), None) for n in range(2)]

    assert QuerySuccess(b"1.0", (), None).digest == QuerySuccess(b"1.0", (), "j").digest
    assert failures[0].digest == failures[1].digest


def test_everything_else_does() -> None:
    results: list[QueryResult] = [
        QuerySuccess(b"1.0", (), None),
        QuerySuccess(b"2.0", (), None),
        QuerySuccess(b"1.0", ("[LOG] a",), None),
        QuerySuccess(b"1.0", ("[LOG] a", "[LOG] b"), None),
        QuerySuccess(b"1.0", ("[LOG] a[LOG] b",), None),
        QuerySuccess(b"1.07:[LOG] a", (), None),
        QuerySuccess(b'"no"', (), None),
        QuerySuccess(b"null", (), None),
        QueryFailure("no", "no", None, (), None),
        QueryFailure("no", "no", b"null", (), None),
        QueryFailure("no", "no", b"1.0", (), None),
        QueryFailure("no1.0", "no1.0", None, (), None),
        QueryFailure("no", "no", None, ("[LOG] a",), None),
        QueryFailure("", "", None, (), None),
        QueryFailure("", "", b"", (), None),
    ]

    for one, other in combinations(results, 2):
        assert one.digest != other.digest, (one, other)


def test_a_digest_is_computed_once() -> None:
    result = QuerySuccess(b"1.0", (), None)

    assert result.digest is result.digest
