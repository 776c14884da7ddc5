"""The balancer `route53`: a name with a weighted record for each colour, which leads to the addresses of that colour's nodes; nothing stands between a device and its node.

The rule: as of every balancer on AWS (``on_aws``); the two records of the name are the cutover's alone once they are made.
"""

from __future__ import annotations

from typing import Any

import pulumi

from components.aws import names
from components.balancer.base import Fronted, handle_from
from components.balancer.on_aws import OnAws, doors_of, first_share, own_name, wanted
from components.cutover.words import COLOURS
from components.emqx.errors import BadInput
from components.emqx.models import BalancerHandle
from components.machines.front import Records
from components.settings import Settings


class Route53(OnAws):
    """Found by its name in its hosted zone."""

    router = "route53"

    def declare(
        self, name: str, settings: Settings, fronted: Fronted, opts: pulumi.ResourceOptions
    ) -> pulumi.Output[dict[str, Any]]:
        """Declare the table, the records with their checks, and that they are as the ledger says."""
        from components.balancer import aws_ledger
        from components.balancer.records_objects import Plan, declare
        from components.machines.told_names import refuse_outside
        from components.resources.weighed_balancer import WeighedBalancer

        front, records = settings.balancer.aws, records_of(settings)
        refuse_outside(front.region, records.zone, records.name)
        own = own_name(settings)
        tags = {**front.tags, "environment": settings.environment, "Name": own}
        table, table_name = aws_ledger.declare(name, own, tags, protect=settings.protect, opts=opts)
        colours = {
            colour: (settings.clusters[colour], fronted.clusters[colour])
            for colour in COLOURS
            if colour in fronted.clusters
        }
        first = first_share(settings, fronted, self.remembered(settings).share)
        made = declare(Plan(name, records, colours, first, tags), opts)
        inputs = {
            **wanted(settings, fronted, self.router, table_name),
            "host": records.name,
            "told": {"records": records.model_dump(mode="json"), "checks": made.checks},
        }
        waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[table, *made.all]))
        return handle_from(WeighedBalancer(f"{name}-weights", inputs, waits), "aws", "named")

    def observed(self, settings: Settings) -> BalancerHandle | None:
        """The handle of the records of this name; None where there are none."""
        from components.machines.told_names import listed

        front, port = settings.balancer.aws, doors_of(settings)[0].port
        return listed(front.region, records_of(settings), port, names.table(own_name(settings)))


def records_of(settings: Settings) -> Records:
    """Its name.

    Raises:
        BadInput: there is none; the settings were not judged.

    """
    records = settings.balancer.aws.records
    if records is None:
        raise BadInput("emqx:balancer.aws.records", seen="none", todo="give a zone and a name in it")
    return records
