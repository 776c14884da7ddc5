"""The end of a roll: the node that was restarted last is empty, and clients of the others are moved to it until the loads are even.

The rule: it moves as few as it must, each once. Where the balancer cannot close a connection Enterprise's own rebalance does it, which tells
MQTT 5 clients to go and shuts the fuller nodes meanwhile; where there is neither nobody is moved, and that is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cutover.roll_forecast import evener
from components.cutover.roll_memory import UNEVEN
from components.cutover.spread import WITHIN, even, excess, fullest, levels
from components.emqx.errors import GaveUp
from components.emqx.moving import Levelling
from components.links.donors import keep_out, let_in
from components.links.filling import bounded
from components.links.roll import Rolling, step_of
from components.links.roll_away import close
from components.movers import stilled
from components.run.waiting import until

STEP = "rebalance"
ROUNDS = 6
BACK_SECONDS = 60.0
POLL_SECONDS = 0.5
SLACK_SECONDS = 60.0


async def even_out(rolling: Rolling) -> dict[str, Any]:
    """Bring the loads within a tenth of their mean; ``{"moved", "loads"}``.

    Raises:
        GaveUp: they are not after some rounds; the roll itself is done.

    """
    run = rolling.run
    began, moved, loads = run.clock.now(), 0, await _settled(rolling, 0)
    rebalances = await run.clusters[rolling.colour].has_rebalance()
    step = step_of(STEP, evener(closes=run.closes(rolling.colour), rebalances=rebalances))
    run.record("step", **step, phase="begin")
    async with bounded(run, last=True):
        if run.closes(rolling.colour):
            moved, loads = await _by_closing(rolling, loads)
        elif rebalances:
            moved, loads = await _by_rebalance(rolling, loads)
            await let_in(run, rolling.colour)
        elif not even(loads):
            run.warn(f"the nodes are not even, {_shown(loads)}: this balancer cannot close a client's connection")
    seconds = round(run.clock.now() - began, 3)
    run.record("step", **step, phase="end", clients=moved, moving_seconds=seconds)
    await run.act("evened", loads=dict(loads))
    await run.remember({UNEVEN: None})
    return {"moved": moved, "loads": dict(loads)}


async def _by_closing(rolling: Rolling, loads: Mapping[str, int]) -> tuple[int, Mapping[str, int]]:
    run, moved, before = rolling.run, 0, set[str]()
    for _ in range(ROUNDS):
        gives = excess(loads)
        if not gives:
            return moved, loads
        total = sum(loads.values())
        for node, count in gives.items():
            moved += await close(run, rolling.away(node, STEP), count, before)
        loads = await _settled(rolling, total)
        run.progress(f"rebalance: {moved} clients moved, {_shown(loads)}")
    raise _uneven(rolling, moved, loads, "look for clients that do not pass the balancer")


async def _by_rebalance(rolling: Rolling, loads: Mapping[str, int]) -> tuple[int, Mapping[str, int]]:
    """By EMQX itself, again while it overshoots; it ends by itself, and one that a run before has begun is waited for (recording D6_rebalance_ee)."""
    run, api, moved = rolling.run, rolling.run.clusters[rolling.colour], 0
    for _ in range(ROUNDS):
        running = (await api.evacuation_status()).get("rebalances")
        if even(loads) and not running:
            return moved, loads
        total, wanted = sum(loads.values()), levels(loads, rolling.budget_per_second)
        knobs = rolling.knobs.model_copy(update={"conn_evict_rate": wanted.rate})
        if not running:
            await keep_out(run, rolling.colour, fullest(loads))
            await run.act("rebalance", colour=rolling.colour, loads=dict(loads), **wanted._asdict())
            if not await api.rebalance_start(api.node_names[0], Levelling(knobs, wanted.above, wanted.times)):
                run.warn(f"the nodes are not even, {_shown(loads)}: EMQX finds nothing to balance")
                return moved, loads
        await _until_balanced(rolling, total / wanted.rate)
        await let_in(run, rolling.colour)
        after = await _settled(rolling, total)
        gone = sum(max(0, loads[name] - after.get(name, 0)) for name in loads)
        run.record("move", step=STEP, mover="rebalance", count=gone)
        moved, loads = moved + gone, after
        run.progress(f"rebalance: {moved} clients moved, {_shown(loads)}")
    if even(loads):
        return moved, loads
    raise _uneven(rolling, moved, loads, "look at what sends clients to the nodes")


async def _until_balanced(rolling: Rolling, seconds: float) -> None:
    run, api, knobs = rolling.run, rolling.run.clusters[rolling.colour], rolling.knobs

    async def look() -> tuple[bool | None, str]:
        running = (await api.evacuation_status()).get("rebalances") or []
        return (None if running else True), f"{len(running)} rebalances run, {_shown(await api.live_connections())}"

    await until(
        run,
        look,
        tried="waiting for the rebalance",
        node=rolling.colour,
        todo="look at GET /load_rebalance/global_status; every node runs the declared version, and pulumi up evens out again",
        limit_seconds=SLACK_SECONDS + knobs.wait_health_check_seconds + knobs.wait_takeover_seconds + 2 * seconds,
        every_seconds=POLL_SECONDS,
        still=stilled.rebalances(run, rolling.colour),
    )


def _uneven(rolling: Rolling, moved: int, loads: Mapping[str, int], todo: str) -> GaveUp:
    return GaveUp(
        "evening out the nodes",
        node=rolling.colour,
        seen=f"after {ROUNDS} rounds and {moved} clients: {_shown(loads)}, not within {WITHIN:.0%}",
        todo=f"{todo}; every node runs the declared version, and pulumi up evens out again",
    )


async def _settled(rolling: Rolling, total: int) -> Mapping[str, int]:
    """The loads once as many are back as there were, or after a while."""
    run, end = rolling.run, rolling.run.clock.now() + BACK_SECONDS
    while True:
        end += await run.checkpoint()
        loads = await run.clusters[rolling.colour].live_connections()
        if sum(loads.values()) >= total or run.clock.now() >= end:
            return loads
        await run.clock.sleep(POLL_SECONDS)


def _shown(loads: Mapping[str, int]) -> str:
    return " / ".join(f"{count}" for count in loads.values())
