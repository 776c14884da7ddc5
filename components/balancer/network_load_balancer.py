"""The balancer `network_load_balancer`: a Network Load Balancer with two weighted target groups for each listener, its memory in a table of DynamoDB.

The rule: what is made is Pulumi's, what is weighed is the cutover's; before there is anything, everybody goes to the colour that was there first.
"""

from __future__ import annotations

from typing import Any

import pulumi

from components.aws import names
from components.balancer.base import Fronted, handle_from
from components.balancer.on_aws import OnAws, doors_of, first_share, own_name, wanted
from components.cutover.words import COLOURS
from components.emqx.models import BalancerHandle
from components.settings import Settings


class NetworkLoadBalancer(OnAws):
    """Found by its name in the account."""

    router = "network_load_balancer"

    def declare(
        self, name: str, settings: Settings, fronted: Fronted, opts: pulumi.ResourceOptions
    ) -> pulumi.Output[dict[str, Any]]:
        """Declare the table, the balancer, and that it is as the ledger says."""
        from components.balancer import aws_ledger
        from components.balancer.nlb_objects import Behind, Plan, declare
        from components.instances.ground import subnets_of
        from components.resources.weighed_balancer import WeighedBalancer

        front, own = settings.balancer.aws, own_name(settings)
        tags = {**front.tags, "environment": settings.environment, "Name": own}
        table, table_name = aws_ledger.declare(name, own, tags, protect=settings.protect, opts=opts)
        vpc, _ = subnets_of(front.region, front.subnets)
        colours = {
            colour: Behind(settings.clusters[colour], fronted.clusters[colour])
            for colour in COLOURS
            if colour in fronted.clusters
        }
        share = self.remembered(settings).share
        first = first_share(settings, fronted, share)
        plan = Plan(name, own, vpc, front, doors_of(settings), colours, first, settings.protect, tags)
        made = declare(plan, opts)
        inputs = {
            **wanted(settings, fronted, self.router, table_name),
            "group": made.group.id,
            "host": made.balancer.dns_name,
            "listeners": [one.arn for one in made.listeners],
            "groups": {colour: [one.arn for one in groups] for colour, groups in made.groups.items()},
        }
        waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[table, *made.all]))
        return handle_from(WeighedBalancer(f"{name}-weights", inputs, waits), "aws", "weighed")

    def observed(self, settings: Settings) -> BalancerHandle | None:
        """The handle of the one of this name."""
        from components.routers.listed import listed

        front = settings.balancer.aws
        return listed(front.region, own_name(settings), names.table(own_name(settings)))
