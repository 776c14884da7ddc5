"""Load balancers on AWS: health by EMQX's own check where that can be asked, time to drain, and no deletion by mistake."""

from __future__ import annotations

from collections.abc import Iterator

from rules.base import CRITICAL, Rule, Seen, Setting, fields, number
from rules.tokens import LOAD_BALANCER, TABLE, TARGET_GROUP

BEHIND, HAPROXY = "emqx-upgrade:colour", "balancer"
"""The tag of a target group that says who is in it: HAProxy asks nodes for their health itself."""
AVAILABILITY = "/api/v5/load_rebalance/availability_check"
OPEN_SOURCE = "/status"
"""Open source has no availability check; `/status` says whether the node runs."""


def _health(seen: Seen) -> Iterator[str]:
    if fields(seen.props.get("tags") or {}).get(BEHIND) == HAPROXY:
        return
    check = fields(seen.props.get("healthCheck") or {})
    protocol, path = str(check.get("protocol", "TCP")).upper(), check.get("path")
    allowed = (AVAILABILITY, OPEN_SOURCE) if seen.settings["openSource"] else (AVAILABILITY,)
    if seen.props.get("proxyProtocolV2") is True:
        if protocol != "TCP" or str(check.get("port", "traffic-port")) != "traffic-port":
            yield (
                f"health is checked by {protocol} at {check.get('port', 'traffic-port')}, TCP at traffic-port is allowed beside proxyProtocolV2"
                " (healthCheck.protocol): AWS sends the PROXY header in its checks too, and the management API answers it 400"
            )
        return
    if protocol not in {"HTTP", "HTTPS"} or path not in allowed:
        yield (
            f"health is checked by {protocol} {path or ''}".rstrip()
            + f", HTTP {' or '.join(allowed)} is allowed (healthCheck.path): a node that evacuates or boots answers TCP"
        )


def _drains(seen: Seen) -> Iterator[str]:
    least = number(seen.settings["drainSeconds"])
    delay = number(seen.props.get("deregistrationDelay", 300))
    if delay < least:
        yield f"deregistrationDelay is {delay:g} s, the drain needs {least:g} s"
    if seen.props.get("connectionTermination") is True:
        yield "connectionTermination cuts all clients of a target at once (false)"


def _kept(seen: Seen) -> Iterator[str]:
    key = "enableDeletionProtection" if seen.token == LOAD_BALANCER else "deletionProtectionEnabled"
    if seen.props.get(key) is not True:
        yield f"it can be deleted by one call ({key}: true)"


RULES = (
    Rule(
        "aws-health-by-availability",
        "Targets are healthy when EMQX says that it takes clients.",
        {TARGET_GROUP},
        _health,
        f"Check {AVAILABILITY} by HTTP on the management port; beside proxyProtocolV2 the port of the traffic by TCP.",
        settings={
            "openSource": Setting(
                f"Whether {OPEN_SOURCE} is enough, as open source has no availability check.",
                {"type": "boolean"},
                False,
            )
        },
    ),
    Rule(
        "aws-time-to-drain",
        "A target that is taken away keeps its clients until the drain has moved them.",
        {TARGET_GROUP},
        _drains,
        "Raise deregistrationDelay to what the plan says of the drain, 3,600 s at most.",
        settings={
            "drainSeconds": Setting(
                "How long the drain takes at most (`pulumi preview` says it).",
                {"type": "number", "minimum": 0, "maximum": 3600},
                300,
            )
        },
    ),
    Rule(
        "aws-deletion-protection",
        "Load balancers and the ledger's table are protected from deletion at AWS itself.",
        {LOAD_BALANCER, TABLE},
        _kept,
        "Set the property that the message names.",
        CRITICAL,
    ),
)
