"""What nurseries raise: groups of errors, and which of them matters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...actors.errors import CommitterFailed

PACKAGE = __name__.partition(".")[0] + "."


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside groups, whatever their nesting; of one that is no group, itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


@contextmanager
def single_error() -> Iterator[None]:
    """Nurseries wrap what is raised in groups; a caller gets the one error that explains the others."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = [*leaves(group)]
        for error in errors:
            if isinstance(error, CommitterFailed) or len(errors) == 1:
                raise error from error.__cause__
        raise


def is_broken_invariant(error: BaseException) -> bool:
    """One of our own asserts: what all connections share may be wrong, so none can go on.

    A library's assert that some peer's bytes trip is that connection's affair.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return isinstance(error, AssertionError) and where.startswith(PACKAGE)
