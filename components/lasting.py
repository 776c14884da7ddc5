"""How long the cutover of a stack may last behind its balancer, and what that cannot do.

The rule: read from the capabilities of the declared router, for the plan before an update and for the update itself.
"""

from __future__ import annotations

from components.balancer.able import can_of
from components.cutover.limits import Limits, limits_of
from components.cutover.portions import Weighed
from components.intent import mover_of
from components.settings import Settings


def limits(settings: Settings, clients: int | None) -> Limits | None:
    """What a plan for so many clients says of it; None behind a balancer that knows clients."""
    return limits_of(can_of(settings), weighed_of(settings), clients)


def weighed_of(settings: Settings) -> Weighed | None:
    """What decides how long a cutover takes behind a balancer that does not know clients; None behind one that does."""
    choice, cutover = mover_of(settings), settings.cutover
    if not choice.portions:
        return None
    return Weighed(
        steps=cutover.steps,
        portions=choice.portions,
        mover=choice.mover,
        budget_per_second=cutover.budget_per_second,
        wait_seconds=cutover.evacuation.wait_health_check_seconds,
        thresholds=cutover.gates,
        spread_seconds=can_of(settings).spread_seconds,
    )
