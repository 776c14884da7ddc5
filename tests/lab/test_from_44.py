"""The whole way from a 4.4 of somebody's to 5.8, by two reviewed changes, with devices that keep their logins; and back before the second."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.filling import DEVICE_USER
from lab.stage import Scene, Stage
from lab.workspace import Secret
from tests.lab.node_process import NodeProcess, node_process

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SCENE = Scene(
    clients=40, budget_per_second=40, steps=({"share": 50}, {"share": 100}), nodes=1, green="5.8.9", edition="ee"
)
READER = "reader"
ACCEPTED = ["conversion", "sessions", "backup"]


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[tuple[NodeProcess, Path, str]]:
    """A node of 4.4.19 that nobody declared, their directory, and the secret of their application."""
    secret, directory = secrets.token_urlsafe(24), tmp_path / "theirs"
    directory.mkdir()
    environment: dict[str, Any] = {"EMQX_ALLOW_ANONYMOUS": "false", "EMQX_ACL_NOMATCH": "deny"}
    (directory / "node.env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    key: dict[str, Any] = {"EMQX_MANAGEMENT__DEFAULT_APPLICATION__SECRET": secret}
    words = ("--name", "theirs", "--version", "4.4.19", "--edition", "ce", "--nodes", "1", "--proxy-protocol")
    async with node_process(directory, *words, **environment, **key) as started:
        yield started, directory, secret


class From44(Stage):
    """Blue is given by its addresses, its files and the way to its exports."""

    def __init__(self, directory: Path, given: tuple[NodeProcess, Path, str]) -> None:
        super().__init__(directory, SCENE)
        self.given, self.place, self.secrets["blue"] = given[0].ready, given[1], given[2]

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        clusters: dict[str, Any] = {"blue": self.old()} if "blue" in colours else {}
        if "green" in colours:
            local = {"target": "local", "version": SCENE.green, "nodes": SCENE.nodes, "edition": "ee"}
            clusters["green"] = {**local, "proxyProtocol": True, "maxSessions": 0}
        reader = {"username": READER, "password": Secret(self.secrets["admin"])}
        device = {"username": DEVICE_USER, "password": Secret(self.secrets["device"])}
        credentials = {
            "blue": {
                "apiKey": "admin",
                "apiSecret": Secret(self.secrets["blue"]),
                "retained": reader,
                "accounts": [device],
            },
            "green": {"apiKey": "upgrade-green", "apiSecret": Secret(self.secrets["green"])},
        }
        self.workspace.set_config({"clusters": clusters, "credentials": credentials})

    def old(self) -> dict[str, Any]:
        return {
            "target": "external",
            "version": "4.4.19",
            "edition": "ce",
            "proxyProtocol": True,
            "nodes": self.given["nodes"],
            "configuration": [
                str(self.place / "etc"),
                str(self.place / "node.env"),
                str(self.place / "data" / self.given["nodes"][0]["name"] / "loaded_plugins"),
            ],
            "exports": {"path": str(self.place / "data" / "{node}" / "backup")},
        }

    def ready(self, colour: str) -> dict[str, Any]:
        return self.given if colour == "blue" else super().ready(colour)

    def old_api(self) -> httpx.Client:
        auth = ("admin", self.secrets["blue"])
        return httpx.Client(base_url=f"{self.given['nodes'][0]['api']}/api/v4", auth=auth, timeout=30, trust_env=False)

    def fill(self, colour: str) -> None:
        """Accounts, permissions, retained messages, a ban."""
        rules = [
            {"username": DEVICE_USER, "topic": "#", "action": "pubsub", "access": "deny"},
            {"username": DEVICE_USER, "topic": "config/#", "action": "sub", "access": "allow"},
            {"username": DEVICE_USER, "topic": "fleet/#", "action": "pubsub", "access": "allow"},
            {"username": READER, "topic": "#", "action": "sub", "access": "allow"},
        ]
        calls: list[tuple[str, Any]] = [
            ("/auth_username", {"username": DEVICE_USER, "password": self.secrets["device"]}),
            ("/auth_username", {"username": READER, "password": self.secrets["admin"]}),
            *(("/acl", rule) for rule in rules),
            ("/banned", {"who": "badguy", "as": "clientid", "by": "me", "reason": "lab", "until": 4_000_000_000}),
        ]
        with self.old_api() as api:
            for path, body in calls:
                answer = api.post(path, json=body).raise_for_status().json()
                assert answer["code"] == 0, (path, answer)
            for number in range(20):
                message = {
                    "topic": f"config/{number}",
                    "payload": str(number),
                    "qos": 1,
                    "retain": True,
                    "clientid": "x",
                }
                assert api.post("/mqtt/publish", json=message).json()["code"] == 0

    def clients(self) -> dict[str, int]:
        """Sockets by colour."""
        with self.old_api() as api:
            blue = sum(node["live_connections"] for node in api.get("/nodes").json()["data"])
        with self.api("green") as api:
            green = sum(node["live_connections"] for node in api.get("/nodes").json())
        return {"blue": blue, "green": green}


def test_a_4_4_goes_to_5_8_in_one_change_and_back_with_the_devices_logged_in(
    tmp_path: Path, theirs: tuple[NodeProcess, Path, str]
) -> None:
    with From44(tmp_path / "stage", theirs) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.configure("green", "blue", "green", acknowledge=ACCEPTED)
        plan = stage.workspace.preview().good().output
        assert ", read by an account and published again" in plan
        assert "conversion:" in plan
        assert "proof:" in plan
        done = stage.workspace.up().good()
        assert "conversion:" in done.output
        assert "copying 20 retained messages" in done.output
        assert stage.clients() == {"blue": 0, "green": 40}
        stage.configure("blue", "blue", "green", acknowledge=[*ACCEPTED, "way_back"])
        stage.workspace.up().good()
        assert stage.clients() == {"blue": 40, "green": 0}
        fleet = stage.end_fleet(60.0)
        assert fleet["disconnects"]["max"] == 2, "one for each move"
        assert fleet["refused_connections"] == 0
        kept = "".join(
            path.read_text(errors="replace") for path in stage.directory.rglob("*.json*") if "archives" not in str(path)
        )
        shown = kept + done.output + json.dumps(stage.journal())
        assert not [name for name in ("device", "admin", "blue") if stage.secrets[name] in shown]
