"""What a command that simulates does: kept plans first, then seeds, then a report and an exit code.

    kept plans ──> seeds ──> the failure, made smaller, kept, reported
                         └─> some seeds again elsewhere ──> probes that stayed cold

Whoever has a `Maker` has a campaign: `python -m relive.simulations` is one such command.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import click
from attrs import define, field, frozen

from ..engine.determinism.real import real_monotonic_ns
from .attempts import Worker
from .campaign import Campaign, search
from .checkers.verdict import Verdict
from .determinism import Difference, check_determinism, is_chosen
from .errors import FileRefused, PlanInvalid, SimulationError, SimulatorFailed
from .kept import FOLDER, Kept, kept, load, save
from .minimise import minimise
from .plan import FAULTS, from_bytes
from .progress import Progress
from .reporting.finding import Finding
from .reporting.page import page
from .reporting.text import report
from .reporting.tree import tree
from .subject import REMARK, Maker, Subject

PASSED, VIOLATION, COLD, BROKEN = 0, 1, 2, 3
RESULTS = {PASSED: "passed", VIOLATION: "violation", COLD: "cold", BROKEN: "broken"}
SEEDS = 300
SHRINK_S = 20.0
SEED_MAX = 2**53


@frozen
class Settings:
    """What is asked for, as the options say."""

    seeds: int | None = None
    """None is 300, or as many as there is time for."""
    first: int = 0
    faults: tuple[str, ...] = FAULTS
    keep: Path = FOLDER
    replay: Path | None = None
    shrink_s: float = SHRINK_S
    jobs: int = 1
    time_s: float | None = None
    until_probes: bool = False
    determinism: float = 0.0
    """The share of the seeds that is attempted twice."""
    as_json: bool = False
    html: Path | None = None

    def range(self, has_probes: bool) -> Iterator[int]:
        """The seeds to attempt; where nothing must be reached, `until_probes` says nothing."""
        if self.seeds is not None:
            return iter(range(self.first, self.first + self.seeds))
        if self.time_s is not None or (self.until_probes and has_probes):
            return count(self.first)
        return iter(range(self.first, self.first + SEEDS))


@define(eq=False)
class Command:
    """One run of the command."""

    make: Maker
    settings: Settings
    subject: Subject = field(init=False)
    started_ns: int = field(factory=real_monotonic_ns)
    told: dict[str, Any] = field(factory=dict)
    """What JSON says at the end."""

    def __attrs_post_init__(self) -> None:
        self.subject = self.make()

    def execute(self) -> int:
        """Returns the exit code.  Raises SimulationError."""
        unknown = sorted(set(self.settings.faults) - set(self.subject.faults))
        if unknown:
            raise PlanInvalid(f"there is no fault {unknown[0]!r}; there are {', '.join(self.subject.faults)}")
        if self.settings.html is not None and not self.settings.html.parent.is_dir():
            # Not only after all the work.
            raise FileRefused(str(self.settings.html), "there is no such folder")
        code = self.replayed(self.settings.replay) if self.settings.replay is not None else self.searched()
        if self.settings.as_json:
            click.echo(json.dumps({"result": RESULTS[code], **self.told}, ensure_ascii=False))
        return code

    def say(self, text: str) -> None:
        """A result for people."""
        if not self.settings.as_json:
            click.echo(text)

    def elapsed_s(self) -> float:
        return (real_monotonic_ns() - self.started_ns) / 1e9

    # One plan.

    def replayed(self, file: Path) -> int:
        plan = load(file, self.subject)
        verdict = Worker(self.subject).attempt(plan.plan)
        if verdict.violations:
            return self.show(Finding(verdict, plan.plan, self.again(file), file))
        self.say(f"{file}, seed {plan.plan.seed}: nothing is wrong")
        self.tell_of_other_code(plan)
        return PASSED

    def again(self, file: Path) -> str:
        return f"{self.subject.command} --replay {file}"

    def tell_of_other_code(self, plan: Kept) -> None:
        if not plan.of_this_code:
            self.say("    it was found with other code of the app")

    # Plans that failed before.

    def failed_before(self) -> Finding | None:
        """The first of the kept plans that fails; those that cannot be run are named, and left alone."""
        self.told["kept"] = []
        for file in kept(self.settings.keep):
            try:
                plan = load(file, self.subject)
            except PlanInvalid as error:
                click.echo(f"not run: {error}", err=True)
                self.told["kept"].append({"file": str(file), "result": "refused", "problem": str(error)})
                continue
            verdict = Worker(self.subject).attempt(plan.plan)
            result = "violation" if verdict.violations else "passed"
            self.told["kept"].append({"file": str(file), "result": result, "sameCode": plan.of_this_code})
            if verdict.violations:
                return Finding(verdict, plan.plan, self.again(file), file)
            self.say(f"{file}: nothing is wrong any more")
        return None

    # Many seeds.

    def searched(self) -> int:
        before = self.failed_before()
        if before is not None:
            self.told["seeds"] = 0
            return self.show(before)
        campaign = self.campaign()
        if campaign.failures:
            return self.show(self.smallest(campaign))
        differences = self.checked_determinism(campaign)
        if differences:
            return VIOLATION
        return self.reached(campaign)

    def campaign(self) -> Campaign:
        settings, probes = self.settings, self.subject.probes
        limit = settings.seeds if settings.seeds is not None or settings.time_s or settings.until_probes else SEEDS
        with Progress(limit, len(probes)) as progress:

            def goes_on(campaign: Campaign) -> bool:
                reached = sum(1 for name in probes if campaign.probes[name])
                progress.update(campaign.seeds, reached)
                is_in_time = settings.time_s is None or self.elapsed_s() < settings.time_s
                return is_in_time and not (settings.until_probes and probes and reached == len(probes))

            campaign = search(
                settings.range(bool(probes)), make=self.make, goes_on=goes_on, kinds=settings.faults, jobs=settings.jobs
            )
        seconds = self.elapsed_s()
        self.told |= {
            "seeds": campaign.seeds,
            "seconds": round(seconds, 3),
            "seedsPerSecond": round(campaign.seeds / seconds, 1),
            "probes": dict(sorted(campaign.probes.items())),
            "cold": list(campaign.cold()),
        }
        return campaign

    def smallest(self, campaign: Campaign) -> Finding:
        failure = campaign.failures[0]
        first = Worker(self.subject).attempt(from_bytes(failure.plan))
        if not first.violations:
            problem = f"it failed with {failure.kinds[0]!r}, and did not when it was attempted again"
            raise SimulatorFailed(failure.seed, f"{problem}; --check-determinism 100% says where they differ")
        finding = self.made_smaller(first, campaign.seeds)
        self.told["failures"] = [{"seed": each.seed, "kinds": list(each.kinds)} for each in campaign.failures]
        return finding

    def made_smaller(self, first: Verdict, seeds: int) -> Finding:
        settings, started_ns = self.settings, real_monotonic_ns()

        def seconds() -> float:
            return (real_monotonic_ns() - started_ns) / 1e9

        found = minimise(first, self.subject, goes_on=lambda: seconds() < settings.shrink_s)
        plan = found.best.run.plan
        file = save(plan, violation_of(found.best, found.kind), self.subject, settings.keep)
        return Finding(found.best, first.run.plan, self.again(file), file, found.runs, seconds(), seeds)

    def show(self, finding: Finding) -> int:
        self.told["finding"] = tree(finding)
        self.say(report(finding).rstrip("\n"))
        if self.settings.html is not None:
            write(self.settings.html, page(finding))
            self.say(f"picture: {self.settings.html}")
        return VIOLATION

    def checked_determinism(self, campaign: Campaign) -> list[Difference]:
        first, share = self.settings.first, self.settings.determinism
        chosen = [seed for seed in range(first, first + campaign.seeds) if is_chosen(seed, share)]
        if not share:
            return []
        differences = check_determinism(self.make, chosen, self.settings.faults) if chosen else []
        self.told["determinism"] = {
            "seeds": len(chosen),
            "differences": [{"seed": each.seed, "problem": str(each)} for each in differences],
        }
        for difference in differences:
            self.say(f"FAIL  determinism: {difference}")
        self.say(f"determinism: {len(chosen) - len(differences)}/{len(chosen)} seeds the same in another process")
        return differences

    def reached(self, campaign: Campaign) -> int:
        seconds, cold = self.elapsed_s(), campaign.cold()
        total = len(self.subject.probes)
        rate = campaign.seeds / seconds
        self.say(f"{campaign.seeds} seeds in {seconds:.1f} s, {rate:.1f} a second: nothing is wrong")
        if total:
            self.say(f"probes: {total - len(cold)}/{total} reached")
        self.remark(campaign)
        has_all_faults = set(self.settings.faults) == set(self.subject.faults) or not self.subject.needs_all_faults
        counts = campaign.seeds >= self.subject.seeds_for_probes and has_all_faults
        if cold and (counts or self.settings.until_probes):
            self.say(f"never reached: {', '.join(cold)}")
            return COLD
        return PASSED

    def remark(self, campaign: Campaign) -> None:
        """What is not wrong, and worth knowing."""
        found = {name.removeprefix(REMARK): count for name, count in campaign.probes.items() if name.startswith(REMARK)}
        self.told["remarks"] = sorted(found)
        for text in sorted(found):
            self.say(f"{REMARK}{text}")


def violation_of(verdict: Verdict, kind: str) -> Any:
    return next(each for each in verdict.violations if each.kind == kind)


def write(file: Path, text: str) -> None:
    """Raises FileRefused."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileRefused(str(file), error.strerror or str(error)) from error


def execute(make: Callable[[], Subject], settings: Settings) -> int:
    """The exit code of a command: what went wrong with the simulator itself is told in one line or more."""
    try:
        return Command(make, settings).execute()
    except SimulationError as error:
        if settings.as_json:
            click.echo(json.dumps({"result": RESULTS[BROKEN], "problem": str(error)}, ensure_ascii=False))
        click.echo(f"error: {error}", err=True)
        return BROKEN
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        sys.exit(130)
