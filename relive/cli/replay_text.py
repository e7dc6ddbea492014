"""How entries came out when they were run again, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine.history.reexecution import Difference, Verification


def verification_lines(verification: Verification) -> Iterator[str]:
    checked, different = verification.checked, verification.different
    yield f"run again: {checked:,} entries, {different or 'none'} of them with another outcome"
    if verification.deploys:
        yield f"loaded again: {verification.deploys:,} deploy(s)"
    for why, count in verification.unverifiable.most_common():
        yield f"not run again: {count:,}, because {why}"
    if verification.passed_over:
        yield f"not asked for: {verification.passed_over:,}"
    if verification.first is not None:
        yield from difference_lines(verification.first)


def difference_lines(difference: Difference) -> Iterator[str]:
    yield f"the first difference is in entry {difference.lsn}, {difference.function or 'a deploy'}: {difference.what}"
    yield f"  recorded  {difference.recorded}"
    yield f"  again     {difference.again}"
    yield f"`relive log show --entry {difference.lsn}` shows all of it"


def verification_tree(verification: Verification) -> object:
    return {
        "checked": verification.checked,
        "deploys": verification.deploys,
        "different": verification.different,
        "unverifiable": dict(verification.unverifiable),
        "passedOver": verification.passed_over,
        "first": None if verification.first is None else difference_tree(verification.first),
    }


def difference_tree(first: Difference) -> object:
    return {
        "lsn": first.lsn,
        "function": first.function,
        "what": first.what,
        "recorded": first.recorded,
        "again": first.again,
    }
