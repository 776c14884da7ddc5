"""The table in which a cutover on AWS is remembered, as Pulumi's own resource; imported only where there is one, since the SDK is large."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_aws.dynamodb._inputs import TableAttributeArgs
from pulumi_aws.dynamodb.table import Table

from components.aws import names
from components.ledger.dynamodb import KEY

WORD = "dynamodb"
"""Of this ledger, in a balancer's handle; ``maps`` is then the table's name."""


def declare(
    name: str, prefix: str, tags: Mapping[str, str], *, protect: bool, opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, str]:
    """The table, which outlives every balancer that is behind it, and its name.

    Args:
        name: of the balancer's component, for Pulumi's names.
        prefix: where names of the stack begin (``aws.names.prefix``).
        tags: of all that the stack has.
        protect: whether AWS refuses to delete it (``emqx:protect``).
        opts: of the component.

    """
    table = names.table(prefix)
    made = Table(
        f"{name}-ledger",
        name=table,
        hash_key=KEY,
        attributes=[TableAttributeArgs(name=KEY, type="S")],
        billing_mode="PAY_PER_REQUEST",
        deletion_protection_enabled=protect,
        tags=dict(tags),
        opts=opts,
    )
    return made, table
