"""What the balancer that a stack declares can do, before there is one.

The rule: the router's capabilities, with what depends on the settings; what runs is asked by its own router instead.
"""

from __future__ import annotations

from dataclasses import replace

from components.balancer import BALANCERS
from components.cutover.capabilities import Capabilities
from components.cutover.words import Colour
from components.routers.registry import capabilities_of
from components.settings import Settings


def can_of(settings: Settings) -> Capabilities:
    """Of the declared balancer."""
    balancer = settings.balancer
    can = replace(capabilities_of(BALANCERS[balancer.target].router), hides_clients=_behind(settings))
    if not can.spreads or balancer.aws.records is None:
        return can
    return replace(can, spread_seconds=balancer.aws.records.spread_seconds)


def closes(settings: Settings, colour: Colour) -> bool:
    """Whether it can close clients of the colour one by one, as those of one that is not declared."""
    cluster = settings.clusters.get(colour)
    return can_of(settings).closes(proxied=cluster is not None and cluster.proxy_protocol)


def _behind(settings: Settings) -> bool:
    listeners = settings.balancer.listeners
    return bool(listeners) and all(one.accept_proxy for one in listeners)
