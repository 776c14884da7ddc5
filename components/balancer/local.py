"""The balancer of target `local`: HAProxy processes on this machine, in a directory below the work directory."""

from __future__ import annotations

from typing import Any

import pulumi

from components.balancer.base import Fronted, judged
from components.emqx.models import BalancerHandle
from components.ledger.remembered import Remembered, directory_of, remembered, stack_of
from components.local import balancer as processes
from components.resources import mqtt_balancer
from components.settings import Settings


class LocalBalancer:
    """Found by the files of its directory."""

    router = "haproxy"

    def declare(
        self, name: str, settings: Settings, fronted: Fronted, opts: pulumi.ResourceOptions
    ) -> pulumi.Output[dict[str, Any]]:
        """Declare the processes."""
        router = mqtt_balancer.MqttBalancer(
            f"{name}-haproxy",
            {
                **judged(settings, fronted),
                "name": name,
                "clusters": dict(fronted.clusters),
                "editions": {colour: cluster.edition for colour, cluster in settings.clusters.items()},
                "directory": f"{settings.work_directory}/balancer",
                "address": settings.balancer.address,
                "listeners": [one.model_dump(mode="json") for one in settings.balancer.listeners],
                "back_seconds": settings.balancer.back_seconds,
                "in_place": fronted.in_place,
            },
            opts,
        )
        # the states of before there were listeners have none
        endpoints = router.endpoints.apply(lambda some: [dict(one) for one in some or ()])
        return pulumi.Output.all(
            router=router.router, mqtt=router.mqtt, endpoints=endpoints, admin=router.admin, maps=router.maps
        )

    def remembered(self, settings: Settings) -> Remembered:
        """What the files say."""
        return remembered(settings.work_directory)

    def owner(self, settings: Settings) -> str | None:
        """As its file says."""
        return stack_of(settings.work_directory)

    def reserve(self, settings: Settings, stack: str) -> None:
        """Write that file."""
        processes.reserve(directory_of(settings.work_directory), stack)

    def observed(self, settings: Settings) -> BalancerHandle | None:
        """The handle while every replica runs."""
        directory = directory_of(settings.work_directory)
        return processes.handle_of(directory) if processes.running(directory) else None
