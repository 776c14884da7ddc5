"""Who may do what: identity policies as IAM judges them, as far as this lab's policies go (allow, deny, wildcards; no conditions).

The rule: what is not allowed is denied, and a statement with what is not judged here allows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from lab.aws.calls import Call

JUDGED = {"Sid", "Effect", "Action", "Resource"}


def allowed(documents: Iterable[Mapping[str, Any]], action: str, resource: str | None) -> bool:
    """Whether the policies allow an action; ``resource`` None is any of those that a statement names."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _several(document["Statement"])
        if _meant(statement, action, resource)
    }
    return effects == {"Allow"}


def _meant(statement: Mapping[str, Any], action: str, resource: str | None) -> bool:
    if statement["Effect"] == "Allow" and resource is not None and not statement.keys() <= JUDGED:
        return False
    actions = any(fnmatchcase(action.lower(), one.lower()) for one in _several(statement.get("Action", ())))
    return actions and (
        resource is None or any(fnmatchcase(resource, one) for one in _several(statement.get("Resource", ())))
    )


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def resource_of(call: Call, region: str, account: str) -> str:
    """What a machine's call is about, as an ARN; ``*`` where it is about nothing in particular."""
    if call.service == "ssm":
        name = str(call.asked.get("Name") or call.asked.get("Path") or "")
        return f"arn:aws:ssm:{region}:{account}:parameter/{name.strip('/')}" if name else "*"
    if call.service == "dynamodb":
        return f"arn:aws:dynamodb:{region}:{account}:table/{call.asked.get('TableName', '*')}"
    if call.service == "s3":
        return f"arn:aws:s3:::{call.asked['path']}"
    if call.service == "secretsmanager":
        return str(call.asked.get("SecretId", "*"))
    return "*"
