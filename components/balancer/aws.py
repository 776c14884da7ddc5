"""The balancer `aws`: HAProxy on a few instances of its own behind a Network Load Balancer, its memory in a table of DynamoDB.

The rule: the Network Load Balancer only brings connections to HAProxy, which knows clients; all that an instance runs with lies in Parameter Store and in the table, so one that
is new needs nobody.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pulumi

from components.aws import names
from components.balancer.base import Fronted, handle_from, judged
from components.balancer.on_aws import OnAws, doors_of, endpoints_of, own_name
from components.cutover.words import COLOURS
from components.emqx.models import BalancerHandle, ClusterHandle
from components.routers import certificates
from components.routers.listeners import Listener
from components.settings import Settings

INSTANCES = 2


class AwsBalancer(OnAws):
    """Found by the name of its Network Load Balancer; what it remembers is where that of the other one is."""

    router = "haproxy_instances"

    def declare(
        self, name: str, settings: Settings, fronted: Fronted, opts: pulumi.ResourceOptions
    ) -> pulumi.Output[dict[str, Any]]:
        """Declare the table, the share in it, then the instances with what is before them, and that each is as the ledger says."""
        from components.balancer import aws_ledger
        from components.balancer.tier_objects import declare
        from components.resources.instances_balancer import InstancesBalancer
        from components.resources.instances_share import InstancesShare  # what AWS needs takes long to be imported

        front, own = settings.balancer.aws, own_name(settings)
        count = replicas_of(settings)
        tags = {**front.tags, "environment": settings.environment, "Name": own}
        table, table_name = aws_ledger.declare(name, own, tags, protect=settings.protect, opts=opts)
        at = {"region": front.region, "name": own, "table": table_name, "clusters": dict(fronted.clusters)}
        after_table = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[table]))
        share = InstancesShare(
            f"{name}-share",
            {**at, "stack": pulumi.get_stack(), **judged(settings, fronted), "replicas": count},
            after_table,
        )
        plan = _plan(name, settings, fronted, tags)
        made = declare(plan, share, opts)
        inputs = {
            **at,
            "group": made.group.id,
            "host": made.balancer.dns_name,
            "groups": [one.arn for one in made.groups],
            "instances": [one.id for one in made.instances],
            "digest": plan.digest,
            "doors": [one.model_dump(mode="json") for one in endpoints_of(settings)],
            "ready_seconds": front.ready_seconds,
        }
        waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[share, *made.all]))
        return handle_from(InstancesBalancer(f"{name}-haproxy", inputs, waits), "aws", "tier")

    def observed(self, settings: Settings) -> BalancerHandle | None:
        """The handle of the one of this name."""
        from components.routers.listed import tier_listed

        own = own_name(settings)
        found = tier_listed(settings.balancer.aws.region, own, names.table(own))
        if found is None:
            return None
        host = found.mqtt.rpartition(":")[0]
        return found.model_copy(update={"endpoints": tuple(endpoints_of(settings, host))})


def replicas_of(settings: Settings) -> int:
    """How many instances: two where nothing is declared, since one is no tier."""
    return settings.balancer.replicas if "replicas" in settings.balancer.model_fields_set else INSTANCES


def secret_files(doors: tuple[Listener, ...], config: Any, now: float) -> dict[str, str]:
    """The texts of certificates with their keys, and of authorities, by the names of their files; in a preview without the stack's secrets those are left out.

    Raises:
        UnfitError: one cannot be used.

    """
    from components.machines.tier import files_of

    given, found = certificates.by_name(config("emqx:certificates")), dict[str, str]()
    for one in doors:
        chain, authorities = files_of(one)
        if chain is not None and one.certificate is not None:
            found[chain] = certificates.read(one.certificate, given, now).text.decode()
        if authorities is not None and one.client_ca is not None:
            found[authorities] = certificates.authorities(one.client_ca, now).text.decode()
    return found


def _plan(name: str, settings: Settings, fronted: Fronted, tags: Mapping[str, str]) -> Any:
    from components.balancer.tier_objects import Plan  # the same

    doors = doors_of(settings)
    text, secret = _text(settings, fronted), secret_files(doors, pulumi.runtime.config.get_config, time.time())
    return Plan(
        name,
        own_name(settings),
        _ground(settings),
        settings.balancer.aws,
        replicas_of(settings),
        doors,
        fronted.clusters,
        [colour for colour in fronted.clusters if settings.clusters[colour].target == "aws"],
        secret,
        text,
        _digest(settings, text, secret),
        settings.protect,
        tags,
    )


def _ground(settings: Settings) -> Any:
    from components.instances.ground import Place, ground_of

    front = settings.balancer.aws
    return ground_of(Place(front.region, front.subnets, front.instances.image))


def _text(settings: Settings, fronted: Fronted) -> pulumi.Output[str]:
    from components.machines.tier import Fronting, configuration

    balancer = settings.balancer
    fronting = Fronting(
        listeners=doors_of(settings), max_connections=balancer.max_connections, back_seconds=balancer.back_seconds
    )
    editions = {colour: cluster.edition for colour, cluster in settings.clusters.items()}

    def render(found: Mapping[str, Any]) -> str:
        clusters = {colour: ClusterHandle.model_validate(found[colour]) for colour in COLOURS if colour in found}
        return configuration(fronting, clusters, editions)

    return pulumi.Output.all(**{str(colour): handle for colour, handle in fronted.clusters.items()}).apply(render)


def _digest(settings: Settings, text: pulumi.Output[str], secret: Mapping[str, str]) -> pulumi.Output[str]:
    from components.machines.tier import digest

    return text.apply(lambda known: digest(settings.balancer.aws.instances, known, secret))
