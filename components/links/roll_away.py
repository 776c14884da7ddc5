"""Taking the clients off one node before it stops, with their sessions: closed at the balancer at the budget, evacuated to the others where there is evacuation.

The rule: new clients are kept away first, and nobody is told to go by a packet who can be closed: a DISCONNECT ends some libraries for good
(docs/emqx/clients.md#which-mover-is-safe). What an evacuation takes is who came by another way, and the sessions of clients that are offline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from components.cutover.evacuation import Evacuation
from components.cutover.pace import Pace, limit_seconds
from components.cutover.roll_forecast import By, mover
from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.errors import GaveUp
from components.movers import stilled
from components.routers.base import SeenAs
from components.run.run import Run
from components.run.waiting import until

SETTLE_SECONDS = 0.3
"""A connection that the balancer accepted before the node was drained reaches the node's list within this time."""
ROUNDS = 12
SLACK_SECONDS = 60.0
POLL_SECONDS = 0.2
BACK_SECONDS = 12.0
"""Longer than the first wait of any kind of client, 10 s (docs/emqx/clients.md#how-long-they-wait)."""


Opens = Callable[[Sequence[str]], AbstractAsyncContextManager[Cluster]]
"""Opens the cluster as some of its nodes have it."""


class Away(NamedTuple):
    """The node, the step that moves its clients, how it is asked alone, at what rate, and node evacuation's knobs."""

    colour: Colour
    node: str
    step: str
    of_nodes: Opens
    budget_per_second: int
    knobs: Evacuation


async def shut(run: Run, away: Away) -> None:
    """Keep new clients from the node at the balancer; those that it has stay."""
    await run.act("server", colour=away.colour, node=away.node, state="drain")
    await run.set_server(away.colour, away.node, "drain")


async def means(run: Run, colour: Colour) -> By:
    """By what clients leave a node of the colour."""
    evacuates = await run.clusters[colour].has_evacuation()
    return mover(closes=run.closes(colour), evacuates=evacuates)


async def move(run: Run, away: Away) -> Counter[str]:
    """Take all clients off; how many were, by mover.

    Raises:
        GaveUp: clients are left that no mover reaches.

    """
    before = sum((await run.clusters[away.colour].live_connections()).values())
    moved: Counter[str] = Counter(close=await close(run, away, None) if run.closes(away.colour) else 0)
    if moved["close"]:
        await _until_back(run, away, before)
    if await run.clusters[away.colour].has_evacuation():
        moved["evacuation"] = await _evacuate(run, away)
    return moved


async def _until_back(run: Run, away: Away, before: int) -> None:
    """Until the clients have come to other nodes, or as long as most kinds wait: a session that is carried while its client comes back throws it off."""
    end = run.clock.now() + BACK_SECONDS
    while run.clock.now() < end:
        end += await run.checkpoint()
        if sum((await run.clusters[away.colour].live_connections()).values()) >= before:
            return
        await run.clock.sleep(POLL_SECONDS)


async def close(run: Run, away: Away, most: int | None, before: set[str] | None = None) -> int:
    """Close the connections of the node's clients at the balancer, at the budget; all of them, or ``most``.

    ``before`` are the ids of those who were moved already: they are the last to be moved again, and whoever is moved is added. A client that reaches the node without the balancer is not found there and stays.
    """
    orders, done = run.router.can.act_seconds, 0
    pace = Pace.by_orders(away.budget_per_second, at=run.clock.now(), act_seconds=orders)
    seen_as: SeenAs = "client" if run.clusters[away.colour].handle.proxy_protocol else "balancer"
    for _ in range(ROUNDS):
        await run.checkpoint()
        mark = await run.router.mark()
        async with away.of_nodes([away.node]) as alone:
            ids = {one.address: one.client_id for one in await alone.connected_clients()}
        found = await run.router.find(away.colour, ids, seen_as=seen_as)
        passed = set() if before is None else before
        wanted = sorted(found, key=lambda one: (ids[one] in passed, one))[: None if most is None else most - done]
        if not wanted:
            return done
        closed = 0
        while closed < len(wanted):
            due, pace = pace.take(run.clock.now())
            batch = wanted[closed : closed + due]
            if batch:
                await run.checkpoint()
                due_now = {one: found[one] for one in batch}
                ended = await run.router.close(away.colour, due_now, seen_as=seen_as, mark=mark)
                passed.update(ids[one] for one in ended)
                run.record("move", step=away.step, mover="close", count=len(ended))
                closed, done = closed + len(batch), done + len(ended)
            await run.clock.sleep(pace.wait_seconds())
        await run.clock.sleep(SETTLE_SECONDS)
    return done


async def _evacuate(run: Run, away: Away) -> int:
    """To the others, sessions too, until nothing is left there; the door stays shut over the restart (docs/emqx/rolling.md#evacuation-over-a-restart)."""
    api = run.clusters[away.colour]
    others = await running_others(run, away)
    live = (await api.live_connections()).get(away.node, 0)
    rate = max(1, min(away.budget_per_second, away.knobs.conn_evict_rate))

    async def begin(node: str) -> bool:
        return await api.evacuation_start(node, away.knobs.model_copy(update={"conn_evict_rate": rate}), others)

    await run.act("evacuation", step=away.step, node=away.node, colour=away.colour, live=live, rates={away.node: rate})
    await begin(away.node)

    async def look() -> tuple[bool | None, str]:
        facts = (await api.evacuations()).get(away.node)
        if facts is None and not any(one.name == away.node and one.running for one in await api.nodes()):
            raise died(away)
        state = "none" if facts is None else facts.state
        left = (await api.live_connections()).get(away.node, 0)
        return (True if state == "prohibiting" and not left else None), f"{left} live connections, state {state}"

    await until(
        run,
        look,
        tried=f"evacuating {away.node}",
        node=away.node,
        todo="look at this node; the next pulumi up goes on with it",
        limit_seconds=SLACK_SECONDS
        + away.knobs.wait_health_check_seconds
        + away.knobs.wait_takeover_seconds
        + 10 * limit_seconds(live, rate),
        every_seconds=POLL_SECONDS,
        still=stilled.evacuations(run, away.colour, [away.node], begin, lambda facts: facts.without_sessions),
    )
    if live:
        run.record("move", step=away.step, mover="evacuation", count=live)
    return live


async def running_others(run: Run, away: Away) -> Sequence[str]:
    """The other nodes that run, who get its clients and sessions."""
    api = run.clusters[away.colour]
    facts = {one.name: one.running for one in await api.nodes()}
    return [name for name in api.node_names if name != away.node and facts.get(name)]


async def left(run: Run, away: Away) -> int:
    """The connections that the node still has."""
    return (await run.clusters[away.colour].live_connections()).get(away.node, 0)


def died(away: Away) -> GaveUp:
    """What is said of a node that stops while its clients are taken off: what was left on it came to others without their sessions."""
    return GaveUp(
        f"evacuating {away.node}",
        node=away.node,
        seen="it does not run any more; it is out of the balancer",
        todo="look at its log; the next pulumi up goes on with it: copies its data and starts the declared version on them",
    )


def stuck(away: Away, count: int) -> GaveUp:
    """What is said of clients that nothing took off."""
    return GaveUp(
        f"taking the clients off {away.node}",
        node=away.node,
        seen=f"{count} are still connected and do not pass the balancer",
        todo="let these clients connect through the balancer; where they may lose their connection with the node: acknowledge: [sessions]",
    )
