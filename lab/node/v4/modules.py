"""Modules of Enterprise 4.x: what checks passwords there is no plugin that is loaded, but a module that is made; read in EMQX's documents, no recording has it.

The rule: a module does what the plugin behind it does, and is listed, exported and switched as a module.
"""

from __future__ import annotations

from typing import Any

from lab.node.v4 import nodes
from lab.node.v4.asked import Asked, NowhereError, Way, ok, said
from lab.node.v4.line import BEHIND


def _is_enterprise(asked: Asked) -> bool:
    return asked.host.cluster.nodes[asked.here].terms.edition == "ee" and not asked.line.one_kind


def listed(asked: Asked) -> dict[str, Any]:
    """GET /modules: bare rows in Enterprise, in open source those of each node (V_*_overview)."""
    return ok(asked.tables.modules) if _is_enterprise(asked) else nodes.modules(asked)


def create(asked: Asked) -> dict[str, Any]:
    """POST /modules: a type and its configuration; it is on at once."""
    body = asked.object()
    if not _is_enterprise(asked):
        raise NowhereError
    if not isinstance(body.get("type"), str):
        return said("bad_module_type", code=400)
    rows = asked.tables.modules
    made = {
        "id": f"module:{len(rows) + 1}",
        "type": body["type"],
        "config": body.get("config", {}),
        "enabled": True,
        "created_at": asked.now_ms(),
        "description": str(body.get("description", "")),
    }
    rows.append(made)
    if made["type"] in BEHIND:
        asked.colony.plugged(BEHIND[made["type"]], loaded=True)
    return ok(made)


WAYS = (Way("GET", "/modules", listed), Way("POST", "/modules", create))
