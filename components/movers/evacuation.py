"""Draining the old colour by node evacuation of all its nodes at once; the share is at the new colour before it begins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.cutover.evacuation import MOST_WAIT_SECONDS, Adoption, adoptable
from components.cutover.pace import evacuation_limit_seconds, limit_seconds, split
from components.cutover.portions import staying
from components.cutover.words import Colour
from components.emqx.answers import EvacuationFacts
from components.emqx.errors import GaveUp, Refused, Retryable
from components.movers import stilled
from components.movers.task import Task
from components.run.orders import Still
from components.run.run import Run

BURST_SECONDS = 1.0
"""EMQX evicts in one burst a second (docs/emqx/evacuation.md#phases); nodes that start apart do not burst at the same instant."""
WAITING = "waiting_health_check"
"""Clients are still let in and nobody is evicted; EMQX's own default is 60 s of it (docs/emqx/evacuation.md#timing)."""
SLACK = 10
"""A drain may take this many times its shortest time, and never less than a minute, before it gives up."""
POLL_SECONDS = 0.1
POLL_PATIENCE_SECONDS = 0.8
"""Two questions and a look at the ledger are to take less than two seconds: so soon an order is heard."""
LOST_NODE_SECONDS = 10.0
"""A node that is gone for so long has no clients left (docs/emqx/cluster.md#a-node-dies: missing, then `stopped` without numbers)."""


async def carry_out(run: Run, task: Task) -> None:
    """The mover ``evacuation``: everybody, or a portion of them, so ``green_parts`` are not looked at."""
    live = sum((await run.clusters[task.source].live_connections()).values())
    limit = max(60.0, SLACK * limit_seconds(live, task.budget_per_second)) + task.knobs.wait_health_check_seconds
    await evacuate(run, task, limit)


async def evacuate(run: Run, task: Task, shortest_limit_seconds: float) -> None:
    """Evacuate every node of the source and wait until no live connection is left on any, or until the portion of them has left.

    Done (docs/emqx/evacuation.md#all-nodes-at-once): live connections 0 on every node and every state past
    ``evicting_conns``. With nobody to receive the sessions EMQX stays in ``evicting_sessions``; that is not waited out.
    With recipients, nodes of the same cluster, the sessions go there and every node becomes ``prohibiting``
    (recording B3_evacuate_all_old_ee); an evacuation that sends them elsewhere is begun again, since a node that restarts forgets whereto.
    ``task.moved.to_move`` leaves out those on nodes that still wait for the health check. With a portion the evacuations are stopped once
    it has left; a second's worth more may go. Slow rates and long waits get more time than ``shortest_limit_seconds``.

    Raises:
        Refused: somebody else evacuates these nodes in a way that does not fit.
        GaveUp: too late even for the rates and waits, with the states and counts that were last seen.

    """
    colour, api, carries = task.source, run.clusters[task.source], bool(task.recipients)
    live = await api.live_connections()
    await _stop_astray(run, colour, task.recipients)
    adoption = await _adopt(run, colour, list(live), task.budget_per_second)
    missing = split(adoption.budget_left, {node: live[node] for node in adoption.missing}, task.knobs.conn_evict_rate)
    rates = {**adoption.rates, **missing}
    _refuse_above(colour, live, rates, task.budget_per_second)

    async def begin(node: str) -> bool:
        rate = rates.get(node, task.knobs.conn_evict_rate)
        return await api.evacuation_start(
            node, task.knobs.model_copy(update={"conn_evict_rate": rate}), task.recipients
        )

    still = stilled.evacuations(run, colour, live, begin, lambda facts: _has_done(facts, carries=carries))
    total = sum(live.values())
    await run.checkpoint(still)
    await run.act("evacuation", step=task.step, colour=colour, live=total, rates=missing, adopted=adoption.adopted)
    for node in missing:
        await run.checkpoint(still)
        await begin(node)
        await run.clock.sleep(BURST_SECONDS / len(missing) if total else 0.0)
    limit = max(shortest_limit_seconds, evacuation_limit_seconds(live, rates))
    if carries:
        limit += SLACK * sum((await api.session_totals())[:2]) / task.knobs.sess_evict_rate
    counted = {**dict.fromkeys(api.node_names, 0), **live}
    emptying = _Emptying(counted, carries=carries, stays=staying(total, task.portion))
    await _wait_until_empty(run, task, emptying, limit, still)
    if emptying.stays:
        await _stop(run, task, emptying)


async def _stop(run: Run, task: Task, emptying: _Emptying) -> None:
    """The portion has left, and those of the last second with it: the others stay until it has been judged."""
    api, moved = run.clusters[task.source], task.moved
    running = await api.evacuations()
    await run.act("portion", step=task.step, colour=task.source, stopped=sorted(running))
    await asyncio.gather(*map(api.evacuation_stop, running))
    gone = emptying.look(await api.live_connections(), {}, run.clock.now())
    if gone:
        moved.count += gone
        moved.to_move = max(moved.to_move, moved.count)
        run.record("move", step=task.step, mover="evacuation", count=gone)


async def _stop_astray(run: Run, colour: Colour, recipients: tuple[str, ...]) -> None:
    """End the evacuations whose sessions would go to other nodes than these."""
    if not recipients:
        return
    running = await run.clusters[colour].evacuations()
    for node, facts in running.items():
        if not facts.session_recipients or not set(facts.session_recipients) <= set(recipients):
            await run.act("evacuation", colour=colour, stopped=node, recipients=list(facts.session_recipients))
            await run.clusters[colour].evacuation_stop(node)


def _refuse_above(colour: Colour, live: Mapping[str, int], rates: Mapping[str, int], budget_per_second: int) -> None:
    """EMQX evicts at least one client per second on each node (docs/emqx/evacuation.md#values); fewer clients than the budget may all go at once."""
    most = sum(min(rate, live.get(node, 0)) for node, rate in rates.items())
    if most > budget_per_second:
        raise Refused(
            f"draining {colour}",
            node=colour,
            seen=f"an evacuation of {len(rates)} nodes moves {most} clients per second, the budget is {budget_per_second}",
            todo=f"set emqx:cutover.budgetPerSecond to {most} or more, or emqx:cutover.mover to kick",
        )


async def _adopt(run: Run, colour: Colour, nodes: list[str], budget_per_second: int) -> Adoption:
    api = run.clusters[colour]
    status = await api.evacuation_status()
    adoption = adoptable(status, nodes, budget_per_second)
    if adoption.refused:
        raise Refused(
            f"draining {colour}",
            node=colour,
            seen=f"an evacuation that this run did not start does not fit: {adoption.refused}",
            todo="let it finish or stop it, then run pulumi up again; it is never fought over",
        )
    return adoption


@dataclass
class _Emptying:
    """What the polls of one drain have seen so far; ``counted`` are the live connections before it, by node, ``carries`` is whether the sessions go too, ``stays`` is how many are left alone."""

    counted: Mapping[str, int]
    carries: bool = False
    stays: int = 0
    left: int = field(init=False)
    waits: bool = False
    leaving: int = 0
    moving_since: float | None = None
    gone_since: dict[str, float] = field(default_factory=dict)
    seen: str = "nothing yet"

    def __post_init__(self) -> None:
        """Nobody has left yet."""
        self.left = sum(self.counted.values())

    def look(self, live: Mapping[str, int], running: Mapping[str, EvacuationFacts], now: float) -> int:
        """Take in one poll; returns how many clients left since the last one."""
        left = sum(live.values())
        gone, self.left = max(0, self.left - left), left
        self.gone_since = {node: self.gone_since.get(node, now) for node in self.counted if node not in live}
        waiting = {node for node, facts in running.items() if facts.state == WAITING}
        self.waits = bool(waiting)
        self.leaving = sum(count for node, count in live.items() if node not in waiting)
        if self.moving_since is None and waiting != set(running):
            self.moving_since = now
        states = {node: facts.state for node, facts in running.items()}
        self.seen = f"{left} live connections, states {states}, gone {sorted(self.gone_since)}"
        return gone

    def done(self, running: Mapping[str, EvacuationFacts], now: float) -> bool:
        """Nobody is left and every node is past evicting, or has been gone for long enough; or no more than those who stay are left."""
        if self.left:
            return self.has_left
        return all(
            now - self.gone_since[node] >= LOST_NODE_SECONDS
            if node in self.gone_since
            else node in running and _has_done(running[node], carries=self.carries)
            for node in self.counted
        )

    @property
    def has_left(self) -> bool:
        """Whether nobody more is to go."""
        return self.left <= self.stays

    @property
    def going(self) -> int:
        """Who is still to go, and may."""
        return max(0, self.leaving - self.stays)


def _has_done(facts: EvacuationFacts, *, carries: bool) -> bool:
    return facts.without_sessions if carries else facts.past_evicting


async def _wait_until_empty(run: Run, task: Task, emptying: _Emptying, limit_seconds: float, still: Still) -> None:
    api, moved = run.clusters[task.source], task.moved
    began = run.clock.now()
    end = began + limit_seconds
    while (now := run.clock.now()) < end:
        held = await run.checkpoint(still)
        now, began, end = now + held, began + held, end + held
        try:
            live = await api.live_connections(patience_seconds=POLL_PATIENCE_SECONDS)
            running = await api.evacuations(patience_seconds=POLL_PATIENCE_SECONDS)
        except Retryable as passing:
            emptying.seen = str(passing)
        else:
            gone = emptying.look(live, running, now)
            if emptying.waits:
                end = min(now, began + MOST_WAIT_SECONDS) + limit_seconds
            moved.to_move = moved.count + gone + emptying.going
            if gone:
                moved.count += gone
                run.record("move", step=task.step, mover="evacuation", count=gone)
            if moved.count and emptying.has_left and emptying.moving_since is not None and not moved.seconds:
                moved.seconds = now - emptying.moving_since
            if emptying.done(running, now):
                return
            task.notice()
        await run.clock.sleep(POLL_SECONDS)
    raise GaveUp(
        f"draining {task.source}",
        node=", ".join(emptying.counted),
        seen=f"after {run.clock.now() - began:.0f} s: {emptying.seen}",
        todo="look at these nodes; the next pulumi up adopts the evacuation where it stands",
    )
