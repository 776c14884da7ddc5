"""Resources and rules of the rule engine (V_4.2.14_to_4.3.22_*, A_* of docs/emqx/v4-data.md): kept and shown; no rule runs."""

from __future__ import annotations

import re
import time
from typing import Any

from lab.node.v4.asked import Asked, Way, ok, page, said
from lab.node.v4.line import ENGINE

_FROM = re.compile(r"\bFROM\s+(.*?)(?:\s+WHERE\b.*)?$", re.IGNORECASE | re.DOTALL)
WEBHOOK_DEFAULTS: dict[str, Any] = {
    "verify": False,
    "request_timeout": "5s",
    "pool_size": 8,
    "keyfile": "",
    "enable_pipelining": True,
    "connect_timeout": "5s",
    "certfile": "",
    "cacertfile": "",
}
"""What 4.3 and 4.4 fill in for a web_hook resource (V_4.2.14_to_4.3.22_as_username, B: resources)."""


def _id(asked: Asked, kind: str) -> str:
    return f"{kind}:{asked.colony.random.randbytes(4).hex()}"


def resources(asked: Asked) -> dict[str, Any]:
    """GET /resources."""
    return ok([_resource(asked, one) for one in asked.tables.resources.values()])


def _resource(asked: Asked, kept: dict[str, Any]) -> dict[str, Any]:
    """4.3 and 4.4 say whether it is connected; nothing is, in the lab."""
    shown = {name: kept[name] for name in ("id", "type", "config", "description")}
    return shown if asked.line.one_kind else shown | {"status": False}


def create_resource(asked: Asked) -> dict[str, Any]:
    """POST /resources."""
    body = asked.object()
    kept = {"id": body.get("id") or _id(asked, "resource"), "type": body["type"], "config": body.get("config", {})}
    if kept["type"] == "web_hook" and not asked.line.one_kind:
        kept["config"] = WEBHOOK_DEFAULTS | kept["config"]
    kept |= {"description": body.get("description", ""), "created_at": asked.now_ms()}
    asked.tables.resources[kept["id"]] = kept
    shown = _resource(asked, kept)
    return ok({name: value for name, value in shown.items() if name != "status"})


def resource(asked: Asked) -> dict[str, Any]:
    """GET /resources/:id."""
    kept = asked.tables.resources.get(asked.path["id"])
    return said("Not Found", code=404) if kept is None else ok(_resource(asked, kept))


def delete_resource(asked: Asked) -> dict[str, Any]:
    """DELETE /resources/:id."""
    asked.tables.resources.pop(asked.path["id"], None)
    return ok()


def shown_rule(asked: Asked, kept: dict[str, Any]) -> dict[str, Any]:
    """A rule as it is answered: with counters that stay at 0."""
    speeds = {"speed_max": 0 if asked.line.one_kind else 0.0, "speed_last5m": 0.0, "speed": 0.0, "matched": 0}
    later = {} if asked.line.one_kind else dict.fromkeys(("passed", "no_result", "failed", "exception"), 0)
    counted = {"success": 0, "failed": 0} | ({} if asked.line.one_kind else {"taken": 0})
    found = _FROM.search(kept["rawsql"])
    topics = [one.strip().strip('"') for one in found[1].split(",")] if found else []
    actions = [
        {"id": one["id"], "name": one["name"], "params": one["args"], "fallbacks": one.get("fallbacks", [])}
        | {"metrics": [counted | {"node": name} for name in asked.nodes()]}
        for one in kept["actions"]
    ]
    stamped = {} if asked.line.one_kind else {"created_at": kept["created_at"]}
    return stamped | {
        "id": kept["id"],
        "rawsql": kept["rawsql"],
        "for": topics,
        "enabled": kept["enabled"],
        "description": kept["description"],
        "on_action_failed": kept.get("on_action_failed", "continue"),
        "actions": actions,
        "metrics": [speeds | later | {"node": name} for name in asked.nodes()],
    }


def rules(asked: Asked) -> dict[str, Any]:
    """GET /rules: 4.2 knows no pages of them."""
    rows = list(reversed(asked.tables.engine.values()))
    if asked.line.one_kind:
        return ok([shown_rule(asked, one) for one in rows])
    return page(asked, rows, lambda one: shown_rule(asked, one))


def create_rule(asked: Asked) -> dict[str, Any]:
    """POST /rules."""
    body = asked.object()
    kept = {
        "id": body.get("id") or _id(asked, "rule"),
        "rawsql": body["rawsql"],
        "actions": [
            {
                "id": f"{one['name']}_{time.time_ns()}",
                "name": one["name"],
                "fallbacks": one.get("fallbacks", []),
                "args": one.get("params", {}),
            }
            for one in body.get("actions", [])
        ],
        "enabled": body.get("enabled", True),
        "description": body.get("description", ""),
        "created_at": asked.now_ms(),
    }
    asked.tables.engine[kept["id"]] = kept
    return ok(shown_rule(asked, kept))


def rule(asked: Asked) -> dict[str, Any]:
    """GET /rules/:id."""
    kept = asked.tables.engine.get(asked.path["id"])
    return said("Not Found", code=404) if kept is None else ok(shown_rule(asked, kept))


def change_rule(asked: Asked) -> dict[str, Any]:
    """PUT /rules/:id."""
    kept, body = asked.tables.engine.get(asked.path["id"]), asked.object()
    if kept is None:
        return said("Not Found", code=404)
    kept |= {name: body[name] for name in ("rawsql", "enabled", "description") if name in body}
    return ok(shown_rule(asked, kept))


def delete_rule(asked: Asked) -> dict[str, Any]:
    """DELETE /rules/:id."""
    asked.tables.engine.pop(asked.path["id"], None)
    return ok()


WAYS = (
    Way("GET", "/resources", resources, ENGINE),
    Way("POST", "/resources", create_resource, ENGINE),
    Way("GET", "/resources/{id}", resource, ENGINE),
    Way("DELETE", "/resources/{id}", delete_resource, ENGINE),
    Way("GET", "/rules", rules, ENGINE),
    Way("POST", "/rules", create_rule, ENGINE),
    Way("GET", "/rules/{id}", rule, ENGINE),
    Way("PUT", "/rules/{id}", change_rule, ENGINE),
    Way("DELETE", "/rules/{id}", delete_rule, ENGINE),
)
