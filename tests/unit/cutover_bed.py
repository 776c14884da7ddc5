"""Whole cutovers over a world in memory: their manner, and runs that go to the end or stop at a given place."""

from __future__ import annotations

from collections.abc import Sequence

from components.cutover.gates import Thresholds
from components.cutover.movers import Choice
from components.cutover.steps import parse_steps
from components.cutover.words import Colour
from components.links.opening import open_run
from components.links.shift import Manner, carry_out
from tests.unit.fake_world import World

QUIET = Thresholds(connect_latency_p99_milliseconds=None)


CE = Choice(mover="kick")
EE = Choice(mover="kick", shuts=True)
EVACUATION = Choice(mover="evacuation", shuts=True)
CLOSE = Choice(mover="close")
CHOICES = {"ce": CE, "ee": EE, "evacuation": EVACUATION, "close": CLOSE, "close, ee": Choice(mover="close", shuts=True)}
"""What may be chosen in strategy two-cluster behind a router that knows clients."""


def manner(shares: Sequence[float], budget: int = 50, gates: Thresholds = QUIET, mover: Choice = EE) -> Manner:
    steps = parse_steps([{"share": share} for share in shares])
    return Manner(steps=steps, budget_per_second=budget, gates=gates, mover=mover)


async def up(world: World, how: Manner, token: str, to: Colour = "green", acknowledged: Sequence[str] = ()) -> str:
    """What the chain does between data and report."""
    run = world.run(token)
    opened = await open_run(run, to, ("blue", "green"), acknowledged, budget_per_second=50, keep_stale=False)
    if opened.direction != "nothing":
        for step in how.steps:
            await carry_out(run, step.name, to, how, opened.direction)
        await carry_out(run, "drain", to, how, opened.direction)
    return opened.direction


async def half_way(world: World) -> None:
    """A run that ended after the first step."""
    run = world.run("a")
    opened = await open_run(run, "green", ("blue", "green"), ("sessions",), budget_per_second=50, keep_stale=False)
    await carry_out(run, "shift-50", "green", manner([50, 100]), opened.direction)


async def opened_only(world: World, token: str) -> None:
    """A run that ended before the first share."""
    await open_run(world.run(token), "green", ("blue", "green"), (), budget_per_second=50, keep_stale=False)
