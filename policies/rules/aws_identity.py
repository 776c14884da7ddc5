"""What instances may do at AWS: exactly what they need.

The rule: a document is read as AWS reads it; one that is not known yet is refused, so build its ARNs from names, never from outputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rules.base import CRITICAL, Rule, Seen, Setting, fields, items
from rules.tokens import IAM_ATTACHMENT, IAM_POLICY, IAM_ROLE, IAM_ROLE_POLICY

_AGENT = (
    "ssm:UpdateInstanceInformation",
    *(f"ssmmessages:{verb}{word}Channel" for verb in ("Create", "Open") for word in ("Control", "Data")),
    *(f"ec2messages:{one}Message" for one in ("Acknowledge", "Delete", "Fail")),
    *(f"ec2messages:{one}" for one in ("GetEndpoint", "GetMessages", "SendReply")),
)
"""What the agent of Systems Manager calls to get its commands."""
_WIDE = ("AdministratorAccess", "PowerUserAccess", "FullAccess")


def _least(seen: Seen) -> Iterator[str]:
    if seen.token == IAM_ATTACHMENT:
        arns = [str(seen.props["policyArn"])]
    else:
        arns = [str(one) for one in items(seen.props.get("managedPolicyArns") or ())] if seen.token == IAM_ROLE else []
        for document in _documents(seen):
            for statement in _statements(document):
                yield from _wide(statement, items(seen.settings["anyResource"]))
    for arn in arns:
        if arn.endswith(_WIDE):
            yield f"{arn.rpartition('/')[2]} allows far more than a broker needs (policyArn)"


def _documents(seen: Seen) -> Iterator[Mapping[str, Any]]:
    texts = (
        [fields(one)["policy"] for one in items(seen.props.get("inlinePolicies") or ())]
        if seen.token == IAM_ROLE
        else [seen.props["policy"]]
    )
    for text in texts:
        yield fields(json.loads(text) if isinstance(text, str) else text)


def _statements(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = document["Statement"]
    yield from (fields(one) for one in ([found] if isinstance(found, Mapping) else items(found)))


def _wide(statement: Mapping[str, Any], anywhere: list[Any]) -> Iterator[str]:
    if statement["Effect"] != "Allow":
        return
    if "NotAction" in statement or "NotResource" in statement:
        yield "a statement allows everything but what it names (Action and Resource, not NotAction and NotResource)"
        return
    actions = _listed(statement["Action"])
    for action in actions:
        if action == "*" or action.endswith(":*"):
            yield f"action {action} is allowed, each one is to be named (Action)"
    named = [action for action in actions if action not in anywhere]
    if "*" in _listed(statement["Resource"]) and named:
        yield f"{', '.join(named)[:120]} is allowed on every resource (Resource)"


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in items(value)]


RULES = (
    Rule(
        "aws-least-privilege",
        "An instance's role allows named actions on named resources.",
        {IAM_POLICY, IAM_ROLE, IAM_ROLE_POLICY, IAM_ATTACHMENT},
        _least,
        "Name the actions and the ARNs; the target's own document is the pattern.",
        CRITICAL,
        {
            "anyResource": Setting(
                "Actions that AWS knows no resource for, so that they may be allowed on all.",
                {"type": "array", "items": {"type": "string"}},
                ["ec2:DescribeVolumes", "ec2:DescribeInstances", "ec2:DescribeTags", *_AGENT],
            )
        },
    ),
)
