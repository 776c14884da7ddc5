"""What a colour of the lab is given before its upgrade: password authentication, the devices' account, permissions, retained messages.

The rule: the same for every line that EMQX has had, in that line's own words; who is connected is counted here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import httpx

DEVICE_USER = "device"
RETAINED = 20
_USERS = "/authentication/password_based%3Abuilt_in_database/users"
_AUTHENTICATOR = {
    "mechanism": "password_based",
    "backend": "built_in_database",
    "user_id_type": "username",
    "password_hash_algorithm": {"name": "sha256", "salt_position": "suffix"},
}
_RULES = (("fleet/#", "all", True), ("config/#", "subscribe", True), ("#", "all", False))
"""Topic, action, allowed: in the order in which they are asked."""
_ACTIONS = {"all": "pubsub", "subscribe": "sub"}
Call = tuple[str, str, Any]


def api_path(version: str) -> str:
    """What is before every path of the management API."""
    return "/api/v4" if version.startswith("4.") else "/api/v5"


def fill(api: httpx.Client, version: str, password: str) -> None:
    """Give all of it to the cluster behind ``api``; raises httpx.HTTPError, or ValueError for a 200 that is none."""
    for method, path, body in _calls(version, password):
        answer = api.request(method, path, json=body).raise_for_status()
        if version.startswith("4.") and answer.json().get("code") != 0:
            raise ValueError(f"{method} {path}: {answer.text[:200]}")


def _calls(version: str, password: str) -> Iterator[Call]:
    if not version.startswith("4."):
        yield from _of_5(password)
    elif version.startswith("4.2."):
        yield "POST", "/mqtt_user", {"login": DEVICE_USER, "password": password, "is_superuser": False}
        for topic, action, allow in _RULES:
            yield (
                "POST",
                "/mqtt_acl",
                {"login": DEVICE_USER, "topic": topic, "action": _ACTIONS[action], "allow": allow},
            )
    else:
        yield "POST", "/auth_username", {"username": DEVICE_USER, "password": password}
        yield from _later_rules()
    publish = "/mqtt/publish" if version.startswith("4.") else "/publish"
    for number in range(RETAINED):
        message = {"topic": f"config/{number}", "payload": str(number), "qos": 1, "retain": True}
        yield "POST", publish, message | ({"clientid": "lab"} if version.startswith("4.") else {})


def _of_5(password: str) -> Iterable[Call]:
    rules = [
        {"topic": topic, "permission": "allow" if allow else "deny", "action": action}
        for topic, action, allow in _RULES
    ]
    return (
        ("POST", "/authentication", _AUTHENTICATOR),
        ("POST", _USERS, {"user_id": DEVICE_USER, "password": password, "is_superuser": False}),
        ("POST", "/authorization/sources", {"type": "built_in_database", "enable": True}),
        ("POST", "/authorization/sources/built_in_database/move", {"position": "front"}),
        ("POST", "/authorization/sources/built_in_database/rules/users", [{"username": DEVICE_USER, "rules": rules}]),
    )


def _later_rules() -> Iterator[Call]:
    """From 4.3 on the newest is asked first, and of one millisecond the topic that sorts last: ``#`` sorts before every other."""
    for topic, action, allow in reversed(_RULES):
        access = "allow" if allow else "deny"
        yield "POST", "/acl", {"username": DEVICE_USER, "topic": topic, "action": _ACTIONS[action], "access": access}


def live(api: httpx.Client, version: str, names: Iterable[str]) -> int:
    """The clients that are connected to these nodes; before 4.4 the nodes do not tell the living ones, so they are counted."""
    wanted = set(names)
    if version.startswith(("4.2.", "4.3.")):
        query = {"conn_state": "connected", "_limit": "100000"}
        rows = api.get("/clients", params=query).raise_for_status().json()["data"]
        return sum(row["node"] in wanted for row in rows)
    nodes = api.get("/nodes").raise_for_status().json()
    rows = nodes["data"] if isinstance(nodes, dict) else nodes
    return sum(row.get("live_connections", 0) for row in rows if row["node"] in wanted)
