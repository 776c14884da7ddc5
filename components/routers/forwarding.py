"""Where a listener of AWS leads, as its answer has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_elbv2.type_defs import ListenerTypeDef


def weights_in(listener: ListenerTypeDef) -> dict[str, int]:
    """The weights of its action; a plain one has a single group."""
    for action in listener.get("DefaultActions", ()):
        groups = action.get("ForwardConfig", {}).get("TargetGroups", ())
        if groups:
            return {one.get("TargetGroupArn", ""): one.get("Weight", 1) for one in groups}
        if "TargetGroupArn" in action:
            return {action["TargetGroupArn"]: 1}
    return {}
