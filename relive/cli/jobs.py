"""`relive jobs`: scheduled functions of a running server."""

from __future__ import annotations

from urllib.parse import quote

import click

from .actions import moment, show
from .administration import Tree, ask, server_command
from .output import print_json, say
from .run import Target

ROUTE = "/api/relive/jobs"
CRON_ROUTE = "/api/relive/crons"
CRON_COLUMNS = ("cron", "schedule", "function", "next run (UTC)", "last run (UTC)", "skipped")
COLUMNS = ("id", "function", "due (UTC)", "state", "why")
WHY_CHARS_SHOWN = 60


@click.group(no_args_is_help=False)
def jobs() -> None:
    """Scheduled functions: those that wait, run, and have ended in the last days."""


@jobs.command("list")
@server_command
def list_jobs(target: Target, as_json: bool) -> None:
    """Show scheduled functions: first those that have not ended, as they are due."""
    found = ask(target, "GET", ROUTE)
    if as_json:
        print_json(found["jobs"])
        return
    if not found["jobs"]:
        say("nothing is scheduled: functions do that with `await ctx.scheduler.run_after(seconds, function, ...)`")
        return
    show(COLUMNS, [row(each) for each in found["jobs"]])
    total = found["waiting"] + found["ended"]
    if total > len(found["jobs"]):
        say(f"these are {len(found['jobs']):,} of {total:,.0f}")


@jobs.command()
@click.argument("id")
@server_command
def cancel(target: Target, id: str, as_json: bool) -> None:
    """Cancel a scheduled function.  An action that runs goes on, but schedules nothing more."""
    cancelled = ask(target, "POST", f"{ROUTE}/{quote(id, safe='')}/cancel", {})
    print_json(cancelled) if as_json else say(f"{cancelled['name']} {id} is canceled")


@jobs.command()
@server_command
def crons(target: Target, as_json: bool) -> None:
    """Show the crons that the code declares or mutations have added: when each ran, and when it runs next."""
    found = ask(target, "GET", CRON_ROUTE)["crons"]
    if as_json:
        print_json(found)
    elif found:
        show(CRON_COLUMNS, [cron_row(each) for each in found])
    else:
        say("there are none: declare them, `crons = Crons()`, or have a mutation add them, `ctx.crons.every(...)`")


def cron_row(each: Tree) -> tuple[str, ...]:
    last = moment(each["lastRun"]) if each.get("lastRun") is not None else "never"
    upcoming = moment(each["nextRun"])
    return (each["name"], each["schedule"], each["function"], upcoming, last, f"{each['skipped']:,.0f}")


def row(each: Tree) -> tuple[str, ...]:
    why = str(each["state"].get("error", "")).partition("\n")[0]
    short = why if len(why) <= WHY_CHARS_SHOWN else f"{why[:WHY_CHARS_SHOWN]}..."
    return (each["_id"], each["name"], moment(each["scheduledTime"]), each["state"]["kind"], short)
