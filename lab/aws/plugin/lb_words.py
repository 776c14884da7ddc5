"""What load balancers and target groups have in common: tags, and attributes as text."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lab.aws.plugin.kind import Aws, pairs, retagged, tags_of

NO_BALANCER, NO_GROUP, NO_LISTENER = "LoadBalancerNotFound", "TargetGroupNotFound", "ListenerNotFound"


def tags(aws: Aws, arn: str) -> dict[str, str]:
    """The tags of one."""
    return tags_of(aws.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"])


def retag(aws: Aws, arn: str, before: Mapping[str, Any], wanted: Mapping[str, Any], changed: Collection[str]) -> None:
    """Bring them to what is wanted."""
    if "tags" not in changed:
        return
    gone, new = retagged(before.get("tags"), wanted.get("tags"))
    if gone:
        aws.client("elbv2").remove_tags(ResourceArns=[arn], TagKeys=gone)
    if new:
        aws.client("elbv2").add_tags(ResourceArns=[arn], Tags=pairs(new))


def text(value: Any) -> str:
    """A value of an attribute as AWS takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def switched(text: str) -> Any:
    """The other way round."""
    return {"true": True, "false": False}.get(text, int(text) if text.isdigit() else text)
