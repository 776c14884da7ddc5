"""The whole way from 4.2 to 4.3 by one reviewed change: devices keep their logins, and the new nodes are restarted before the first of them comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.stage import Scene, upgraded

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SCENE = Scene(
    clients=30,
    budget_per_second=30,
    steps=({"share": 100},),
    nodes=1,
    blue="4.2.14",
    green="4.3.22",
    edition="ce",
    cutover={"acknowledge": ["conversion", "sessions", "retained", "permissions"]},
)


def test_a_4_2_goes_to_4_3_with_its_devices_logged_in(tmp_path: Path) -> None:
    with upgraded(tmp_path, SCENE) as stage:
        stage.configure("green", "blue", "green")
        done = stage.workspace.up().good()
        assert "conversion:" in done.output
        assert stage.live() == {"blue": 0, "green": 30}
        acts = [event["event"] for event in stage.journal()]
        assert acts.index("restart") < acts.index("share"), "before the first client"
        fleet = stage.end_fleet(60.0)
        assert fleet["disconnects"]["max"] == 1
        assert fleet["refused_connections"] == 0
