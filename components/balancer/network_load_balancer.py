"""The balancer `network_load_balancer`: a Network Load Balancer with two weighted target groups for each listener, its memory in a table of DynamoDB.

The rule: what is made is Pulumi's, what is weighed is the cutover's; before there is anything, everybody goes to the colour that was there first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.aws import names
from components.balancer.base import Fronted
from components.cutover.cohort import everybody
from components.cutover.words import COLOURS
from components.emqx.models import BalancerHandle, Endpoint
from components.ledger.base import Record
from components.ledger.remembered import EXTERNAL, STACK, Remembered
from components.routers.listeners import Listener
from components.settings import Settings
from components.system.aside import aside

DEFAULT = (Listener(port=1883, protocol="mqtt"),)
"""Where no listener is declared."""


class NetworkLoadBalancer:
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
        first = _first(settings, fronted, share)
        plan = Plan(name, own, vpc, front, doors_of(settings), colours, first, settings.protect, tags)
        made = declare(plan, opts)
        inputs = {
            "name": own,
            "kind": self.router,
            "region": front.region,
            "table": table_name,
            "group": made.group.id,
            "host": made.balancer.dns_name,
            "listeners": [one.arn for one in made.listeners],
            "groups": {colour: [one.arn for one in groups] for colour, groups in made.groups.items()},
            "doors": [
                Endpoint(protocol=one.protocol, address=f"*:{one.port}").model_dump(mode="json") for one in plan.doors
            ],
            "ready_seconds": front.ready_seconds,
            **_wanted(settings, fronted),
        }
        waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[table, *made.all]))
        return _handle(WeighedBalancer(f"{name}-weights", inputs, waits))

    def remembered(self, settings: Settings) -> Remembered:
        """What the table says."""
        share, memory = _record(settings)
        external = tuple(colour for colour in COLOURS if colour in memory.get(EXTERNAL, "").split())
        return Remembered() if share is None else Remembered(share, memory, external)

    def owner(self, settings: Settings) -> str | None:
        """As the table says."""
        return _record(settings).memory.get(STACK)

    def reserve(self, settings: Settings, stack: str) -> None:
        """The balancer's own resource says it, in the table."""

    def observed(self, settings: Settings) -> BalancerHandle | None:
        """The handle of the one of this name."""
        from components.routers.listed import listed

        front = settings.balancer.aws
        return listed(front.region, own_name(settings), names.table(own_name(settings)))


def doors_of(settings: Settings) -> tuple[Listener, ...]:
    """Its listeners."""
    return settings.balancer.listeners or DEFAULT


def own_name(settings: Settings) -> str:
    """Where its names begin, and its own."""
    return names.prefix(settings.balancer.aws.name, settings.environment)


def _record(settings: Settings) -> Record:
    from components.ledger.dynamodb import DynamodbLedger  # what AWS needs takes long to be imported

    ledger = DynamodbLedger(settings.balancer.aws.region, names.table(own_name(settings)))
    return aside(ledger.read())


def _first(settings: Settings, fronted: Fronted, share: int | None) -> int:
    """Green's share with which a listener is made."""
    if share is not None:
        return share
    there = [*fronted.standing, settings.live]
    return everybody(there[0])


def _wanted(settings: Settings, fronted: Fronted) -> Mapping[str, Any]:
    """What its own resource is told of the stack."""
    return {
        "stack": pulumi.get_stack(),
        "live": settings.live,
        "colours": [colour for colour in COLOURS if colour in fronted.clusters],
        "holding": fronted.holding,
        "clusters": dict(fronted.clusters),
        "standing": fronted.standing,
        "external": fronted.external,
        "soak_seconds": settings.cutover.soak_seconds,
        "sessions_may_end": "sessions" in settings.cutover.acknowledge,
    }


def _handle(made: Any) -> pulumi.Output[dict[str, Any]]:
    endpoints = made.endpoints.apply(lambda some: [dict(one) for one in some or ()])
    return pulumi.Output.all(
        router=made.router,
        ledger=made.ledger,
        mqtt=made.mqtt,
        endpoints=endpoints,
        admin=made.admin,
        maps=made.maps,
        aws=made.aws,
        weighed=made.weighed,
    )
