"""From 4.2 to 5.8 by every line between: logins, permissions in their order and retained messages are at the end what they were at the beginning.

Each hop is one reviewed change with its way back before its finalize; each device loses its connection once for each move.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.emqx import retained
from components.emqx.models import MqttAccount, Node
from components.emqx.probes import opened
from components.emqx.retained import Reader
from components.mqtt import Connack, Connect, Suback, Subscribe, Subscription
from lab.stage import Scene, Stage
from lab.workspace import Secret

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500)]

CLIENTS = 20
SCENE = Scene(
    clients=CLIENTS,
    budget_per_second=CLIENTS,
    steps=({"share": 100},),
    nodes=1,
    edition="ce",
    blue="4.2.14",
    green="4.3.22",
    cutover={"acknowledge": ["conversion", "sessions", "permissions"]},
)
HOPS = (("green", "4.3.22"), ("blue", "4.4.19"), ("green", "5.8.9"))
READER, ALICE = "reader", "alice"
MAY = {"c/open": True, "c/other": False, "vault/1": False, "free": True}
"""What alice may subscribe to: an older allow below a deny, and a deny for everybody; nothing else is said of ``free``."""


class Chain(Stage):
    """A stage whose colours take turns; the one that is left is finalized before the next hop."""

    def hop(self, to: str, version: str) -> None:
        """The versions of the next hop."""
        self.scene = replace(self.scene, blue=version) if to == "blue" else replace(self.scene, green=version)

    def _credentials(self, colour: str) -> dict[str, Any]:
        """With an account that may read everything retained, and one whose password is known."""
        known = {"username": ALICE, "password": Secret(self.secrets["device"])}
        reader = {"username": READER, "password": Secret(self.secrets["admin"])}
        return {**super()._credentials(colour), "retained": reader, "accounts": [known]}

    def fill(self, colour: str) -> None:
        """What every colour of the lab has, and accounts, rules and a ban of 4.2; it decodes texts of a body."""
        super().fill(colour)
        rules = [
            (ALICE, "c/open", True),
            (ALICE, "c/%23", False),
            (READER, "%23", True),
            ("$all", "vault/%23", False),
        ]
        with self.api(colour) as api:
            for name, secret in ((ALICE, "device"), (READER, "admin")):
                body = {"login": name, "password": self.secrets[secret], "is_superuser": False}
                assert api.post("/mqtt_user", json=body).json()["code"] == 0
            for login, topic, allow in rules:
                rule = {"login": login, "topic": topic, "action": "pubsub", "allow": allow}
                assert api.post("/mqtt_acl", json=rule).json()["code"] == 0
            ban = {"who": "badguy", "as": "clientid", "by": "me", "reason": "lab", "until": 4_000_000_000}
            assert api.post("/banned", json=ban).json()["code"] == 0

    def backed_up(self, colour: str) -> None:
        """The nodes' files were copied before anything was touched."""
        found = (self.work / "archives" / "nodes").glob(f"{colour}-*/emqx@*/manifest.json")
        copied = json.loads(max(found, key=lambda path: path.stat().st_mtime).read_text())
        assert copied["version"] == (self.scene.blue if colour == "blue" else self.scene.green)
        names = [one["path"] for one in copied["files"]]
        assert "etc/emqx.conf" in names
        assert [name for name in names if name.startswith("data/")]
        assert all(one["size"] >= 0 and len(one["sha256"]) == 64 for one in copied["files"])

    def holds(self, colour: str) -> None:
        """Everybody is let in and kept out as 4.2 did it, and each retained message is what it was."""
        node = Node(**self.ready(colour)["nodes"][0])
        assert asyncio.run(permitted(node, ALICE, self.secrets["device"])) == MAY
        assert asyncio.run(permitted(node, ALICE, "another")) is None
        reader = MqttAccount(username=READER, password=self.secrets["admin"])
        found = asyncio.run(messages(Reader.declared(node, reader, proxied=True)))
        assert found == {f"config/{number}": (str(number).encode(), 1) for number in range(20)}
        with self.api(colour) as api:
            bans = api.get("/banned").json()["data"]
        assert [(one["as"], one["who"]) for one in bans] == [("clientid", "badguy")]


async def permitted(node: Node, user: str, password: str) -> Mapping[str, bool] | None:
    """What somebody may subscribe to; None when it does not get in."""
    found: dict[str, bool] = {}
    async with opened(node, 5, proxy_protocol=True) as wire:
        await wire.send(Connect(client_id=f"c-{user}", username=user, password=password.encode(), level=5))
        answer = await wire.expect(Connack)
        if answer is None or answer.reason:
            return None
        for topic in MAY:
            await wire.send(Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter=topic),)))
            granted = await wire.expect(Suback)
            found[topic] = granted is not None and granted.reasons[0] < 0x80
    return found


async def messages(reader: Reader) -> dict[str, tuple[bytes, int]]:
    """What is retained: payload and QoS by topic."""
    topics = await retained.topics(reader, most=20)
    portions = retained.messages(reader, topics)
    return {one.topic: (one.payload, one.qos) async for portion in portions for one in portion}


def test_a_4_2_goes_to_5_8_by_every_line_between_and_back_from_each(tmp_path: Path) -> None:
    with Chain(tmp_path, SCENE) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.holds("blue")
        moves = 0
        for to, version in HOPS:
            left = "blue" if to == "green" else "green"
            stage.hop(to, version)
            stage.configure(to, "blue", "green")
            done = stage.workspace.up().good()
            assert "copying 20 retained messages" in done.output
            stage.holds(to)
            assert stage.live() == {left: 0, to: CLIENTS}
            stage.backed_up(left)
            stage.configure(left, "blue", "green", acknowledge=[*SCENE.cutover["acknowledge"], "way_back"])
            stage.workspace.up().good()
            assert stage.live() == {left: CLIENTS, to: 0}
            moves += 2
            if version != HOPS[-1][1]:
                stage.configure(to, "blue", "green")
                stage.workspace.up().good()
                stage.holds(to)
                stage.configure(to, to)
                stage.workspace.up().good()
                moves += 1
        acts = [event["event"] for event in stage.journal()]
        assert acts.index("restart") < acts.index("share"), "before the first client"
        fleet = stage.end_fleet(60.0)
        assert (fleet["disconnects"]["mean"], fleet["disconnects"]["max"]) == (moves, moves), "one for each move"
        assert fleet["refused_connections"] == 0
