"""A temporary MQTT account of emqx_auth_mnesia for probes, removed without a trace also on failure and cancellation.

Source: docs/emqx/v4-data.md#emqx_auth_mnesia. On 4.2 it is a login that may be a user name or a client id, which no answer tells: so it is
used as both. What a killed run left behind is found by its prefix and removed by ``sweep``.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from components.emqx.account import PREFIX, Account
from components.emqx.errors import NotNow, Rejected
from components.emqx.known import known
from components.emqx.removal import surely
from components.emqx.v4.calls import Calls
from components.emqx.v4.traits import LineTraits

PLUGIN, MODULE = "emqx_auth_mnesia", "mnesia_authentication"
_ACTIONS = {"all": "pubsub", "publish": "pub", "subscribe": "sub"}
_EXISTED = frozenset({"existed"})


async def is_kept(calls: Calls) -> bool:
    """Whether users are kept by emqx_auth_mnesia, on the first node that answers; Enterprise has a module for it, by its documents."""
    answer = await calls.ask("GET", "/plugins")
    rows = [one for node in answer.data or [] for one in node.get("plugins", [])]
    if any(one.get("name") == PLUGIN and one.get("active") for one in rows):
        return True
    modules = await known(calls.ask("GET", "/modules"))
    found = [] if modules is None else modules.data or []
    return any(one.get("type") == MODULE and one.get("enabled") is True for one in found)


@asynccontextmanager
async def temporary_account(
    calls: Calls, line: LineTraits, rules: Sequence[dict[str, str]]
) -> AsyncIterator[Account | None]:
    """An account with these ACL rules (``permission``, ``action``, ``topic``) while the context lasts.

    None where the plugin is not active. Raises Refused when it could not be removed.
    """
    if not await is_kept(calls):
        yield None
        return
    name, password = PREFIX + secrets.token_hex(8), secrets.token_urlsafe(24)
    topics = [rule["topic"] for rule in rules]
    async with surely(calls.handle.colour, name, lambda: _remove(calls, line, name, topics)):
        await _add(calls, line, name, password, rules)
        yield Account(name=name, password=password, by_client_id=line.by_login, ruled=True)


async def _add(calls: Calls, line: LineTraits, name: str, password: str, rules: Sequence[dict[str, str]]) -> None:
    if line.by_login:
        user: dict[str, Any] = {"login": name, "password": password, "is_superuser": False}
        rows = [
            # 4.2 decodes the texts of a body as if they were of an address
            {
                "login": name,
                "topic": quote(rule["topic"], safe="/"),
                "action": _ACTIONS[rule["action"]],
                "allow": rule["permission"] == "allow",
            }
            for rule in rules
        ]
        _all_done(await calls.ask("POST", "/mqtt_user", body=user, repeatable=True), "existed")
        _all_done(await calls.ask("POST", "/mqtt_acl", body=rows, repeatable=True))
        return
    await calls.ask(
        "POST", "/auth_username", body={"username": name, "password": password}, unless=_EXISTED, repeatable=True
    )
    entries = [
        {"username": name, "topic": rule["topic"], "action": _ACTIONS[rule["action"]], "access": rule["permission"]}
        for rule in rules
    ]
    await calls.ask("POST", "/acl", body=entries, repeatable=True)


def _all_done(answer: Any, also: str = "") -> None:
    """4.2 answers code 0 and says for each name what became of it."""
    said = answer.data if isinstance(answer.data, dict) else {}
    wrong = [str(one) for one in said.values() if one != "ok" and not (also and also in str(one))]
    if wrong:
        raise Rejected(
            answer.reply.tried,
            node=answer.reply.node,
            seen=f"code 0, and {wrong[0][:100]}",
            todo="look whether emqx_auth_mnesia is as on the other nodes",
            status=answer.reply.status,
        )


async def sweep(calls: Calls, line: LineTraits) -> int:
    """Remove the accounts that killed runs left behind; how many there were."""
    if not await is_kept(calls):
        return 0
    path, key = ("/mqtt_user", "login") if line.by_login else ("/auth_username", "username")
    params = {} if line.by_login else {"_like_username": PREFIX}
    names = [
        str(row[key])
        async for page in calls.pages(path, params)
        for row in page
        if isinstance(row, dict) and str(row.get(key, "")).startswith(PREFIX)
    ]
    for name in names:
        shown = await calls.ask("GET", f"{_rules_of(line, name)}")
        rows = shown.data if isinstance(shown.data, list) else [shown.data]
        topics = [str(row["topic"]) for row in rows if isinstance(row, dict) and "topic" in row]
        await _remove(calls, line, name, topics)
    return len(names)


async def _remove(calls: Calls, line: LineTraits, name: str, topics: Sequence[str]) -> None:
    # The user is made first and goes last, so that whatever a kill leaves is found by the user's name.
    between = "" if line.by_login else "/topic"
    for topic in dict.fromkeys(topics):
        await calls.ask("DELETE", f"{_rules_of(line, name)}{between}/{quote(topic, safe='')}", repeatable=True)
    users = "/mqtt_user" if line.by_login else "/auth_username"
    await calls.ask("DELETE", f"{users}/{quote(name, safe='')}", repeatable=True)


def _rules_of(line: LineTraits, name: str) -> str:
    return f"{'/mqtt_acl' if line.by_login else '/acl/username'}/{quote(name, safe='')}"


async def ask_authenticators(calls: Calls, node: str) -> None:
    """Hold the authentication plugins of this node against those of the others.

    Raises:
        NotNow: one that another node has active is not active here yet.

    """
    answer = await calls.ask("GET", "/plugins", node=node, patience_seconds=0)
    active = {
        str(row.get("node")): {str(one["name"]) for one in row.get("plugins", []) if _authenticates(one)}
        for row in answer.data or []
    }
    behind = sorted(set().union(*active.values()) - active.get(node, set()))
    if behind:
        raise NotNow(
            "GET /plugins",
            node=node,
            seen=f"{', '.join(behind)} not active yet, so that every client would be let in",
            todo="wait until the node has started; see its log when it stays so",
        )


def _authenticates(plugin: dict[str, Any]) -> bool:
    return plugin.get("type") == "auth" and plugin.get("active") is True
