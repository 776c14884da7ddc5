"""The whole way from an Enterprise 4.4 of somebody's to 5.8, by one reviewed change, with devices that keep their logins, one of them by WebSocket.

Enterprise 4.x was never recorded: what its nodes do here stands on EMQX's documents (docs/conformance-v4.md); the way back is the chain's story.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from lab.filling import DEVICE_USER
from lab.node.v4 import etc
from lab.node.v4.line import LINES, LOADED, MNESIA
from lab.stage import Scene, Stage
from lab.workspace import Secret
from tests.lab.arguments_seen import watched
from tests.lab.node_bed import allocated
from tests.lab.node_process import NodeProcess, node_process

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SCENE = Scene(
    clients=40, budget_per_second=40, steps=({"share": 50}, {"share": 100}), nodes=1, green="5.8.9", edition="ee"
)
READER = "reader"
KINDS = {
    "plan-conversion.md",
    "manifest.md",
    "manifest.json",
    "plan.json",
    "journal.jsonl",
    "report.json",
    "report.html",
    "haproxy.log",
    "output.log",
}
"""Some of the files that are searched for secrets."""
ACCEPTED = ["conversion", "sessions", "backup"]
MODULES: dict[str, Any] = {
    "mnesia_authentication": {"password_hash": "sha256"},
    "retainer": {"storage_type": "ram", "max_retained_messages": 0, "max_payload_size": "1MB", "expiry_interval": 0},
}
"""What Enterprise has in the place of plugins, as its export names it."""


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[tuple[NodeProcess, Path, str]]:
    """A node of 4.4.19 that nobody declared, their directory, and the secret of their application."""
    secret, directory = secrets.token_urlsafe(24), tmp_path / "theirs"
    directory.mkdir()
    line = LINES["4.4"]
    etc.lay_down(directory, line, "127.0.0", proxy_protocol=True)
    etc.write_loaded(etc.loaded_file(directory), line, [one for one in LOADED if one != MNESIA])
    (directory / "etc" / "loaded_modules").unlink()
    environment: dict[str, Any] = {
        "EMQX_ALLOW_ANONYMOUS": "false",
        "EMQX_ACL_NOMATCH": "deny",
        "EMQX_MANAGEMENT__DEFAULT_APPLICATION__SECRET": secret,
    }
    (directory / "node.env").write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    words = (
        "--name",
        "theirs",
        "--version",
        "4.4.19",
        "--edition",
        "ee",
        "--nodes",
        "1",
        "--max-sessions",
        "0",
        "--proxy-protocol",
        "--websocket",
    )
    async with node_process(directory, *words, **environment) as started:
        yield started, directory, secret


class From44(Stage):
    """Blue is given by its addresses, its files and the way to its exports."""

    def __init__(self, directory: Path, given: tuple[NodeProcess, Path, str], network: str) -> None:
        listeners = [
            {"port": 1883, "host": f"{network}.1", "protocol": "mqtt"},
            {"port": 8083, "host": f"{network}.1", "protocol": "ws"},
        ]
        super().__init__(directory, replace(SCENE, balancer={"listeners": listeners}))
        self.front = f"{network}.1"
        self.given, self.place, self.secrets["blue"] = given[0].ready, given[1], given[2]

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        clusters: dict[str, Any] = {"blue": self.old()} if "blue" in colours else {}
        if "green" in colours:
            local = {"target": "local", "version": SCENE.green, "nodes": SCENE.nodes, "edition": "ee"}
            clusters["green"] = {**local, "proxyProtocol": True, "maxSessions": 0}
        self.workspace.set_config({"clusters": clusters})

    def _credentials(self, colour: str) -> dict[str, Any]:
        if colour == "green":
            login = {"username": "admin", "password": Secret(self.secrets["admin"])}
            return {"apiKey": "upgrade-green", "apiSecret": Secret(self.secrets["green"]), **login}
        return {
            "apiKey": "admin",
            "apiSecret": Secret(self.secrets["blue"]),
            "retained": {"username": READER, "password": Secret(self.secrets["admin"])},
            "accounts": [{"username": DEVICE_USER, "password": Secret(self.secrets["device"])}],
        }

    def old(self) -> dict[str, Any]:
        return {
            "target": "external",
            "version": "4.4.19",
            "edition": "ee",
            "proxyProtocol": True,
            "nodes": self.given["nodes"],
            "configuration": [
                str(self.place / "etc"),
                str(self.place / "node.env"),
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
        acl = {"filename": "acl.conf", "file": (self.place / "etc" / "acl.conf").read_text()}
        calls: list[tuple[str, Any]] = [
            ("/modules", {"type": "internal_acl", "config": {"acl_rule_file": acl}}),
            *(("/modules", {"type": kind, "config": config}) for kind, config in MODULES.items()),
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

    def by_websocket(self) -> tuple[Client, list[str]]:
        """A device that comes by WebSocket and comes back, and what it saw."""
        device, seen = Client(CallbackAPIVersion.VERSION2, "browser", transport="websockets"), []
        device.username_pw_set(DEVICE_USER, self.secrets["device"])
        device.reconnect_delay_set(1, 1)
        device.on_connect = lambda *told: seen.append(str(told[3]))
        device.on_disconnect = lambda *_: seen.append("gone")
        device.connect(self.front, 8083)
        device.loop_start()
        return device, seen

    def written(self) -> Iterator[tuple[Path, bytes]]:
        """All that the updates wrote, without what holds secrets by its nature: archives (but their accounts), databases, and the test's own files."""
        own = {self.directory / "device-password", self.directory / "passphrase"}
        for path in self.directory.rglob("*"):
            inside = path.relative_to(self.work).parts if path.is_relative_to(self.work) else ()
            kept = inside[:1] == ("archives",) and path.name not in {"manifest.md", "manifest.json"}
            database = inside[:1] == ("clusters",) and ("data" in inside or path.name == "api-keys")
            if path.is_file() and not path.is_symlink() and path not in own and not (kept or database):
                yield path, path.read_bytes()

    def nothing_shows_a_secret(self, shown: list[bytes]) -> None:
        """Neither what was shown nor what was written has a secret of the export or of the configuration in it."""
        exported = json.loads(max((self.place / "data").rglob("emqx-export-*.json")).read_text())
        planted = [self.secrets[name] for name in ("device", "admin", "blue", "green")]
        planted += [row["password"] for row in exported["auth_mnesia"]]
        written = {str(path): content for path, content in self.written()}
        assert {Path(name).name for name in written} >= KINDS, "the search was not of everything"
        assert any("/state/" in name for name in written)
        assert not [one for one in planted for content in (*shown, *written.values()) if one.encode() in content]

    def wait_for(self, clients: dict[str, int]) -> None:
        """Somebody waits a second before it comes back."""
        end = time.monotonic() + 60.0
        while self.clients() != clients:
            assert time.monotonic() < end, self.clients()
            time.sleep(0.1)

    def clients(self) -> dict[str, int]:
        """Sockets by colour."""
        with self.old_api() as api:
            blue = sum(node["live_connections"] for node in api.get("/nodes").json()["data"])
        with self.api("green") as api:
            green = sum(node["live_connections"] for node in api.get("/nodes").json())
        return {"blue": blue, "green": green}


def test_an_enterprise_4_4_goes_to_5_8_in_one_change_with_the_devices_logged_in(
    tmp_path: Path, theirs: tuple[NodeProcess, Path, str]
) -> None:
    with allocated() as network, From44(tmp_path / "stage", theirs, network) as stage:
        stage.build_blue()
        stage.start_fleet()
        device, saw = stage.by_websocket()
        stage.configure("green", "blue", "green", acknowledge=ACCEPTED[:2])
        refused = stage.workspace.preview()
        assert refused.code != 0
        assert "acknowledge: [backup]" in refused.output
        assert "TLS 1.3 and its ciphers" in refused.output, "what changes for whoever owns the clients"
        assert "nodes of green begin with, from the configuration of blue: listeners.tcp.default" in refused.output
        stage.configure("green", "blue", "green", acknowledge=ACCEPTED)
        with watched() as arguments:
            done = stage.workspace.up().good()
        assert "copying 20 retained messages" in done.output
        stage.wait_for({"blue": 0, "green": 41})
        assert saw == ["Success", "gone", "Success"], "by WebSocket too one disconnect, and the login of before"
        device.disconnect()
        device.loop_stop()
        with stage.api("green") as api:
            tcp = api.get("/listeners/tcp:default").raise_for_status().json()
            theirs_too = api.get("/nodes", auth=("admin", stage.secrets["blue"]))
        assert tcp["max_connections"] == 1_024_000, "as the old nodes had it"
        assert theirs_too.status_code == 200, "an application of 4.4 is a key of 5.8"
        fleet = stage.end_fleet(60.0)
        assert fleet["disconnects"]["max"] == 1
        assert fleet["refused_connections"] == 0
        assert (stage.work / "archives" / "manifest.md").exists()
        (copied,) = (stage.work / "archives" / "nodes").glob("blue-*/configuration/manifest.json")
        assert [one for one in json.loads(copied.read_text())["files"] if one["path"].endswith("etc/emqx.conf")]
        stage.nothing_shows_a_secret([b"".join(arguments), refused.output.encode(), done.output.encode()])
