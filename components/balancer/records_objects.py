"""The records of a name as Pulumi's own resources; imported only where there is one, since the SDK is large.

The rule: the cutover owns the two records of the name: their weights, and with them their TTL, are made as they are at that moment and never changed by Pulumi again, since Route 53
changes a record as a whole. The records of the nodes are Pulumi's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import pulumi
from pulumi_aws.route53._inputs import RecordWeightedRoutingPolicyArgs
from pulumi_aws.route53.health_check import HealthCheck
from pulumi_aws.route53.record import Record

from components.cutover.weights import OF_RECORDS, weights_of
from components.cutover.words import Colour
from components.emqx.registry import dialect_of
from components.machines.front import Records
from components.settings import ClusterSettings
from components.system.address import parsed

INTERVAL_SECONDS, FAILURES = 10, 3
"""How often each checker asks (10 or 30), and after how many answers a node is taken for gone, or for back."""
CUTOVERS = ("records", "ttl", "weighted_routing_policies")


class Plan(NamedTuple):
    """What is declared: Pulumi's name, the name, of each colour its settings and its handle when it is there, green's share of the moment, and tags."""

    name: str
    records: Records
    colours: Mapping[Colour, tuple[ClusterSettings, pulumi.Output[dict[str, Any]]]]
    green_parts: int
    tags: Mapping[str, str]


class Made(NamedTuple):
    """The ids of the health checks of each colour in the order of its nodes, and all resources."""

    checks: dict[Colour, list[pulumi.Output[str]]]
    all: list[pulumi.Resource]


def declare(plan: Plan, opts: pulumi.ResourceOptions) -> Made:
    """Everything of it; what is of a colour goes with it, so the table alone is protected, and what guards the colour."""
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=False))
    checks: dict[Colour, list[pulumi.Output[str]]] = {}
    everything: list[pulumi.Resource] = []
    weights = weights_of(plan.green_parts, OF_RECORDS)
    for colour, (settings, _) in plan.colours.items():
        nodes = [_node(plan, colour, number, opts) for number in range(settings.size)]
        checks[colour] = [check.id for check, _ in nodes if check is not None]
        leads = [record for _, record in nodes]
        everything += [one for pair in nodes for one in pair if one is not None]
        everything.append(_colour(plan, colour, weights[colour], leads, opts))
    return Made(checks, everything)


def _node(plan: Plan, colour: Colour, number: int, opts: pulumi.ResourceOptions) -> tuple[HealthCheck | None, Record]:
    """The address of a node among those of its colour, told while it is well."""
    handle, name = plan.colours[colour][1], f"{plan.name}-{colour}-{number}"
    check = _check(plan, colour, number, opts) if plan.records.checks else None
    record = Record(
        name,
        zone_id=plan.records.zone,
        name=f"{colour}.{plan.records.name}",
        type="A",
        ttl=plan.records.ttl_seconds,
        records=[handle.apply(partial(_host, number, "mqtt"))],
        set_identifier=f"{colour}-{number}",
        multivalue_answer_routing_policy=True,
        health_check_id=None if check is None else check.id,
        opts=opts,
    )
    return check, record


def _check(plan: Plan, colour: Colour, number: int, opts: pulumi.ResourceOptions) -> HealthCheck:
    """Whether the node takes clients, as it says itself."""
    settings, handle = plan.colours[colour]
    return HealthCheck(
        f"{plan.name}-{colour}-{number}-check",
        type=handle.apply(partial(_scheme, number)),
        ip_address=handle.apply(partial(_host, number, "api")),
        port=handle.apply(partial(_port, number)),
        resource_path=dialect_of(settings.version).health_check(settings.edition),
        request_interval=INTERVAL_SECONDS,
        failure_threshold=FAILURES,
        tags={**plan.tags, "Name": f"{plan.tags['Name']}-{colour}-{number}"},
        opts=opts,
    )


def _colour(plan: Plan, colour: Colour, weight: int, leads: list[Record], opts: pulumi.ResourceOptions) -> Record:
    """The record that leads to a colour, once its nodes are told."""
    own = pulumi.ResourceOptions(ignore_changes=list(CUTOVERS), depends_on=leads)
    return Record(
        f"{plan.name}-{colour}",
        zone_id=plan.records.zone,
        name=plan.records.name,
        type="CNAME",
        ttl=plan.records.ttl_seconds,
        records=[f"{colour}.{plan.records.name}"],
        set_identifier=colour,
        weighted_routing_policies=[RecordWeightedRoutingPolicyArgs(weight=weight)],
        opts=pulumi.ResourceOptions.merge(opts, own),
    )


def _address(number: int, door: str, handle: Mapping[str, Any]) -> str:
    return str(handle["nodes"][number][door])


def _host(number: int, door: str, handle: Mapping[str, Any]) -> str:
    return parsed(_address(number, door, handle).rpartition("://")[2].rstrip("/")).host


def _port(number: int, handle: Mapping[str, Any]) -> int:
    return parsed(_address(number, "api", handle).rpartition("://")[2].rstrip("/")).port


def _scheme(number: int, handle: Mapping[str, Any]) -> str:
    return "HTTPS" if _address(number, "api", handle).startswith("https") else "HTTP"
