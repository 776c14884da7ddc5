"""The accounts that a probe makes on 4.x, and whether a node has what asks for them (V_*_auth_mnesia)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from components.emqx.errors import NotNow
from tests.unit.v4_replay import VERSIONS, answered, api, names_of

pytestmark = pytest.mark.unit

every_version = pytest.mark.parametrize("version", VERSIONS)


async def test_a_node_without_the_plugin_that_others_have_is_not_ready() -> None:
    first, second = names_of("4.4.19")
    mnesia = {"name": "emqx_auth_mnesia", "type": "auth", "active": True}
    rows = [{"node": first, "plugins": [{**mnesia, "active": False}]}, {"node": second, "plugins": [mnesia]}]
    async with api("4.4.19", answered(plugins=rows)) as blue:
        await blue.ask_authenticators(second)
        with pytest.raises(NotNow, match="emqx_auth_mnesia not active yet"):
            await blue.ask_authenticators(first)


class Door:
    """The users and rules of one node, as 4.x keeps them."""

    def __init__(self, version: str) -> None:
        self.version, self.users, self.rules = version, dict[str, Any](), list[dict[str, Any]]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v4")
        body: Any = json.loads(request.content) if request.content else None
        if path == "/plugins":
            plugin = {"name": "emqx_auth_mnesia", "type": "auth", "active": True}
            return httpx.Response(200, json={"code": 0, "data": [{"node": "n", "plugins": [plugin]}]})
        key = "login" if self.version.startswith("4.2") else "username"
        if request.method == "POST" and path in {"/mqtt_user", "/auth_username"}:
            self.users[body[key]] = body
            return httpx.Response(200, json={"code": 0, "data": {body[key]: "ok"}})
        if request.method == "POST":
            self.rules += body
            return httpx.Response(200, json={"code": 0, "data": {row[key]: "ok" for row in body}})
        if request.method == "GET" and path in {"/mqtt_user", "/auth_username"}:
            return httpx.Response(200, json={"code": 0, "data": list(self.users.values()), "meta": {"count": -1}})
        if request.method == "GET":
            rows = [row for row in self.rules if row[key] == path.rsplit("/", 1)[-1]]
            return httpx.Response(200, json={"code": 0, "data": rows[0] if key == "login" and len(rows) == 1 else rows})
        raw = request.url.raw_path.decode().removeprefix("/api/v4")
        if "acl" in raw:
            topic = httpx.URL("http://x/" + raw.rsplit("/", 1)[-1]).path[1:]
            self.rules = [
                row
                for row in self.rules
                if httpx.URL(f"http://x/{row['topic']}").path[1:] != topic and row["topic"] != topic
            ]
        else:
            self.users.pop(raw.rsplit("/", 1)[-1], None)
        return httpx.Response(200, json={"code": 0})


RULES = [
    {"permission": "allow", "action": "all", "topic": "upgrade-probe/1/#"},
    {"permission": "deny", "action": "subscribe", "topic": "upgrade-probe-denied/+"},
]


@every_version
async def test_a_probes_account_leaves_nothing_behind(version: str) -> None:
    door = Door(version)
    async with api(version, door) as blue:
        async with blue.temporary_account(RULES) as account:
            assert account is not None
            assert list(door.users) == [account.name]
            assert len(door.rules) == 2
            assert account.by_client_id == version.startswith("4.2")
        assert door.users == {}
        assert door.rules == []


@every_version
async def test_the_account_of_a_killed_run_is_swept_with_its_rules(version: str) -> None:
    door = Door(version)
    async with api(version, door) as blue:
        one = blue.temporary_account(RULES)
        assert await one.__aenter__() is not None
        door.users["alice"] = {"username": "alice", "login": "alice"}
        assert await blue.sweep() == 1
        assert list(door.users) == ["alice"]
        assert door.rules == []
        await one.__aexit__(None, None, None)


async def test_without_emqx_auth_mnesia_there_is_no_account() -> None:
    async with api("4.4.19", answered(plugins=[{"node": "n", "plugins": []}])) as blue:
        async with blue.temporary_account(RULES) as account:
            assert account is None
        assert await blue.sweep() == 0
