"""A failure for programs: a tree of lists, objects, texts and numbers, as JSON has them."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from ..plan import Plan
from .finding import Finding
from .story import Row, lanes, rows
from .why import why


def tree(finding: Finding) -> dict[str, Any]:
    plan = finding.plan
    return {
        "kind": finding.violation.kind,
        "problem": finding.violation.problem,
        "why": why(finding.verdict),
        "violations": [
            {"kind": each.kind, "problem": each.problem, "event": each.event} for each in finding.verdict.violations
        ],
        "seed": plan.seed,
        "file": str(finding.file) if finding.file is not None else None,
        "again": finding.again,
        "seeds": finding.seeds,
        "plan": plan_tree(plan),
        "found": {"operations": finding.first.operations, "faults": len(finding.first.faults)},
        "shrink": {"runs": finding.runs, "seconds": round(finding.seconds, 3)},
        "lanes": lanes(finding.verdict),
        "rows": [row_tree(row) for row in rows(finding.verdict)],
    }


def plan_tree(plan: Plan) -> dict[str, Any]:
    """Without the choices of the scheduler, which are many and say nothing."""
    parts = asdict(plan)
    del parts["choices"]
    return parts


def row_tree(row: Row) -> dict[str, Any]:
    """Milliseconds of virtual time; what a row does not have is left out."""
    parts = {
        name: value for name, value in asdict(row).items() if value is not None and name not in ("at_ns", "is_wrong")
    }
    return {"ms": row.at_ns / 1e6, "wrong": row.is_wrong, **parts}
