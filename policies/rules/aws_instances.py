"""Instances and volumes on AWS: encrypted and kept disks, no public address, no metadata for who has no token.

The rule: what AWS would choose by itself where nothing is written is taken for what it is, never for right.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.base import CRITICAL, Rule, Seen, fields, items
from rules.tokens import EBS_VOLUME, EIP, INSTANCE

_DISKS = ("rootBlockDevice", "ebsBlockDevices")


def _encrypted(seen: Seen) -> Iterator[str]:
    if seen.token == EBS_VOLUME:
        if seen.props.get("encrypted") is not True:
            yield "the volume is not encrypted (encrypted: true)"
        return
    for kind in _DISKS:
        found = seen.props.get(kind) or ()
        for disk in [found] if hasattr(found, "keys") else items(found):
            if fields(disk).get("encrypted") is not True:
                yield f"a disk in {kind} is not encrypted (encrypted: true)"
    if not seen.props.get("rootBlockDevice"):
        yield "nothing says that the root disk is encrypted (rootBlockDevice.encrypted: true)"


def _retained(seen: Seen) -> Iterator[str]:
    """Pulumi tells a policy of `protect`, not of `retainOnDelete`."""
    if seen.props.get("finalSnapshot") is not True and not seen.protect:
        yield "the volume would go without a copy (finalSnapshot: true, or protect)"


def _tokens(seen: Seen) -> Iterator[str]:
    found = fields(seen.props.get("metadataOptions") or {}).get("httpTokens", "optional")
    if found != "required":
        yield f"metadataOptions.httpTokens is {found}, required is needed (IMDSv2)"


def _private(seen: Seen) -> Iterator[str]:
    if seen.token == EIP:
        if seen.props.get("instance") or seen.props.get("networkInterface"):
            yield "a public address is given to an instance (instance)"
        return
    if seen.props.get("associatePublicIpAddress") is not False:
        yield "the instance may get a public address from its subnet (associatePublicIpAddress: false)"


RULES = (
    Rule(
        "aws-disks-encrypted",
        "Disks are encrypted.",
        {EBS_VOLUME, INSTANCE},
        _encrypted,
        "Set encrypted: true, with a key of your own where you have one.",
    ),
    Rule(
        "aws-volumes-retained",
        "Data volumes do not go without a copy.",
        {EBS_VOLUME},
        _retained,
        "Set finalSnapshot: true or protect the volume; the target sets it, and keeps the volumes of a colour that goes.",
        CRITICAL,
    ),
    Rule(
        "aws-metadata-with-token",
        "Instances answer metadata requests with a token only (IMDSv2).",
        {INSTANCE},
        _tokens,
        "Set metadataOptions: {httpTokens: required}.",
    ),
    Rule(
        "aws-brokers-private",
        "Brokers have no public address.",
        {INSTANCE, EIP},
        _private,
        "Put brokers into private subnets; devices come by the load balancer.",
        CRITICAL,
    ),
)
