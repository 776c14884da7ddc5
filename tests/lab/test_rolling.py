"""One cluster of lab nodes is rolled three times by real `pulumi up`s: cut off and gone on with, back down while somebody interferes, and to Enterprise.

The tests are one story, each goes on where the one before ended.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.cutover.spread import even
from components.keepers.__main__ import app
from components.keepers.copies import manifest_of
from lab.engine_run import EngineRun
from lab.node.kept.terms import licence_key
from lab.stage import Scene
from tests.lab.agreement import plan_and_act_agree
from tests.lab.rolling_bed import Roll
from tests.lab.test_kills import kill, kill_balancer
from tests.lab.untouched import only_looked

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SCENE = Scene(
    clients=30,
    budget_per_second=60,
    edition="ce",
    blue="5.8.8",
    persistent_fraction=0.5,
    gates={"connectLatencyP99Milliseconds": 30_000},  # of a machine that does other things too
)
WAIT_SECONDS = 120.0


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roll]:
    """Three nodes of open source 5.8.8, and devices."""
    with Roll(tmp_path_factory.mktemp("roll"), SCENE) as one:
        one.build_blue()
        one.start_fleet()
        yield one


def events(stage: Roll, event: str, begin: int = 0) -> list[dict[str, Any]]:
    return [one for one in stage.journal()[begin:] if one["event"] == event]


def until(run: EngineRun, seen: Callable[[], bool]) -> None:
    """Wait while the update works."""
    end = time.monotonic() + WAIT_SECONDS
    while not seen():
        assert run.running, run.output()
        assert time.monotonic() < end, run.output()
        time.sleep(0.02)


def test_the_plan_shows_node_by_node_and_nothing_is_touched_by_a_declaration(stage: Roll) -> None:
    stage.declare("5.8.9")
    with only_looked(stage):
        plan = stage.workspace.preview().good().output
    assert "roll to 5.8.9 (ce): 3 of 3 nodes, one after the other; 2 of 3 nodes serve meanwhile" in plan
    assert "a client is disconnected 4 times at most" in plan
    assert "the way back: the same roll downwards" in plan
    assert stage.versions() == ["5.8.8"] * 3


def everybody_is_back(stage: Roll) -> list[int]:
    """Wait for the devices that a killed balancer has cut off and that count up to their next attempt; the nodes' loads then."""
    end = time.monotonic() + WAIT_SECONDS
    while sum(loads := stage.loads()) != SCENE.clients:
        assert time.monotonic() < end, loads
        time.sleep(0.1)
    return loads


CUTS = (
    ("roll-1", "move", "ctrl-c"),
    ("roll-1", "ready", "provider"),
    ("roll-2", "start", "engine"),
    ("roll-3", "stop", "balancer"),
)
"""Where an update is cut off, and how; the next one goes on at the same node."""


def cut_off(stage: Roll, step: str, does: str, way: str) -> str:
    """The node that was in work when the update ended."""
    seen = len(stage.journal())
    run = stage.workspace.start_up()
    until(run, lambda: any((one["step"], one["does"]) == (step, does) for one in events(stage, "roll", seen)))
    if way == "ctrl-c":
        run.interrupt(signal.SIGINT)
    elif way == "balancer":
        kill_balancer(stage)
    else:
        kill(run, way)
        run.kill_all()
        if way != "provider":
            stage.workspace.cancel().good()
        return str(events(stage, "roll")[-1]["node"])
    done = run.wait(WAIT_SECONDS)
    assert done.code != 0
    assert ("the update was cancelled" if way == "ctrl-c" else "see that this HAProxy runs") in done.output
    return str(events(stage, "roll")[-1]["node"])


def test_cut_off_in_each_way_in_the_middle_of_a_node_the_next_up_goes_on_with_that_node_and_ends_even(
    stage: Roll,
) -> None:
    node = ""
    for step, does, way in CUTS:
        seen, before = len(stage.journal()), node
        node = cut_off(stage, step, does, way)
        assert before in {"", events(stage, "roll", seen)[0]["node"]}
        with stage.api("blue") as api:
            rows = api.get("/nodes").raise_for_status().json()
        assert sum(one["node_status"] == "running" for one in rows) >= 2
    seen = len(stage.journal())
    stage.workspace.up().good()
    assert events(stage, "roll", seen)[0]["node"] == node
    assert stage.versions() == ["5.8.9"] * 3
    assert even({str(number): load for number, load in enumerate(everybody_is_back(stage))})
    rolled = [one["node"] for one in events(stage, "roll") if one["does"] == "copy"]
    assert len(rolled) == len(set(rolled)) == 3


def test_an_up_after_that_has_nothing_to_do(stage: Roll) -> None:
    seen = len(stage.journal())
    assert "unchanged" in stage.workspace.up().good().output
    assert not events(stage, "roll", seen)


def test_each_node_has_a_copy_by_node_and_version_that_is_what_its_manifest_says(stage: Roll) -> None:
    copies = sorted((stage.work / "backups").glob("*/*"))
    assert len(copies) == 3
    for copy in copies:
        manifest = manifest_of(copy)
        assert copy.name == f"{manifest.node}-5.8.8-ce"
        assert manifest.files


def test_the_way_down_is_refused_unless_it_is_asked_for(stage: Roll) -> None:
    stage.declare("5.8.8")
    refused = stage.workspace.preview()
    assert refused.code != 0
    assert "goes down; say `acknowledge: [way_back]`" in refused.output
    assert stage.versions() == ["5.8.9"] * 3


def test_a_configuration_that_is_changed_through_another_node_stops_the_roll_and_the_next_up_goes_on(
    stage: Roll,
) -> None:
    stage.declare("5.8.8", acknowledge=["way_back"])
    seen = len(stage.journal())
    run = stage.workspace.start_up()
    until(run, lambda: any(one["does"] == "stop" for one in events(stage, "roll", seen)))
    out = events(stage, "roll", seen)[-1]["node"]
    other = next(node for node in stage.ready("blue")["nodes"] if node["name"] != out)
    with stage.api_of(other) as api:
        text = {"Content-Type": "text/plain"}
        api.put("/configs?mode=merge", content="mqtt { max_inflight = 48 }", headers=text).raise_for_status()
    done = run.wait(WAIT_SECONDS)
    assert done.code != 0
    assert "the configuration was changed from outside" in done.output
    assert f"{other['name']}: mqtt.max_inflight" in done.output
    assert sorted(stage.versions()) == ["5.8.8", "5.8.9", "5.8.9"]
    stage.workspace.up().good()
    assert stage.versions() == ["5.8.8"] * 3


@pytest.mark.parametrize(
    ("license_", "says"),
    [
        (None, "no licence is configured"),
        ("planted-not-a-key", "is no licence key"),
        (licence_key(31), "sessions and 10 that are moved in a second, and the licence is for 31"),
    ],
)
def test_to_enterprise_without_a_licence_that_will_do_nothing_is_touched(
    stage: Roll, license_: str | None, says: str
) -> None:
    if license_ is not None:
        stage.give_license(license_)
    stage.license = license_ or licence_key(0)
    stage.declare("5.8.10", "ee", acknowledge=[])
    refused = stage.workspace.preview() if license_ is None else stage.workspace.up()
    assert refused.code != 0
    assert says in refused.output
    assert license_ is None or license_ not in refused.output
    assert stage.versions() == ["5.8.8"] * 3


def test_a_node_that_does_not_come_back_stops_the_roll_with_the_others_serving_and_says_why(stage: Roll) -> None:
    stage.give_license(licence_key(1_000, "Zm9yZ2Vk"))
    stage.declare("5.8.10", "ee")
    failed = stage.workspace.up()
    assert failed.code != 0
    assert "Error reading license" in failed.output
    assert "2 other nodes serve" in failed.output
    everybody_is_back(stage)
    assert sorted(stage.versions()) == ["5.8.8", "5.8.8", "None"]


def test_its_copy_is_put_back_by_the_command_that_the_error_names(stage: Roll) -> None:
    newest = max((stage.work / "backups").iterdir(), key=lambda one: float(one.name))
    (copy,) = newest.iterdir()
    running = next(one for one in sorted((stage.work / "backups").glob("*/*")) if one.parent != newest)
    refused = CliRunner().invoke(app, ["restore", str(running)])
    done = CliRunner().invoke(app, ["restore", str(copy)])
    assert done.exit_code == 0, done.output
    assert "has the data of 5.8.8 (ce) again" in done.output
    if manifest_of(running).node != manifest_of(copy).node:
        assert refused.exit_code == 1
        assert "stop it first" in refused.output


def test_with_the_right_licence_the_next_up_goes_on_at_that_node_and_ends_as_enterprise(stage: Roll) -> None:
    out = events(stage, "roll")[-1]["node"]
    stage.give_license(licence_key(1_000))
    seen = len(stage.journal())
    stage.workspace.up().good()
    assert events(stage, "roll", seen)[0]["node"] == out
    assert stage.versions() == ["5.8.10"] * 3
    with stage.api("blue") as api:
        assert api.get("/license").raise_for_status().json()["max_sessions"] == 1_000
        assert "max_inflight = 48" in api.get("/configs", headers={"Accept": "text/plain"}).raise_for_status().text


def test_from_enterprise_back_to_open_source_the_backup_is_the_way_and_nothing_is_touched(stage: Roll) -> None:
    stage.declare("5.8.8", "ce", acknowledge=["way_back"])
    refused = stage.workspace.preview()
    assert refused.code != 0
    assert "put the backup back" in refused.output
    assert stage.versions() == ["5.8.10"] * 3


def test_enterprise_is_rolled_to_the_next_patch_and_the_balancer_checks_it_as_enterprise_now(stage: Roll) -> None:
    stage.declare("5.8.11", "ee")
    stage.workspace.up().good()
    assert stage.versions() == ["5.8.11"] * 3
    assert plan_and_act_agree(stage).direction == "roll"
    text = next((stage.work / "balancer").glob("*/haproxy.cfg")).read_text()
    assert "GET /api/v5/load_rebalance/availability_check" in text


def test_no_device_was_refused_or_told_to_go_and_none_was_disconnected_more_often_than_the_plans_said(
    stage: Roll,
) -> None:
    fleet = stage.end_fleet()
    answered = {reason for reason in fleet["refused_by_reason"] if reason.startswith("connack")}
    assert not answered, "without the balancer that was killed nobody answers at all"
    assert set(fleet["disconnects"]["by_reason"]) <= {"FIN", "RST"}, fleet
    assert fleet["disconnects"]["by_reason"].get("RST", 0) <= SCENE.clients, "by the balancer that was killed, once"
    assert fleet["disconnects"]["max"] <= 4 * 4 + 1, fleet


def test_no_licence_and_no_password_stands_in_state_journal_or_report(stage: Roll) -> None:
    secrets = [licence_key(1_000), licence_key(31), stage.secrets["blue"], "planted-not-a-key"]
    texts = [
        path.read_text(errors="replace")
        for path in Path(stage.work).rglob("*")
        if path.suffix in {".jsonl", ".json", ".html", ".md"}
        and "clusters" not in path.parts
        and "backups" not in path.parts
    ]
    texts.append(json.dumps(stage.workspace.export_state()))
    assert not [secret for secret in secrets for text in texts if secret in text]
