"""A failure for a terminal: what is wrong and why, the plan, a timeline, and how to see it again."""

from __future__ import annotations

from textwrap import shorten, wrap

from ..checkers.verdict import Verdict
from .finding import Finding, counted, sizes
from .story import LOG, Row, lanes, rows
from .why import why
from .words import operation_text, planned_fault_text

COLUMN = 44
"""Characters of a column."""
LINE = 160
"""Characters of a line of prose."""
ROWS_MAX = 120
"""Before and after the moment of the violation together."""
OPERATIONS_MAX = 40


def report(finding: Finding) -> str:
    lines = [f"FAIL  {finding.violation.kind}", *problems(finding), ""]
    lines += [line for each in why(finding.verdict) for line in wrapped("why: ", each)]
    lines += [summary(finding), f"again: {finding.again}", "", *plan_lines(finding), ""]
    return "\n".join([*lines, *timeline(finding.verdict)]) + "\n"


def problems(finding: Finding) -> list[str]:
    """The first of each kind, in words."""
    lines: list[str] = []
    for kind, violation in finding.kinds().items():
        lines += ([f"      {kind}"] if kind != finding.violation.kind else []) + wrapped("    ", violation.problem)
    count = len(finding.verdict.violations)
    return [*lines, f"    {counted(count, 'violation')} in all"] if count > 1 else lines


def summary(finding: Finding) -> str:
    seeds = f" (of {finding.seeds} tried)" if finding.seeds > 1 else ""
    text = f"seed {finding.plan.seed}{seeds}: {sizes(finding.plan)}, schedule {finding.plan.policy}"
    if not finding.was_made_smaller():
        return text
    return f"{text}; made smaller from {sizes(finding.first)} in {finding.runs} runs, {finding.seconds:.1f} s"


def wrapped(prefix: str, text: str) -> list[str]:
    return wrap(text, LINE, initial_indent=prefix, subsequent_indent=" " * len(prefix))


def plan_lines(finding: Finding) -> list[str]:
    """What the clients do and what goes wrong: the plan itself, if it is small."""
    plan = finding.plan
    lines = [f"fault {planned_fault_text(fault)}" for fault in plan.faults[:OPERATIONS_MAX]]
    if plan.operations <= OPERATIONS_MAX:
        lines += [
            f"client {number} {operation_text(each)}" for number, client in enumerate(plan.clients) for each in client
        ]
    return lines


def timeline(verdict: Verdict) -> list[str]:
    """One line for each event, in the column of whom it happened to; ``<==`` where a violation shows."""
    all_rows = rows(verdict)
    wrong = [position for position, each in enumerate(all_rows) if each.is_wrong]
    start = max(0, min(wrong, default=len(all_rows)) - ROWS_MAX * 2 // 3)
    chosen = all_rows[start : start + ROWS_MAX]
    widths = {
        lane: max([len(lane), *(len(each.text) for each in chosen if each.lane == lane)]) for lane in lanes(verdict)
    }
    columns = {lane: min(width, COLUMN) for lane, width in widths.items()}
    lines = [line("ms", [lane.ljust(width) for lane, width in columns.items()])]
    if start:
        lines.append(f"{'':12}  ... {start} lines before")
    lines += [line_of(each, columns) for each in chosen]
    rest = len(all_rows) - start - len(chosen)
    return [*lines, f"{'':12}  ... {rest} lines after"] if rest else lines


def line_of(row: Row, columns: dict[str, int]) -> str:
    """The last column is as long as it needs to be."""
    cells = [
        (shorten(row.text, width, placeholder="...") if lane != LOG else row.text).ljust(width)
        if row.lane == lane
        else " " * width
        for lane, width in columns.items()
    ]
    return line(f"{row.at_ns / 1e6:.3f}", cells) + ("  <==" if row.is_wrong else "")


def line(time: str, cells: list[str]) -> str:
    return "  ".join([time.rjust(12), *cells]).rstrip()
