"""Holds the plan that an update began with against what its journal says was done."""

from __future__ import annotations

import json

from components.report.model import Report
from components.report.planned import disagreements
from lab.stage import Stage

COUNTED = "clients were planned"
AWAY, AWAY_FRACTION = 2, 0.05
MARGIN = 0.5
"""Paced moves take at least what clients over budget says; only the first and the last tick are not whole."""


def plan_and_act_agree(stage: Stage) -> Report:
    """Steps, movers, clients as planned, no step faster than its pace allows, and both in the report."""
    report = Report.model_validate(json.loads((stage.work / "report" / "report.json").read_text()))
    differing = [said for said in disagreements(report) if COUNTED not in said]
    assert not differing, (differing, report.planned, report.steps)
    done = {step.name: step for step in report.steps}
    for index, step in enumerate(report.planned):
        act = done[step.name]
        assert act.ended is not None
        if step.clients is not None and (report.direction != "roll" or index == 0):
            # a device may be on its way at the moment of the plan, or of the step
            assert abs(act.clients - step.clients) <= max(AWAY, AWAY_FRACTION * step.clients), (step, act)
        if step.mover and step.seconds is not None and step.clients and act.clients:
            rate = report.budget_per_second or 1
            assert act.ended - act.began >= MARGIN * (act.clients - rate) / rate, f"{step.name} was faster than planned"
    assert "Planned and done" in (stage.work / "report" / "report.html").read_text()
    return report
