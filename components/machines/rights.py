"""What the instances of a colour may do at AWS: read their own parameters, and the package where it is a file in S3.

The rule: each action is named, and each resource by its whole name, so that a policy can judge it before there is anything.
"""

from __future__ import annotations

import json
from typing import Any

from components.aws import names
from components.machines.parameters import ALL
from components.machines.words import Declared, Machines, S3Package

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    },
    sort_keys=True,
)


def partition_of(region: str) -> str:
    """The part of an ARN that says whose cloud it is."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def role_policy(machines: Machines, what: Declared, account: str) -> str:
    """The document of the role's one policy."""
    below = names.parameters(what.prefix, what.colour)
    parameters = [f"ssm parameter{below}/{name}" for name in ALL]
    told = [statement("ssm:GetParameter", machines.region, account, *parameters)]
    return text_of(told, machines.region, machines.kms_key, machines.package)


def statement(action: str, region: str, account: str, *resources: str) -> dict[str, Any]:
    """One action on things of this account and region: ``ssm parameter/NAME``."""
    split = [one.partition(" ") for one in resources]
    named = [f"arn:{partition_of(region)}:{service}:{region}:{account}:{name}" for service, _, name in split]
    return _allow(action, named)


def text_of(statements: list[dict[str, Any]], region: str, kms_key: str | None, package: S3Package | str) -> str:
    """The document, with the key of the secret parameters and the package's file where there are such."""
    more: list[dict[str, Any]] = []
    if kms_key is not None:
        more.append(_allow("kms:Decrypt", [kms_key]))
    if isinstance(package, S3Package):
        more.append(_allow("s3:GetObject", [package.arn.format(partition=partition_of(region))]))
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements, *more]}, sort_keys=True)


def _allow(action: str, resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [action], "Resource": resources}
