"""Ready: a cluster that has booted, joined and answers MQTT clients as it should, seen twice in a row on every node.

A booting node lets everybody in, then nobody, and answers 200 as a cluster of one; what is written to it before it joins
is lost (docs/emqx/cluster.md#ready). So nothing is written, and no client comes, before this says yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple

from components.cutover.words import Colour, other
from components.emqx.account import Account
from components.emqx.base import Cluster, of_colour
from components.emqx.errors import Fatal, GaveUp, Rejected, Retryable, Unauthorized, UpgradeError
from components.emqx.known import known
from components.emqx.probes import Prober, Topics
from components.run.run import Run

BETWEEN_SECONDS = 2.0
"""Between the two looks (docs/emqx/cluster.md#ready)."""

LIMIT_SECONDS = 120.0
_AGAIN_SECONDS = 0.5
_TODO = "look at the log of the node that is named; start it, or correct the node list in the stack config"

Look = Callable[[], Awaitable[str]]


async def wait_until_ready(
    run: Run,
    colour: Colour,
    *,
    limit_seconds: float = LIMIT_SECONDS,
    without: Collection[str] = (),
    back: bool = False,
    meanwhile: Callable[[], Awaitable[str]] | None = None,
) -> float:
    """Wait until every node of the colour is ready, but those that it is ``without``; the seconds that it took.

    First the API alone, because an account that is made before the nodes have joined is lost; then with MQTT probes. Where both colours are
    one cluster, ready means a member of it, as the running nodes of the other colour see it too, that answers nobody otherwise than they do;
    on the way ``back`` these are not asked, since what is wrong with them may be the reason for it.
    ``meanwhile`` is asked before each look at the API, and says what it did and saw.

    Raises:
        GaveUp: not ready after ``limit_seconds``; says what was last seen, and on which node.
        Unauthorized: the credentials are wrong, which waiting does not mend. Stopped, LeaseLost as ever.

    """
    api, began = run.clusters[colour], run.clock.now()
    beside = Beside(run.clusters[other(colour)], asked=not back) if run.in_one_cluster else None
    end = began + limit_seconds

    async def members() -> str:
        told = await meanwhile() if meanwhile else ""
        wrong = await api_state(api, without, beside)
        return f"{wrong}; {told}" if wrong and told else wrong

    end = await twice(run, colour, members, end, limit_seconds)
    await api.sweep()
    async with api.temporary_account(Topics.fresh(None).rules()) as account:

        async def look() -> str:
            return await api_state(api, without, beside) or await mqtt_state(api, account, without, beside)

        await twice(run, colour, look, end, limit_seconds)
    return run.clock.now() - began


async def wait_until_joined(run: Run, colour: Colour, *, limit_seconds: float = LIMIT_SECONDS) -> None:
    """Wait until the cluster is complete and what is written to it stays; it may still refuse clients.

    Raises: as ``wait_until_ready``.
    """
    api = run.clusters[colour]
    await twice(run, colour, lambda: api_state(api), run.clock.now() + limit_seconds, limit_seconds)


async def twice(run: Run, colour: Colour, look: Look, end: float, limit_seconds: float) -> float:
    """Until two looks in a row, ``BETWEEN_SECONDS`` apart, see nothing wrong; returns ``end``, later by what a hold took."""
    good = 0
    while True:
        end += await run.checkpoint()
        try:
            wrong = await look()
        except Unauthorized:
            raise
        except (Retryable, Rejected) as passing:
            wrong = str(passing)
        good = 0 if wrong else good + 1
        if good == 2:
            return end
        if run.clock.now() >= end:
            seen = f"not ready after {limit_seconds:g} s, last: {wrong or 'ready once, not twice'}"
            raise GaveUp(f"waiting until {colour} is ready", node=colour, seen=seen, todo=_TODO)
        await run.clock.sleep(BETWEEN_SECONDS if good else _AGAIN_SECONDS)


class Beside(NamedTuple):
    """The other colour of the same cluster: ``asked`` about it, or only seen by the colour itself."""

    cluster: Cluster
    asked: bool


async def api_state(api: Cluster, without: Collection[str] = (), beside: Beside | None = None) -> str:
    """What is not ready yet as the API sees it, asking every node but those; nothing when all is.

    ``beside`` is the other colour of the same cluster, whose running nodes are members too; one that does not answer has none.
    """
    nodes = [name for name in api.node_names if name not in without]
    partners = () if beside is None else await running_names(beside.cluster, beside.cluster if beside.asked else api)
    looks = [_node_state(api, name, nodes, partners) for name in nodes]
    if beside is not None and beside.asked:
        looks += [_membership(beside.cluster, name, {*nodes, *partners}) for name in partners]
    states = await asyncio.gather(*looks, return_exceptions=True)
    # A wrong key is told before anything that may still pass.
    for state in states:
        if isinstance(state, Fatal) or (isinstance(state, BaseException) and not isinstance(state, UpgradeError)):
            raise state
    return next((str(state) for state in states if state), "")


async def running_names(colour: Cluster, seen_by: Cluster) -> tuple[str, ...]:
    """The nodes of a colour that run; none where ``seen_by`` does not answer."""
    facts = await known(seen_by.nodes(patience_seconds=0))
    return tuple(name for name, one in of_colour(colour, facts or ()).items() if one.running)


async def _membership(api: Cluster, name: str, declared: Collection[str], partners: Collection[str] = ()) -> str:
    """What is wrong with the cluster as this node sees it; one that sees none of its ``partners`` has not joined them."""
    members = set(await api.cluster_members(name, patience_seconds=0))
    wanted = set(declared)
    if partners and members.isdisjoint(partners):
        return f"{name} is a cluster of its own"
    if members != wanted:
        missing, more = ", ".join(sorted(wanted - members)), ", ".join(sorted(members - wanted))
        return f"{name} sees another cluster than declared: missing {missing or 'none'}, not declared {more or 'none'}"
    facts = {one.name: one for one in await api.nodes(node=name, patience_seconds=0)}
    down = [one for one in declared if one not in facts or not facts[one].running]
    return f"{name} does not see {', '.join(sorted(down))} running" if down else ""


async def _node_state(api: Cluster, name: str, nodes: Sequence[str], beside: Collection[str]) -> str:
    if wrong := await _membership(api, name, [*nodes, *beside], beside):
        return wrong
    facts = {one.name: one for one in await api.nodes(node=name, patience_seconds=0)}
    versions = {facts[one].version for one in nodes}
    if len(versions) != 1:
        return f"{name} sees the versions {', '.join(sorted(map(str, versions)))}"
    if not await api.availability(name, patience_seconds=0):
        return f"{name} does not take clients (availability check)"
    await api.ask_authenticators(name)  # one that answers `not_initialized` refuses every client
    return ""


async def mqtt_state(
    api: Cluster, account: Account | None, without: Collection[str] = (), beside: Beside | None = None
) -> str:
    """What no device would survive: a right client refused, a wrong one let in, on any node; nothing when all is well."""
    nobody = await _anonymous(beside.cluster) if beside is not None and beside.asked else None
    for node in (node for node in api.handle.nodes if node.name not in without):
        prober = Prober(node, proxy_protocol=api.handle.proxy_protocol)
        if account is None:
            wrong = await _without_account(api, prober)
        else:
            right = await prober.connects(5, account, account.password)
            bad = await prober.connects(5, account, account.password + "x")
            wrong = f"a right client got {right.seen}" if not right.accepted else ""
            wrong = wrong or (f"a wrong password got {bad.seen}" if bad.accepted or not bad.certain else "")
        if not wrong and nobody is not None:
            answer = await prober.connects(5, None, None)
            same = answer.certain and answer.accepted == nobody
            wrong = "" if same else f"an anonymous client got {answer.seen}, unlike on the other colour"
        if wrong:
            return f"{node.name}: {wrong}"
    return ""


async def _anonymous(partner: Cluster) -> bool | None:
    """Whether the other colour lets an anonymous client in; None where none of its running nodes says so for certain."""
    running = await running_names(partner, partner)
    for node in partner.handle.nodes:
        if node.name in running:
            answer = await Prober(node, proxy_protocol=partner.handle.proxy_protocol).connects(5, None, None)
            if answer.certain:
                return answer.accepted
    return None


async def _without_account(api: Cluster, prober: Prober) -> str:
    """Without our own account only this is sure: no authenticator lets everybody in, any other answers at all."""
    answer = await prober.connects(5, None, None)
    everybody = await api.lets_everybody_in(prober.node.name)
    if (everybody and not answer.accepted) or not answer.certain:
        return f"an anonymous client got {answer.seen}"
    return ""
