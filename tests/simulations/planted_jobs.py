"""Bugs to be found in what runs later: scheduled functions, crons, durable actions."""

from __future__ import annotations

from functools import partial
from typing import Any

from relive.actors.scheduler import Queue
from relive.engine import database
from relive.engine.actions import steps
from relive.engine.actions.durable import Records, require_unfinished
from relive.engine.execution.beside import Beside
from relive.engine.scheduling import crons, jobs
from relive.engine.scheduling.driver import Schedules
from relive.engine.transactions import scheduling
from relive.engine.transactions.cron_schedules import Every
from relive.simulations.plan import CRASH, DISK_FULL, KILL

from .planted import Patch, bug, nothing


async def nothing_soon(*args: Any, **kwargs: Any) -> None:
    pass


# scheduled functions


@bug()
def a_scheduled_mutation_does_not_note_that_it_has_run(patch: Patch) -> None:
    patch.setattr(jobs, "succeed", nothing_soon)


@bug(KILL, CRASH)
def an_action_that_was_interrupted_is_run_again(patch: Patch) -> None:
    patch.setattr(jobs.Jobs, "fail", lambda self, job, error: self.put_back(job))


@bug()
def what_was_cancelled_runs(patch: Patch) -> None:
    async def succeed(ctx: Any, result: bytes, id: str) -> None:
        scheduling.change(ctx._run, id, "success")

    see = Schedules.see

    def deaf(self: Any, id: str) -> None:
        job = self.jobs.get(id)
        if job is None or job.row.state.kind != "canceled":
            see(self, id)

    patch.setattr(Schedules, "see", deaf)
    patch.setattr(Schedules, "mutate", lambda self, id: self.jobs.mutate(self.jobs.get(id)))
    patch.setattr(jobs, "require", nothing_soon)
    patch.setattr(jobs, "succeed", succeed)


@bug()
def jobs_run_a_little_too_early(patch: Patch) -> None:
    begin = Queue.begin
    patch.setattr(Queue, "begin", lambda self, now: begin(self, now + 10))


@bug(KILL, CRASH)
def jobs_are_forgotten_when_the_server_starts(patch: Patch) -> None:
    def reload(self: Any) -> None:
        self.app, self.position = self.executor.app, self.executor.runtime.committer.durable

    patch.setattr(Schedules, "reload", reload)


@bug(DISK_FULL)
def jobs_that_a_full_disk_took_back_are_taken_for_done(patch: Patch) -> None:
    patch.setattr(Schedules, "rewind", nothing)


@bug()
def what_a_cancelled_action_schedules_runs(patch: Patch) -> None:
    patch.setattr(scheduling, "is_cancelled", lambda run, parent: False)


@bug()
def a_job_is_due_a_little_later_than_it_was_said(patch: Patch) -> None:
    patch.setattr(scheduling, "after", lambda delay_ms, now: now + delay_ms * 1.001 + 0.01)


# durable actions


@bug()
def a_step_is_not_recorded_with_what_it_wrote(patch: Patch) -> None:
    patch.setattr(steps, "step_beside", lambda id, taken: Beside(partial(require_unfinished, id=id)))


@bug(KILL, CRASH)
def an_action_that_goes_on_takes_its_steps_again(patch: Patch) -> None:
    patch.setattr(Records, "steps", lambda self, id: [])


# crons


@bug()
def a_cron_runs_beside_itself(patch: Patch) -> None:
    patch.setattr(crons, "job_of", nothing)


@bug()
def a_cron_makes_up_for_every_run_that_it_missed(patch: Patch) -> None:
    patch.setattr(Every, "after", lambda self, due, now: (due + self.seconds * 1000, 0))


@bug()
def a_deploy_plans_all_crons_anew(patch: Patch) -> None:
    plan = crons.plan

    def anew(run: Any, declared: Any) -> None:
        for row in crons.rows_of(run):
            run.remove(crons.CRONS, row.id)
        with patch.context() as inner:
            inner.setattr(crons, "rows_of", lambda run: [])
            plan(run, declared)

    patch.setattr(database, "plan", anew)
