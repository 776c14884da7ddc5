"""Security groups on AWS: nobody from everywhere reaches a port of management or distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rules.base import CRITICAL, Rule, Seen, fields, items, whole
from rules.kubernetes_network import MANAGEMENT
from rules.tokens import INGRESS_RULE, SECURITY_GROUP, SECURITY_GROUP_RULE

_EVERYWHERE = ("0.0.0.0/0", "::/0")


def _closed(seen: Seen) -> Iterator[str]:
    for rule in _ingress(seen):
        ranges = [*items(rule.get("cidrBlocks") or ()), *items(rule.get("ipv6CidrBlocks") or ())]
        ranges += [rule[key] for key in ("cidrIpv4", "cidrIpv6") if rule.get(key)]
        wide = [one for one in ranges if one in _EVERYWHERE]
        if wide:
            for port in _ports(rule):
                yield f"port {port} ({MANAGEMENT[port]}) is open to {', '.join(wide)} (ingress, a declared range or group)"


def _ingress(seen: Seen) -> list[Mapping[str, Any]]:
    if seen.token == SECURITY_GROUP:
        return [fields(one) for one in items(seen.props.get("ingress") or ())]
    if seen.token == SECURITY_GROUP_RULE and seen.props["type"] != "ingress":
        return []
    return [seen.props]


def _ports(rule: Mapping[str, Any]) -> list[int]:
    """The ports of ours in a rule; all of them where it names no protocol."""
    protocol = rule["protocol"] if "protocol" in rule else rule["ipProtocol"]
    if protocol in {"-1", "all", -1}:
        return sorted(MANAGEMENT)
    low, high = whole(rule["fromPort"]), whole(rule["toPort"])
    return [port for port in sorted(MANAGEMENT) if low <= port <= high]


RULES = (
    Rule(
        "aws-management-inside",
        "No port of management or distribution is open to everybody.",
        {SECURITY_GROUP, SECURITY_GROUP_RULE, INGRESS_RULE},
        _closed,
        "Open management to a declared range or group, distribution and RPC to the brokers' own group.",
        CRITICAL,
    ),
)
