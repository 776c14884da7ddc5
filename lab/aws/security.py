"""Security groups, judged where a balancer's traffic reaches an instance.

The rule: what no rule of the instance's groups lets in does not come in; who comes from elsewhere on this machine is not judged, since loopback has no routers.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from lab.aws.flows import Target


class Security:
    """The groups of the account, as moto has them."""

    def __init__(self, ec2: Any, elbv2: Any, first: str) -> None:
        """Balancers come from the network ``first.0.0/24``, and from the groups that they have."""
        self._ec2, self._elbv2, self._balancers = ec2, elbv2, ipaddress.ip_network(f"{first}.0.0/24")

    def lets_in(self, target: Target, port: int) -> bool:
        """Whether a balancer of the account may reach a port of a target; one that is no instance has no groups."""
        instance = next((one for one in self._ec2.all_instances() if one.private_ip == target.host), None)
        if instance is None:
            return True
        groups = [group for nic in instance.nics.values() for group in nic.group_set]
        return any(self._permits(rule, port) for group in groups for rule in group.ingress_rules)

    def _permits(self, rule: Any, port: int) -> bool:
        if str(rule.ip_protocol) != "-1" and not (
            str(rule.ip_protocol) in {"tcp", "6"} and int(rule.from_port or 0) <= port <= int(rule.to_port or 65535)
        ):
            return False
        if rule.source_group:
            return rule.source_group.get("GroupId") in self._groups()
        cidr = rule.ip_range.get("CidrIp")
        return bool(cidr) and ipaddress.ip_network(cidr, strict=False).overlaps(self._balancers)

    def _groups(self) -> set[str]:
        """Those that balancers have."""
        return {group for one in list(self._elbv2.load_balancers.values()) for group in one.security_groups}
