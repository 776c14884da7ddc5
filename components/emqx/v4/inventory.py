"""What a 4.x cluster lists of its data, as keys and digests; what its API does not list is said, never taken for empty.

Sources: docs/emqx/v4.md and v4-data.md. No hash of 4.2's users is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from components.emqx.account import PREFIX
from components.emqx.errors import Rejected
from components.emqx.v4.calls import Calls
from components.emqx.v4.traits import LineTraits
from components.migration.inventory import Inventory, Section, Unlisted, digest

Found = Section | Unlisted
_NO_LIST = {
    "retained": "4.x has no call that lists retained messages",
    "delayed": "4.x has no call that lists delayed messages",
    "psk": "PSK identities have no REST API",
    "api_keys": "applications are listed by the dashboard only",
    "dashboard_users": "dashboard users are listed by the dashboard only",
}


async def read_inventory(calls: Calls, line: LineTraits) -> Inventory:
    """Everything that can be listed."""
    sections: dict[str, Found] = {name: Unlisted(why) for name, why in _NO_LIST.items()}
    if line.by_login:
        sections["users"] = await _listed(calls, "/mqtt_user", partial(_named, key="login"))
        sections["acl"] = await _listed(calls, "/mqtt_acl", partial(_rule, key="login"))
    else:
        for kind in ("username", "clientid"):
            sections[f"users:{kind}"] = await _listed(calls, f"/auth_{kind}", partial(_named, key=kind))
            sections[f"acl:{kind}"] = await _listed(calls, f"/acl/{kind}", partial(_rule, key=kind))
        sections["acl:all"] = await _listed(calls, "/acl/$all", partial(_rule, key="all"))
    sections["rules"] = await _listed(calls, "/rules", _engine_rule)
    sections["resources"] = await _listed(calls, "/resources", lambda row: (str(row["id"]), digest(row.get("type"))))
    sections["banned"] = await _banned(calls)
    return Inventory(sections)


async def _listed(calls: Calls, path: str, item: Callable[[dict[str, Any]], tuple[str, int]]) -> Found:
    items: dict[str, int] = {}
    try:
        async for page in calls.pages(path):
            items.update(item(row) for row in page if isinstance(row, dict))
    except Rejected as error:
        # without its plugin there is no such path, and nothing of it
        return Section() if error.status == 404 else Unlisted(error.seen)
    return Section({key: value for key, value in items.items() if not key.startswith(PREFIX)})


def _named(row: dict[str, Any], key: str) -> tuple[str, int]:
    return str(row.get(key)), digest({"is_superuser": row.get("is_superuser")})


def _rule(row: dict[str, Any], key: str) -> tuple[str, int]:
    return f"{row.get(key)} {row.get('action')} {row.get('topic')}", digest(row.get("access", row.get("allow")))


def _engine_rule(row: dict[str, Any]) -> tuple[str, int]:
    actions = [one.get("name") for one in row.get("actions") or [] if isinstance(one, dict)]
    return str(row.get("id")), digest({"sql": row.get("rawsql"), "enabled": row.get("enabled"), "actions": actions})


async def _banned(calls: Calls) -> Found:
    items: dict[str, int] = {}
    until: dict[str, float] = {}
    async for page in calls.pages("/banned"):
        for row in page:
            key, end = f"{row.get('as')}:{row.get('who')}", row.get("until")
            items[key] = 1 if isinstance(end, int) else 0
            if isinstance(end, int):
                until[key] = float(end)
    return Section(items, until=until)
