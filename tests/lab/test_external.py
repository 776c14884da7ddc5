"""A colour that exists already: the first upgrade of most teams, from a cluster of theirs to one that is declared."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from components.local import processes
from lab.stage import Scene, Stage
from lab.workspace import Secret
from tests.lab.agreement import plan_and_act_agree
from tests.lab.node_process import node_process

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SCENE = Scene(clients=60, budget_per_second=60, steps=({"share": 50}, {"share": 100}), cutover={"mover": "evacuation"})


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """A cluster that nobody declared, and its API secret."""
    secret = secrets.token_urlsafe(24)
    words = ("--name", "theirs", "--version", "5.8.6", "--max-sessions", "0")
    async with node_process(tmp_path / "theirs", *words, key=("upgrade-blue", secret)) as started:
        yield started.ready, secret


class ExternalBlue(Stage):
    """Blue is given by its addresses."""

    def __init__(self, directory: Path, ready: dict[str, Any], secret: str) -> None:
        super().__init__(directory, SCENE)
        self.given, self.secrets["blue"] = ready, secret

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        clusters: dict[str, Any] = {"blue": self.external()} if "blue" in colours else {}
        if "green" in colours:
            local = {"target": "local", "version": SCENE.green, "nodes": 3, "edition": "ee"}
            clusters["green"] = {**local, "proxyProtocol": True, "maxSessions": 0}
        credentials = {
            colour: {"apiKey": f"upgrade-{colour}", "apiSecret": Secret(self.secrets[colour])}
            for colour in ("blue", "green")
        }
        self.workspace.set_config({"clusters": clusters, "credentials": credentials})

    def external(self) -> dict[str, Any]:
        return {"target": "external", "version": "5.8.6", "edition": "ee", "nodes": self.given["nodes"]}

    def ready(self, colour: str) -> dict[str, Any]:
        return self.given if colour == "blue" else super().ready(colour)


def test_a_cluster_of_theirs_is_left_for_a_declared_one_and_stays_as_it_is(
    tmp_path: Path, theirs: tuple[dict[str, Any], str]
) -> None:
    ready, secret = theirs
    with ExternalBlue(tmp_path / "stage", ready, secret) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.configure("green", "blue", "green")
        stage.workspace.up().good()
        assert stage.live() == {"blue": 0, "green": 60}
        moved = {step.name: step.mover for step in plan_and_act_agree(stage).steps if step.clients}
        assert moved == {"shift-50": "close", "shift-100": "evacuation"}
        stage.configure("green", "green")
        stage.workspace.up().good()
        assert processes.running(Path(ready_directory(ready))) is not None, "not ours to end"
        fleet = stage.end_fleet()
        assert fleet["disconnects"]["max"] == 1
        assert fleet["refused_connections"] == 0


def ready_directory(ready: dict[str, Any]) -> str:
    """The directory that the process was started for."""
    arguments = Path(f"/proc/{ready['pid']}/cmdline").read_text().split("\0")
    return arguments[arguments.index("--directory") + 1]
