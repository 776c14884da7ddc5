"""Who may reach pods on Kubernetes, and how many of them may be taken at once.

The rule: what one resource cannot show (a disruption budget, a network policy for these pods) is looked for in the whole stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rules.base import CRITICAL, Placed, Rule, Seen, StackRule, fields, items
from rules.tokens import DISRUPTION_BUDGET, NETWORK_POLICY, SERVICE, STATEFUL_SET, WORKLOADS

MANAGEMENT = {
    1099: "RPC",
    4369: "epmd",
    4370: "distribution",
    5369: "cluster RPC",
    5370: "cluster RPC",
    6370: "cluster RPC",
    8081: "management",
    18083: "dashboard",
    18084: "dashboard",
}
"""Ports of a node that no device may reach, and what listens there."""
_NAMES = ("dashboard", "dashboardtls", "mgmt", "management", "ekka", "epmd", "distribution")


def _no_management(seen: Seen) -> Iterator[str]:
    spec = fields(seen.props["spec"])
    if spec.get("type", "ClusterIP") not in {"LoadBalancer", "NodePort"} and not spec.get("externalIPs"):
        return
    for port in items(spec["ports"]):
        ends = {port["port"], port.get("targetPort", port["port"]), port.get("name", "")}
        for end in ends:
            if end in MANAGEMENT or end in _NAMES:
                shown = f"{end:g} ({MANAGEMENT[end]})" if end in MANAGEMENT else str(end)
                yield f"it is reached from outside ({spec.get('type', 'externalIPs')}) and has port {shown} (spec.ports)"


def _budgeted(resources: Sequence[Placed], _: Mapping[str, Any]) -> Iterator[str]:
    yield from _uncovered(resources, WORKLOADS, DISRUPTION_BUDGET, "selector", "PodDisruptionBudget")


def _fenced(resources: Sequence[Placed], _: Mapping[str, Any]) -> Iterator[str]:
    yield from _uncovered(resources, {STATEFUL_SET}, NETWORK_POLICY, "podSelector", "NetworkPolicy")


def _uncovered(
    resources: Sequence[Placed], workloads: set[str] | frozenset[str], token: str, selector: str, kind: str
) -> Iterator[str]:
    """The workloads for whose pods there is nothing of this kind in their namespace."""
    chosen = [
        (_namespace(one), fields(fields(fields(one.props["spec"])[selector]).get("matchLabels") or {}))
        for one in resources
        if one.token == token
    ]
    for one in resources:
        if one.token not in workloads:
            continue
        labels = fields(fields(fields(fields(one.props["spec"])["template"])["metadata"])["labels"])
        if not any(
            space == _namespace(one) and all(labels.get(key) == wanted[key] for key in wanted)
            for space, wanted in chosen
        ):
            yield f"{one.name}: no {kind} selects its pods (spec.{selector}.matchLabels)"


def _namespace(one: Placed) -> str:
    return str(fields(one.props.get("metadata") or {}).get("namespace", "default"))


RULES = (
    Rule(
        "kubernetes-management-inside",
        "No Service that is reached from outside has a management or distribution port.",
        {SERVICE},
        _no_management,
        "Keep these ports on the headless Service; the update reaches them by port-forward.",
        CRITICAL,
    ),
    StackRule(
        "kubernetes-disruption-budget",
        "Every workload has a PodDisruptionBudget.",
        {*WORKLOADS, DISRUPTION_BUDGET},
        _budgeted,
        "Declare a PodDisruptionBudget with the labels of the pods.",
    ),
    StackRule(
        "kubernetes-network-policy",
        "EMQX's pods have a NetworkPolicy.",
        {STATEFUL_SET, NETWORK_POLICY},
        _fenced,
        "Declare a NetworkPolicy that lets clients reach the MQTT ports only.",
    ),
)
