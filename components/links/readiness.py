"""Ready: a cluster that has booted, joined and answers MQTT clients as it should, seen twice in a row on every node.

A booting node lets everybody in, then nobody, and answers 200 as a cluster of one; what is written to it before it joins
is lost (docs/emqx/cluster.md#ready). So nothing is written, and no client comes, before this says yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from components.cutover.words import Colour
from components.emqx.account import Account
from components.emqx.base import Cluster
from components.emqx.errors import Fatal, GaveUp, Rejected, Retryable, Unauthorized, UpgradeError
from components.emqx.probes import Prober, Topics
from components.run.run import Run

BETWEEN_SECONDS = 2.0
"""Between the two looks (docs/emqx/cluster.md#ready)."""

LIMIT_SECONDS = 120.0
_AGAIN_SECONDS = 0.5
_TODO = "look at the log of the node that is named; start it, or correct the node list in the stack config"

Look = Callable[[], Awaitable[str]]


async def wait_until_ready(
    run: Run, colour: Colour, *, limit_seconds: float = LIMIT_SECONDS, without: Collection[str] = ()
) -> float:
    """Wait until every node of the colour is ready, but those that it is ``without``; the seconds that it took.

    First the API alone, because an account that is made before the nodes have joined is lost; then with MQTT probes.

    Raises:
        GaveUp: not ready after ``limit_seconds``; says what was last seen, and on which node.
        Unauthorized: the credentials are wrong, which waiting does not mend. Stopped, LeaseLost as ever.

    """
    api, began = run.clusters[colour], run.clock.now()
    end = began + limit_seconds
    await twice(run, colour, lambda: api_state(api, without), end, limit_seconds)
    await api.sweep()
    async with api.temporary_account(Topics.fresh(None).rules()) as account:

        async def look() -> str:
            return await api_state(api, without) or await mqtt_state(api, account, without)

        await twice(run, colour, look, end, limit_seconds)
    return run.clock.now() - began


async def wait_until_joined(run: Run, colour: Colour, *, limit_seconds: float = LIMIT_SECONDS) -> None:
    """Wait until the cluster is complete and what is written to it stays; it may still refuse clients.

    Raises: as ``wait_until_ready``.
    """
    api = run.clusters[colour]
    await twice(run, colour, lambda: api_state(api), run.clock.now() + limit_seconds, limit_seconds)


async def twice(run: Run, colour: Colour, look: Look, end: float, limit_seconds: float) -> None:
    """Until two looks in a row, ``BETWEEN_SECONDS`` apart, see nothing wrong."""
    good = 0
    while True:
        await run.checkpoint()
        try:
            wrong = await look()
        except Unauthorized:
            raise
        except (Retryable, Rejected) as passing:
            wrong = str(passing)
        good = 0 if wrong else good + 1
        if good == 2:
            return
        if run.clock.now() >= end:
            seen = f"not ready after {limit_seconds:g} s, last: {wrong or 'ready once, not twice'}"
            raise GaveUp(f"waiting until {colour} is ready", node=colour, seen=seen, todo=_TODO)
        await run.clock.sleep(BETWEEN_SECONDS if good else _AGAIN_SECONDS)


async def api_state(api: Cluster, without: Collection[str] = ()) -> str:
    """What is not ready yet as the API sees it, asking every node but those; nothing when all is."""
    nodes = [name for name in api.node_names if name not in without]
    states = await asyncio.gather(*(_node_state(api, name, nodes) for name in nodes), return_exceptions=True)
    # A wrong key is told before anything that may still pass.
    for state in states:
        if isinstance(state, Fatal) or (isinstance(state, BaseException) and not isinstance(state, UpgradeError)):
            raise state
    return next((str(state) for state in states if state), "")


async def _node_state(api: Cluster, name: str, nodes: Sequence[str]) -> str:
    members = set(await api.cluster_members(name, patience_seconds=0))
    declared = set(nodes)
    if members != declared:
        missing, more = ", ".join(sorted(declared - members)), ", ".join(sorted(members - declared))
        return f"{name} sees another cluster than declared: missing {missing or 'none'}, not declared {more or 'none'}"
    facts = {one.name: one for one in await api.nodes(node=name, patience_seconds=0)}
    down = [one for one in nodes if one not in facts or not facts[one].running]
    if down:
        return f"{name} does not see {', '.join(down)} running"
    versions = {facts[one].version for one in nodes}
    if len(versions) != 1:
        return f"{name} sees the versions {', '.join(sorted(map(str, versions)))}"
    if not await api.availability(name, patience_seconds=0):
        return f"{name} does not take clients (availability check)"
    await api.ask_authenticators(name)  # one that answers `not_initialized` refuses every client
    return ""


async def mqtt_state(api: Cluster, account: Account | None, without: Collection[str] = ()) -> str:
    """What no device would survive: a right client refused, a wrong one let in, on any node; nothing when all is well."""
    for node in (node for node in api.handle.nodes if node.name not in without):
        prober = Prober(node, proxy_protocol=api.handle.proxy_protocol)
        if account is None:
            wrong = await _without_account(api, prober)
        else:
            right = await prober.connects(5, account, account.password)
            bad = await prober.connects(5, account, account.password + "x")
            wrong = f"a right client got {right.seen}" if not right.accepted else ""
            wrong = wrong or (f"a wrong password got {bad.seen}" if bad.accepted or not bad.certain else "")
        if wrong:
            return f"{node.name}: {wrong}"
    return ""


async def _without_account(api: Cluster, prober: Prober) -> str:
    """Without our own account only this is sure: no authenticator lets everybody in, any other answers at all."""
    answer = await prober.connects(5, None, None)
    everybody = await api.lets_everybody_in(prober.node.name)
    if (everybody and not answer.accepted) or not answer.certain:
        return f"an anonymous client got {answer.seen}"
    return ""
