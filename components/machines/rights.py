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
    partition = partition_of(machines.region)
    below = names.parameters(what.prefix, what.colour)
    parameters = [f"arn:{partition}:ssm:{machines.region}:{account}:parameter{below}/{name}" for name in ALL]
    statements: list[dict[str, Any]] = [_allow("ssm:GetParameter", parameters)]
    if machines.kms_key is not None:
        statements.append(_allow("kms:Decrypt", [machines.kms_key]))
    if isinstance(machines.package, S3Package):
        statements.append(_allow("s3:GetObject", [machines.package.arn.format(partition=partition)]))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)


def _allow(action: str, resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [action], "Resource": resources}
