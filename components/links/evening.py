"""The end of a roll: the node that was restarted last is empty, and clients of the others are moved to it until the loads are even.

The rule: it moves as few as it must, each once; where the balancer cannot close a connection nobody is moved, and that is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cutover.roll_memory import UNEVEN
from components.cutover.spread import WITHIN, even, excess
from components.emqx.errors import GaveUp
from components.links.roll import Rolling, step_of
from components.links.roll_away import close

ROUNDS = 6
BACK_SECONDS = 60.0
POLL_SECONDS = 0.5


async def even_out(rolling: Rolling) -> dict[str, Any]:
    """Bring the loads within a tenth of their mean; ``{"moved", "loads"}``.

    Raises:
        GaveUp: they are not after some rounds; the roll itself is done.

    """
    run, step = rolling.run, "rebalance"
    began, moved, loads = run.clock.now(), 0, await _settled(rolling, 0)
    run.record("step", **step_of(step), phase="begin")
    if not run.router.can.closes_clients and not even(loads):
        run.warn(f"the nodes are not even, {_shown(loads)}: this balancer cannot close a client's connection")
    elif run.router.can.closes_clients:
        for _ in range(ROUNDS):
            gives = excess(loads)
            if not gives:
                break
            total = sum(loads.values())
            for node, count in gives.items():
                moved += await close(run, rolling.away(node), count)
            loads = await _settled(rolling, total)
            run.progress(f"{step}: {moved} clients moved, {_shown(loads)}")
        else:
            raise GaveUp(
                "evening out the nodes",
                node=rolling.colour,
                seen=f"after {ROUNDS} rounds and {moved} clients: {_shown(loads)}, not within {WITHIN:.0%}",
                todo="look for clients that do not pass the balancer; every node runs the declared version, and pulumi up evens out again",
            )
    seconds = round(run.clock.now() - began, 3)
    run.record("step", **step_of(step), phase="end", clients=moved, moving_seconds=seconds)
    await run.act("evened", loads=dict(loads))
    await run.remember({UNEVEN: None})
    return {"moved": moved, "loads": dict(loads)}


async def _settled(rolling: Rolling, total: int) -> Mapping[str, int]:
    """The loads once as many are back as there were, or after a while."""
    run, end = rolling.run, rolling.run.clock.now() + BACK_SECONDS
    while True:
        await run.checkpoint()
        loads = await run.clusters[rolling.colour].live_connections()
        if sum(loads.values()) >= total or run.clock.now() >= end:
            return loads
        await run.clock.sleep(POLL_SECONDS)


def _shown(loads: Mapping[str, int]) -> str:
    return " / ".join(f"{count}" for count in loads.values())
