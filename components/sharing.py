"""What a plan says of data and sessions: in two clusters data are copied and sessions end, in one cluster sessions go along and no data moves.

The rule: it asks what preview has opened, and what cannot be asked is not given up for lost, since the update asks again.
"""

from __future__ import annotations

from components.cutover.forecast import Carries
from components.cutover.words import other
from components.emqx.base import Cluster
from components.emqx.errors import Retryable, Unauthorized
from components.emqx.known import known
from components.emqx.probes import answers, upgrades
from components.guards.declared import refuse_misdeclared
from components.guards.proxied import refuse_wrong_proxy, refuse_wrong_websocket
from components.settings import Settings
from components.strategies import STRATEGIES

TWO_CLUSTERS = "  not carried over: what is written on {old} after the export (retained messages, bans, accounts, configuration); the drain names it"
ONE_CLUSTER = "  no data moves: {new} joins the cluster of {old}; a backup is kept, and the nodes of {old} leave when {old} is not declared any more"


def in_one_cluster(settings: Settings) -> bool:
    """Whether the strategy makes both colours nodes of one cluster."""
    return STRATEGIES[settings.cutover.strategy].scope == "colour"


def data(settings: Settings) -> str:
    """What becomes of the data, in one line."""
    told = ONE_CLUSTER if in_one_cluster(settings) else TWO_CLUSTERS
    return told.format(old=other(settings.live), new=settings.live)


async def refuse_false(settings: Settings, api: Cluster) -> None:
    """Refuse a colour that is not what is declared of it; the nodes of the other one, where they are of the same cluster, are not judged with it.

    Raises:
        Refused: with the config's path, what is declared and what a running node says.

    """
    try:
        await refuse_misdeclared(api, own_only=in_one_cluster(settings))
        await refuse_wrong_proxy(api, answers)
        if settings.balancer.websocket:
            await refuse_wrong_websocket(api, upgrades)
    except (Retryable, Unauthorized):
        return  # its numbers are unknown too, and the update asks again


async def carries(settings: Settings, api: Cluster | None) -> Carries | None:
    """What takes the sessions of the old colour along; None in two clusters."""
    if not in_one_cluster(settings):
        return None
    if api is None:
        return Carries(offline=True, how="the old colour could not be asked")
    if await known(api.has_evacuation()):
        return Carries(offline=True, how="evacuated to the new nodes")
    if await known(api.takes_any_client_id()) is not False:
        return Carries(offline=True, how="taken over one by one")
    return Carries(offline=False, how="left behind, no account of ours may connect with another client's id")
