"""Holds the plan that an update began with against what its journal says was done."""

from __future__ import annotations

import json

from components.report.model import Report
from components.report.planned import disagreements
from lab.stage import Stage

MARGIN = 0.5
"""Paced moves take at least what clients over budget says; only the first and the last tick are not whole."""


def plan_and_act_agree(stage: Stage) -> Report:
    """Steps, movers, clients as planned, no step faster than its pace allows, and both in the report."""
    report = Report.model_validate(json.loads((stage.work / "report" / "report.json").read_text()))
    differing = list(disagreements(report))
    assert not differing, (differing, report.planned, report.steps)
    done = {step.name: step for step in report.steps}
    for step in report.planned:
        act = done[step.name]
        assert act.ended is not None
        if step.mover and step.seconds is not None and step.clients == act.clients and act.clients:
            rate = report.budget_per_second or 1
            assert act.ended - act.began >= MARGIN * (act.clients - rate) / rate, f"{step.name} was faster than planned"
    assert "Planned and done" in (stage.work / "report" / "report.html").read_text()
    return report
