"""MqttBalancer: where the devices connect; whatever the router, what comes out of it is a BalancerHandle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.cutover.words import COLOURS, Colour
from components.ledger.remembered import remembered
from components.resources import mqtt_balancer
from components.settings import ExternalCluster, Settings
from components.targets.local import cluster as local


class MqttBalancer(pulumi.ComponentResource):
    """The balancer in front of the declared colours; ``handle`` is a BalancerHandle as JSON."""

    handle: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        settings: Settings,
        clusters: Mapping[Colour, pulumi.Output[dict[str, Any]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the router's own resource."""
        super().__init__("emqx:balancer:MqttBalancer", name, {}, opts)
        directory = f"{settings.work_directory}/balancer"
        router = mqtt_balancer.MqttBalancer(
            f"{name}-haproxy",
            {
                "name": name,
                "live": settings.live,
                "colours": [colour for colour in COLOURS if colour in clusters],
                "clusters": dict(clusters),
                "editions": {colour: cluster.edition for colour, cluster in settings.clusters.items()},
                "directory": directory,
                "address": settings.balancer.address,
                "max_connections": settings.balancer.max_connections,
                "replicas": settings.balancer.replicas,
                "standing": standing(settings),
                "external": [colour for colour in COLOURS if _is_external(settings, colour)],
                "holding": remembered(settings.work_directory).holding,
                "soak_seconds": settings.cutover.soak_seconds,
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.handle = pulumi.Output.all(router=router.router, mqtt=router.mqtt, admin=router.admin, maps=router.maps)
        self.register_outputs({"handle": self.handle})


def standing(settings: Settings) -> list[Colour]:
    """The colours that are there already, in the order of COLOURS: clusters of somebody's, and processes of ours that run."""
    return [
        colour
        for colour in COLOURS
        if colour in settings.clusters
        and (_is_external(settings, colour) or local.running(local.place(settings.work_directory, colour)))
    ]


def _is_external(settings: Settings, colour: Colour) -> bool:
    return isinstance(settings.clusters.get(colour), ExternalCluster)
