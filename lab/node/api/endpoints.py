"""All endpoints of the management API in the order in which their paths are tried."""

from __future__ import annotations

from functools import cache

from lab.node.api import (
    accounts,
    authn,
    authz,
    banned,
    clients,
    cluster,
    configs,
    data,
    durable,
    extras,
    integrations,
    listeners,
    messages,
    nodes,
    rebalance,
    rules,
)
from lab.node.api.app import Table


@cache
def tables(edition: str) -> tuple[Table, Table]:
    """The paths below /api/v5 and those beside it, of one edition."""
    modules = (
        nodes,
        cluster,
        accounts,
        clients,
        banned,
        authn,
        authz,
        messages,
        extras,
        rules,
        integrations,
        listeners,
        configs,
        data,
        rebalance,
        durable,
    )
    inside = [endpoint for module in modules for endpoint in module.ENDPOINTS]
    return Table(inside, edition), Table(nodes.OUTSIDE, edition)
