"""A temporary MQTT account for probes, removed without a trace also on failure and cancellation; and who may log in.

Source: docs/emqx/probes.md#a-temporary-account. It is never a superuser, because superusers pass every rule. What a killed run left
behind is found by its prefix and removed by ``sweep``.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from components.emqx.account import PREFIX, Account
from components.emqx.removal import surely
from components.emqx.v5.calls import Calls
from components.emqx.v5.inventory import ACL

USERS = "/authentication/password_based%3Abuilt_in_database/users"
_GONE = frozenset({404})


async def authenticators(
    calls: Calls, *, node: str = "", patience_seconds: float | None = None
) -> list[dict[str, Any]]:
    """The chain of authenticators as this node (or any) has it."""
    reply = await calls.call("GET", "/authentication", node=node, patience_seconds=patience_seconds)
    return reply.json() or []


async def ask_authenticators(calls: Calls, node: str) -> None:
    """A built-in authenticator that answers ``not_initialized`` refuses every client (docs/emqx/cluster.md#fresh-start)."""
    for row in await authenticators(calls, node=node, patience_seconds=0):
        if row.get("backend") == "built_in_database" and row.get("enable", True):
            path = f"/authentication/{quote(str(row['id']), safe='')}/users"
            await calls.call("GET", path, node=node, params={"limit": 1}, patience_seconds=0)


async def password_authenticator(calls: Calls) -> dict[str, Any] | None:
    """The enabled password authenticator of the built-in database; None without one."""
    for row in await authenticators(calls):
        if row.get("id") == "password_based:built_in_database" and row.get("enable", True):
            return row
    return None


@asynccontextmanager
async def temporary_account(calls: Calls, rules: Sequence[dict[str, str]]) -> AsyncIterator[Account | None]:
    """An account with these ACL rules (``permission``, ``action``, ``topic``) while the context lasts.

    None where the cluster has no built-in password authenticator. Raises Refused when it could not be removed.
    """
    authenticator = await password_authenticator(calls)
    if authenticator is None:
        yield None
        return
    name, password = PREFIX + secrets.token_hex(8), secrets.token_urlsafe(24)
    by_client_id = authenticator.get("user_id_type") == "clientid"
    async with surely(calls.handle.colour, name, lambda: _remove(calls, name)):
        user = {"user_id": name, "password": password, "is_superuser": False}
        await calls.call("POST", USERS, body=user, accept=frozenset({409}), repeatable=True)
        entry = [{"username": name, "rules": list(rules)}]
        reply = await calls.call("POST", f"{ACL}/users", body=entry, accept=frozenset({404, 409}), repeatable=True)
        yield Account(name=name, password=password, by_client_id=by_client_id, ruled=reply.status != 404)


async def any_client_id(calls: Calls) -> bool:
    """Whether a temporary account may connect with any client id: users are looked up by their name, or everybody is let in."""
    rows = await authenticators(calls)
    ours = await password_authenticator(calls)
    return not rows or (ours is not None and ours.get("user_id_type") != "clientid")


async def sweep(calls: Calls) -> int:
    """Remove the accounts that killed runs left behind; how many there were."""
    if await password_authenticator(calls) is None:
        return 0
    names: list[str] = []
    async for page in calls.pages(USERS, {"like_user_id": PREFIX}):
        names += [row["user_id"] for row in page if str(row.get("user_id", "")).startswith(PREFIX)]
    for name in names:
        await _remove(calls, name)
    return len(names)


async def account_names(calls: Calls) -> tuple[frozenset[str], frozenset[str]]:
    """The API keys and the dashboard users that exist, by name."""
    keys = (await calls.call("GET", "/api_key", bearer=True)).json() or []
    users = (await calls.call("GET", "/users", bearer=True)).json() or []
    return frozenset(str(row.get("api_key")) for row in keys), frozenset(str(row.get("username")) for row in users)


async def _remove(calls: Calls, name: str) -> None:
    # The user is made first and goes last, so that whatever a kill leaves is found by the user's name.
    for path in (f"{ACL}/users", USERS):
        await calls.call("DELETE", f"{path}/{quote(name, safe='')}", accept=_GONE, repeatable=True)
