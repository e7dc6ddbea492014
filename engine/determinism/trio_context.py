"""Hides the running trio task from a handler, so that ``trio.*`` refuses cleanly inside it.

A handler is driven synchronously within one of the server's tasks: ``trio.open_nursery()`` in it
would act on that task.  trio keeps the current task in a thread-local that is not public, so all
we know of it is in this module, and ``check`` tells when a version of trio no longer agrees.
"""

from __future__ import annotations

import trio
from trio._core._run import GLOBAL_RUN_CONTEXT

from .errors import TrioChanged

Hidden = tuple[object, object]
"""The task and the run that were hidden; None where there was none."""


def hide() -> Hidden:
    """Make this thread look as if no trio ran on it.  Give the answer to ``restore``."""
    state = GLOBAL_RUN_CONTEXT.__dict__
    return state.pop("task", None), state.pop("runner", None)


def restore(hidden: Hidden) -> None:
    task, runner = hidden
    if task is not None:
        GLOBAL_RUN_CONTEXT.__dict__["task"] = task
    if runner is not None:
        GLOBAL_RUN_CONTEXT.__dict__["runner"] = runner


def check() -> None:
    """Try it on this version of trio.  Raises TrioChanged."""
    if trio.lowlevel.in_trio_task():
        _check_inside_task()
    elif not trio.lowlevel.in_trio_run():
        trio.run(_check_in_own_run)


async def _check_in_own_run() -> None:
    _check_inside_task()


def _check_inside_task() -> None:
    task = trio.lowlevel.current_task()
    hidden = hide()
    try:
        visible = trio.lowlevel.in_trio_task() or trio.lowlevel.in_trio_run()
    finally:
        restore(hidden)
    if visible:
        raise TrioChanged(trio.__version__, "it still sees its task after the thread-local was emptied")
    if trio.lowlevel.current_task() is not task:
        raise TrioChanged(trio.__version__, "its task did not come back")
