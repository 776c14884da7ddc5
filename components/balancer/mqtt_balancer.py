"""MqttBalancer: where the devices connect; whatever stands there, what comes out of it is a BalancerHandle."""

from __future__ import annotations

from typing import Any

import pulumi

from components.balancer import BALANCERS
from components.balancer.base import Fronted
from components.settings import Settings


class MqttBalancer(pulumi.ComponentResource):
    """The balancer in front of the declared colours; ``handle`` is a BalancerHandle as JSON."""

    handle: pulumi.Output[dict[str, Any]]

    def __init__(
        self, name: str, settings: Settings, fronted: Fronted, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the balancer with its target's own resources."""
        super().__init__("emqx:balancer:MqttBalancer", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.handle = BALANCERS[settings.balancer.target].declare(name, settings, fronted, child)
        self.register_outputs({"handle": self.handle})
