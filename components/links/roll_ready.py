"""A node that went and came back: gone for the others before its files are touched, and let in again only when it is a member that refuses wrong clients.

The rule: a booting node lets everybody in and answers 200 (docs/emqx/cluster.md#a-joining-node-lets-everybody-in), and an evacuated one refuses
everybody until its evacuation is stopped; so first the API is right twice, then the evacuation stops, then the probes are right twice.
"""

from __future__ import annotations

from components.cutover.words import Colour
from components.emqx.base import Cluster
from components.emqx.probes import Prober, Topics
from components.links.readiness import mqtt_state, twice
from components.links.roll_away import Opens
from components.links.storage import unsettled
from components.migration.inventory import blocking, compare, while_clients_write
from components.run.run import Run
from components.run.waiting import until

GONE_SECONDS = 60.0
BACK_SECONDS = 180.0
"""Longest boot that was recorded: 19 s on two busy cores (docs/emqx/rolling.md#three-ways)."""


async def wait_until_gone(run: Run, colour: Colour, node: str) -> None:
    """Until the others do not count it among those that run."""
    api = run.clusters[colour]
    if len(api.node_names) == 1:
        return  # nobody is left to say so

    async def look() -> tuple[bool | None, str]:
        running = [one.name for one in await api.nodes() if one.running]
        return (None if node in running else True), f"the others see {', '.join(running)} running"

    todo = "look whether its process has ended"
    await until(run, look, tried=f"stopping {node}", node=node, todo=todo, limit_seconds=GONE_SECONDS)


async def wait_until_in(run: Run, colour: Colour, node: str) -> None:
    """Until the balancer has a node fully up that it may give clients to again.

    Raises:
        GaveUp: not in the time that such a balancer takes.

    """

    async def look() -> tuple[bool | None, str]:
        up = (await run.router.health()).get(colour, {}).get(node)
        return up or None, "up" if up else "not up"

    await until(
        run,
        look,
        tried=f"waiting for {node} behind the balancer",
        node=node,
        todo="look at the health check between the balancer and its API port",
        limit_seconds=run.router.can.up_seconds,
    )


async def wait_until_back(run: Run, colour: Colour, node: str, of_nodes: Opens) -> None:
    """Until the node is a member whose tables are in step, open, and right to clients; each seen twice in a row.

    Raises:
        GaveUp: not in time; says what was last seen.

    """
    api, end = run.clusters[colour], run.clock.now() + BACK_SECONDS
    end = await twice(run, colour, lambda: _member_state(api, node), end, BACK_SECONDS)
    if node in await api.evacuations():
        await run.act("open", colour=colour, nodes=[node])
        await api.evacuation_stop(node)
    await api.sweep()
    async with api.temporary_account(Topics.fresh(None).rules()) as account, of_nodes([node]) as alone:

        async def look() -> str:
            wrong = await _member_state(api, node) or await mqtt_state(alone, account)
            return wrong or await unlike_the_others(api, node)

        await twice(run, colour, look, end, BACK_SECONDS)


async def _member_state(api: Cluster, node: str) -> str:
    """What is not yet right with this node as the API of every node sees it; nothing when all is."""
    names = set(api.node_names)
    for one in api.node_names:
        members = set(await api.cluster_members(one, patience_seconds=0))
        if members != names:
            return f"{one} sees {', '.join(sorted(members))} as the cluster, without {', '.join(sorted(names - members)) or 'none'}"
        running = {facts.name for facts in await api.nodes(node=one, patience_seconds=0) if facts.running}
        if names - running:
            return f"{one} does not see {', '.join(sorted(names - running))} running"
    await api.ask_authenticators(node)
    return await unsettled(api.storage)


async def unlike_the_others(api: Cluster, node: str) -> str:
    """What the node has otherwise than another member: its tables, or how it treats who gives no name."""
    one = next((name for name in api.node_names if name != node), None)
    if one is None:
        return ""
    here, there = await api.inventory(node=node), await api.inventory(node=one)
    wrong = blocking(compare(while_clients_write(there), here, 0.0))
    if wrong:
        return f"{node} is not in step with {one}: {wrong[0]}"
    nobody, theirs = [await _anonymous(api, name) for name in (node, one)]
    return "" if nobody == theirs else f"{node} answers an anonymous client {nobody}, {one} {theirs}"


async def _anonymous(api: Cluster, name: str) -> str:
    node = next(one for one in api.handle.nodes if one.name == name)
    return (await Prober(node, proxy_protocol=api.handle.proxy_protocol).connects(5, None, None)).seen
