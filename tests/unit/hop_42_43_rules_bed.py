"""Rules of 4.2's built-in database with the files beside them, and what became of them."""

from __future__ import annotations

from typing import Any

from components.migration import loading
from components.migration.facts import Export, Facts
from components.migration.hop_42_43.convert import Converted
from components.migration.manifest import Item
from tests.unit.hop_42_43_bed import PLAN

OPEN = b"allow_anonymous = true\nacl_nomatch = allow\n"
ON = b"{emqx_auth_mnesia, true}.\n"


def rule(login: str, topic: str, allow: Any, action: str = "pub") -> dict[str, Any]:
    return {"login": login, "topic": topic, "action": action, "allow": allow}


def facts_of(
    rows: list[dict[str, Any]],
    users: list[dict[str, Any]] | None = None,
    *,
    credential: Any = "username",
    conf: bytes = OPEN,
    acl: bytes | None = b"{allow, all}.\n",
    loaded: bytes | None = ON,
    **more: Any,
) -> Facts:
    data = {"version": "4.2.14", "auth.mnesia.as": credential, "auth_mnesia": users or [], "acl_mnesia": rows, **more}
    facts = Facts(PLAN, export=Export("e.json", data))
    for name, text in (("emqx.conf", conf), ("acl.conf", acl), ("loaded_plugins", loaded)):
        facts = loading.add(facts, name, text) if text else facts
    return facts


def items_of(result: Converted, section: str = "acl_mnesia") -> list[Item]:
    return [item for item in result.account.items if item.section == section]


def bodies(result: Converted) -> list[dict[str, str]]:
    return [one.body for one in result.requests if one.method == "POST"]
