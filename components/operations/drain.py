"""Draining the old colour by node evacuation of all its nodes at once; the share is at the new colour before it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.cutover.evacuation import Evacuation, adoptable
from components.cutover.pace import split
from components.cutover.words import Colour
from components.emqx.answers import EvacuationFacts
from components.emqx.errors import GaveUp, Refused, Retryable
from components.operations.moving import Moved
from components.operations.run import Run

BURST_SECONDS = 1.0
"""EMQX evicts in one burst a second (behaviour.md section 1); nodes that start apart do not burst at the same instant."""
POLL_SECONDS = 0.1
POLL_PATIENCE_SECONDS = 1.0
LOST_NODE_SECONDS = 10.0
"""A node that is gone for so long has no clients left (two-cluster.md section H: missing, then `stopped` without numbers)."""


async def evacuate(
    run: Run,
    colour: Colour,
    *,
    budget_per_second: int,
    knobs: Evacuation,
    limit_seconds: float,
    moved: Moved,
    notice: Callable[[], None],
) -> None:
    """Evacuate every node of the colour and wait until no live connection is left on any.

    Done as two-cluster.md section D defines it: live connections 0 on every node and every state past
    ``evicting_conns``. With nobody to receive the sessions EMQX stays in ``evicting_sessions``; that is not waited out.

    Raises:
        Refused: somebody else evacuates these nodes in a way that does not fit.
        GaveUp: after ``limit_seconds``, with the states and counts that were last seen.

    """
    api = run.clusters[colour]
    live = await api.live_connections()
    moved.to_move = sum(live.values())
    status = (await api.http.call("GET", "/load_rebalance/global_status")).json()
    adoption = adoptable(status, list(live), budget_per_second)
    if adoption.refused:
        raise Refused(
            f"draining {colour}",
            node=colour,
            seen=f"an evacuation that this run did not start does not fit: {adoption.refused}",
            todo="let it finish or stop it, then run pulumi up again; it is never fought over",
        )
    rates = split(adoption.budget_left, {node: live[node] for node in adoption.missing}, knobs.conn_evict_rate)
    await run.act("evacuation", colour=colour, rates=rates, adopted=adoption.adopted)
    for node, rate in rates.items():
        await run.checkpoint()
        await api.evacuation_start(node, _body(rate, knobs))
        await run.clock.sleep(BURST_SECONDS / len(rates))
    await _wait_until_empty(run, colour, list(live), limit_seconds, moved, notice)


def _body(rate: int, knobs: Evacuation) -> dict[str, Any]:
    return {
        "wait_health_check": f"{knobs.wait_health_check_seconds}s",
        "wait_takeover": f"{knobs.wait_takeover_seconds}s",
        "conn_evict_rate": rate,
        "sess_evict_rate": knobs.sess_evict_rate,
    }


@dataclass
class _Emptying:
    """What the polls of one drain have seen so far."""

    nodes: list[str]
    left: int
    moving_since: float | None = None
    gone_since: dict[str, float] = field(default_factory=dict)
    seen: str = "nothing yet"

    def look(self, live: Mapping[str, int], running: Mapping[str, EvacuationFacts], now: float) -> int:
        """Take in one poll; returns how many clients left since the last one."""
        left = sum(live.values())
        gone, self.left = max(0, self.left - left), left
        self.gone_since = {node: self.gone_since.get(node, now) for node in self.nodes if node not in live}
        if self.moving_since is None and any(facts.state != "waiting_health_check" for facts in running.values()):
            self.moving_since = now
        states = {node: facts.state for node, facts in running.items()}
        self.seen = f"{left} live connections, states {states}, gone {sorted(self.gone_since)}"
        return gone

    def done(self, running: Mapping[str, EvacuationFacts], now: float) -> bool:
        """Nobody is left and every node is past evicting, or has been gone for long enough."""
        return self.left == 0 and all(
            now - self.gone_since[node] >= LOST_NODE_SECONDS
            if node in self.gone_since
            else node in running and running[node].past_evicting
            for node in self.nodes
        )


async def _wait_until_empty(
    run: Run, colour: Colour, nodes: list[str], limit_seconds: float, moved: Moved, notice: Callable[[], None]
) -> None:
    api = run.clusters[colour]
    began = run.clock.now()
    emptying = _Emptying(nodes, left=moved.to_move)
    while (now := run.clock.now()) - began < limit_seconds:
        await run.checkpoint()
        try:
            live = await api.live_connections(patience_seconds=POLL_PATIENCE_SECONDS)
            running = await api.evacuations(patience_seconds=POLL_PATIENCE_SECONDS)
        except Retryable as passing:
            emptying.seen = str(passing)
        else:
            gone = emptying.look(live, running, now)
            if gone:
                moved.count += gone
                run.record("move", step="drain", mover="evacuation", count=gone)
            if emptying.left == 0 and emptying.moving_since is not None and not moved.seconds:
                moved.seconds = now - emptying.moving_since
            if emptying.done(running, now):
                return
            notice()
        await run.clock.sleep(POLL_SECONDS)
    raise GaveUp(
        f"draining {colour}",
        node=", ".join(nodes),
        seen=f"after {limit_seconds:g} s: {emptying.seen}",
        todo="look at these nodes; the next pulumi up adopts the evacuation where it stands",
    )
