"""A failure for a browser: one file that needs nothing else, with the timeline as a picture.

A lane for each client, one for the server, one for the log; time goes down.  Arrows lead from a request to its
entry and on to the answer and to what was shown; to point at a row shows all of it, and what it is connected with.
"""

from __future__ import annotations

import json
from importlib.resources import files

from attrs import asdict

from .finding import Finding, sizes
from .story import arrows, lanes, rows
from .text import summary
from .tree import row_tree
from .why import why
from .words import operation_text, planned_fault_text

TEMPLATE = "page.html"
DATA = "/*DATA*/null"
"""Where the template has room for it."""
ROWS_MAX = 1_500
"""More are nothing that anybody looks at; those around the violation stay."""


def page(finding: Finding) -> str:
    template = files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    assert template.count(DATA) == 1
    # A text of the app may hold the end of a script.
    data = json.dumps(data_of(finding), ensure_ascii=False).replace("<", "\\u003c")
    return template.replace(DATA, data)


def data_of(finding: Finding) -> dict[str, object]:
    everything, plan = rows(finding.verdict), finding.plan
    wrong = next((position for position, row in enumerate(everything) if row.is_wrong), len(everything))
    start = max(0, wrong - ROWS_MAX * 2 // 3)
    shown = everything[start : start + ROWS_MAX]
    return {
        "kind": finding.violation.kind,
        "problems": [{"kind": kind, "problem": each.problem} for kind, each in finding.kinds().items()],
        "why": why(finding.verdict),
        "summary": summary(finding),
        "sizes": sizes(plan),
        "again": finding.again,
        "faults": [planned_fault_text(fault) for fault in plan.faults],
        "clients": [[operation_text(each) for each in client] for client in plan.clients],
        "lanes": lanes(finding.verdict),
        "rows": [row_tree(row) for row in shown],
        "arrows": [asdict(arrow) for arrow in arrows(shown)],
        "leftOut": len(everything) - len(shown),
    }
