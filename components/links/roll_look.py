"""The nodes of a colour as a roll finds them, asked anew before every decision.

The rule: what a running node is, it says itself; of one that does not run the ledger and its keeper know what it ran.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.cutover.roll import Release, RollError, RollNode, refuse_two_out
from components.cutover.roll_memory import InWork, donors, in_work
from components.cutover.versions import Version, leading
from components.cutover.words import Colour
from components.emqx.answers import EvacuationFacts, NodeFacts
from components.emqx.base import Cluster, of_colour
from components.emqx.errors import Refused
from components.routers.base import Server
from components.run.run import Run


def release_of(facts: NodeFacts) -> Release | None:
    """What a running node says that it is, without what a build of one's own has behind its version."""
    found = leading(facts.version or "")
    if not facts.running or facts.edition is None or found is None or found.patch is None:
        return None
    return Release(str(Version(*found.line, found.patch)), facts.edition)


async def versions_of(api: Cluster) -> tuple[str, ...]:
    """The versions that the running nodes of a colour say they are, each once; one that does not say is not among them."""
    found = (release_of(one) for one in of_colour(api, await api.nodes()).values())
    return tuple(sorted({release.version for release in found if release is not None}))


async def observed(run: Run, colour: Colour) -> tuple[RollNode, ...]:
    """All declared nodes, in their order.

    Raises:
        Unreachable, NotNow: no node can say who is there.

    """
    servers = (await run.router.servers()).get(colour, {})
    return await nodes_of(run.clusters[colour], colour, servers, await run.memory())


async def nodes_of(
    api: Cluster, colour: Colour, servers: Mapping[str, Server], memory: Mapping[str, str]
) -> tuple[RollNode, ...]:
    """The same of what the balancer and the ledger say; without ``servers`` every node counts as one that it gives clients to."""
    facts = of_colour(api, await api.nodes())
    closed = await api.evacuations()
    work = in_work(memory, colour)
    evened = donors(memory, colour)
    shut = {name for name, server in servers.items() if server.state != "ready" and name not in evened}
    return tuple(_node(name, facts, closed, shut, work) for name in api.node_names)


def _node(
    name: str,
    facts: Mapping[str, NodeFacts],
    closed: Mapping[str, EvacuationFacts],
    shut: set[str],
    work: InWork | None,
) -> RollNode:
    mine = work if work is not None and work.node == name else None
    here = facts.get(name)
    running = here is not None and here.running
    return RollNode(
        name=name,
        release=release_of(here) if here is not None and running else (mine.release if mine else None),
        running=running,
        ready=running and mine is None,
        shut=name in shut or name in closed,
        clients=(here.live_connections or 0) if here is not None else 0,
        copied=mine is not None and mine.copied,
    )


def refuse_broken(colour: Colour, nodes: tuple[RollNode, ...]) -> None:
    """Refuse to take a node out beside one that is out.

    Raises:
        Refused: names them.

    """
    try:
        refuse_two_out(nodes)
    except RollError as why:
        todo = "bring the others back first, then run pulumi up again; nobody was touched"
        raise Refused(f"rolling {colour}", node=colour, seen=str(why), todo=todo) from None
