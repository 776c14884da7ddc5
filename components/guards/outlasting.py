"""Connections of before, which some balancers end by themselves: a cutover that would outlast them is not begun.

The rule: it is refused with both numbers, since whoever the balancer cuts off is disconnected a second time, at no pace at all.
"""

from __future__ import annotations

from components.cutover.forecast import Forecast
from components.emqx.errors import Refused
from components.run.hour import told


def refuse_outlasting(plan: Forecast) -> None:
    """Refuse a way forward that may take longer than the balancer keeps connections.

    Raises:
        Refused: with what it would take and what there is.

    """
    if plan.direction == "forward" and plan.limits is not None:
        refuse_longer(plan.limits.most_seconds, plan.limits.keeps_seconds, plan.clients, plan.budget_per_second)


def refuse_longer(most: float | None, keeps: float | None, clients: int | None, budget_per_second: int) -> None:
    """The same by its numbers, in seconds; what is not known refuses nothing."""
    if most is None or keeps is None or most < keeps:
        return
    raise Refused(
        "draining the old colour",
        node="the balancer",
        seen=f"{clients} clients at {budget_per_second}/s, with holds, gates and returns at their bounds, take {most:.0f} s at most,"
        f" and {keeps:g} s after a change of its weights it ends connections of before by itself",
        todo="raise emqx:cutover.budgetPerSecond, shorten the holds between the first share and 100, or have fewer emqx:cutover.portions",
    )


def refuse_late(most: float, ends: float | None, now: float) -> None:
    """The same for a run that goes on after its weights were changed: ``ends`` is when connections of before are ended, None when that is not to come."""
    if ends is None or most < ends - now:
        return
    raise Refused(
        "going on with the cutover",
        node="the balancer",
        seen=f"the rest takes {most:.0f} s at most, and {told(ends, now)}",
        todo="run pulumi up again after that moment, from which on another hour is there, or set emqx:live back to the old colour",
    )
