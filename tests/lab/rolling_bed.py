"""A stage whose live colour is upgraded in place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx

from components.system.trusted import authorities
from lab.stage import Scene, Stage
from lab.workspace import Secret

SCRIPT = str(Path(__file__).with_name("keeper_command.py"))


def commands(control: str) -> dict[str, tuple[str, ...]]:
    """How the owner of lab nodes stops, starts and copies one of them."""
    by = (sys.executable, SCRIPT, control)
    return {
        "stop": (*by, "stop", "{node}"),
        "start": (*by, "start", "{node}", "{version}", "{edition}"),
        "backUp": (*by, "print", "{node}"),
        "restore": (*by, "take", "{node}"),
        "setAside": (*by, "aside", "{node}"),
    }


class Roll(Stage):
    """Blue alone, with strategy `rolling`; ``declare`` is the one reviewed change."""

    def __init__(self, directory: Any, scene: Scene) -> None:
        super().__init__(directory, scene)
        self.version, self.edition = scene.blue, scene.edition
        self.license: str | None = None

    def configure(self, live: str = "blue", *colours: str, **more: Any) -> None:
        """Blue as it is declared now."""
        super().configure(live, *(colours or ("blue",)), **{"strategy": "rolling", **more})
        cluster: dict[str, Any] = {
            "target": "local",
            "edition": self.edition,
            "proxyProtocol": True,
            "version": self.version,
            "nodes": self.nodes["blue"],
        }
        if self.edition == "ee" and self.license is None:
            cluster["maxSessions"] = 0
        self.workspace.set_config({"clusters": {"blue": cluster}})

    def declare(self, version: str, edition: str | None = None, **more: Any) -> None:
        """Another version, or edition, of the live colour."""
        self.version, self.edition = version, edition or self.edition
        self.configure(**more)

    def give_license(self, key: str) -> None:
        """The licence, as a secret of the stack."""
        self.license = key
        self.workspace.set_config(
            {
                "credentials": {
                    "blue": {
                        "apiKey": "upgrade-blue",
                        "apiSecret": Secret(self.secrets["blue"]),
                        "username": "admin",
                        "password": Secret(self.secrets["admin"]),
                        "license": Secret(key),
                    }
                }
            }
        )

    def api_of(self, node: dict[str, Any]) -> httpx.Client:
        """The management API of one node."""
        auth = ("upgrade-blue", self.secrets["blue"])
        return httpx.Client(base_url=f"{node['api']}/api/v5", auth=auth, timeout=30, verify=authorities())

    def api(self, colour: str) -> httpx.Client:
        """That of a node that answers: the first one may be out."""
        nodes = self.ready(colour)["nodes"]
        return self.api_of(next(node for node in nodes if _answers(node)))

    def versions(self) -> list[str]:
        """What the nodes say that they run, in their order."""
        with self.api("blue") as api:
            rows = api.get("/nodes").raise_for_status().json()
        return [str(one.get("version")) for one in sorted(rows, key=lambda row: str(row["node"]))]

    def loads(self) -> list[int]:
        """Live connections of each node."""
        with self.api("blue") as api:
            rows = api.get("/nodes").raise_for_status().json()
        return [int(one.get("live_connections", 0)) for one in rows]


def _answers(node: dict[str, Any]) -> bool:
    try:
        return httpx.get(f"{node['api']}/status", timeout=5, verify=authorities()).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
