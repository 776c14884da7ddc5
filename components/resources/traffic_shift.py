"""TrafficShift: one step of the cutover (a share, a hold or a gate); what it does is the plan's."""

from __future__ import annotations

from typing import Any, ClassVar

from components.links.shift import Manner, carry_out
from components.resources.link import Link, LinkInputs, LinkProvider
from components.run.run import Run


class TrafficShiftInputs(LinkInputs):
    """The step's name and share, and the manner of the whole cutover, which may be edited without running it again."""

    step: str
    share: float
    manner: Manner


class TrafficShiftProvider(LinkProvider[TrafficShiftInputs]):
    """Carries out one step."""

    TRIGGERS: ClassVar[frozenset[str]] = LinkProvider.TRIGGERS | {"share"}

    async def work(self, run: Run, inputs: TrafficShiftInputs) -> dict[str, Any]:
        """What the plan has for this step."""
        return await carry_out(run, inputs.step, inputs.to, inputs.manner, inputs.direction)


class TrafficShift(Link, module="emqx", name="TrafficShift"):
    """One step of the cutover."""

    PROVIDER = TrafficShiftProvider
