"""A whole stack of two releases: `pulumi up` moves the fleet from one to the other and removes the old colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.local import cluster as local
from lab.stage import Scene, Stage
from tests.lab.release_bed import LAB_NODE, gone, unpacked

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


class Releases(Stage):
    """Both colours are releases."""

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        clusters = {}
        for colour, version in (("blue", self.scene.blue), ("green", self.scene.green)):
            home = self.directory / version
            if not home.exists():
                unpacked(home, LAB_NODE, version)
            clusters[colour] = {"target": "local", "version": version, "nodes": 1, "emqxHome": str(home)}
        self.workspace.set_config({"clusters": {colour: clusters[colour] for colour in colours}})

    def ready(self, colour: str) -> dict[str, Any]:
        ready = local.running(self.work / "clusters" / colour)
        assert ready is not None, f"{colour} does not run"
        return ready | {"version": getattr(self.scene, colour)}


def test_a_stack_of_two_releases_is_upgraded_by_pulumi_up_and_its_old_colour_removed(tmp_path: Path) -> None:
    scene = Scene(clients=40, budget_per_second=40, nodes=1, steps=({"share": 50}, {"share": 100}))
    with Releases(tmp_path / "stage", scene) as stage:
        try:
            stage.build_blue()
            stage.start_fleet()
            stage.configure("green", "blue", "green")
            stage.workspace.up().good()
            assert stage.live() == {"blue": 0, "green": 40}
            blue = stage.ready("blue")["pids"]
            stage.configure("green", "green")
            stage.workspace.up().good()
            assert all(map(gone, blue))
            assert stage.end_fleet()["disconnects"]["max"] == 1
        finally:
            for colour in ("blue", "green"):
                local.stop(stage.work / "clusters" / colour)
