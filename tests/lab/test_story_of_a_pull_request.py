"""One upgrade over four machines that share nothing but Pulumi's backend, the ledger and the place of the journal.

Previewed in A, begun in B and killed at half of the share, ended by C, called off from D the next time. The clusters and the balancer of the lab
are processes that work in one directory, which stands for where they would be; the journal that a machine writes there is lost with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.ledger.files import FilesLedger
from components.run.orders import HOLD, Order, written
from lab.engine_run import EngineRun
from lab.stage import Scene, Stage
from lab.workspace import Workspace, environment
from tests.lab.untouched import only_looked

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

CLIENTS = 60
SCENE = Scene(clients=CLIENTS, budget_per_second=15, steps=({"share": 10}, {"share": 50}, {"share": 100}))
WAIT_SECONDS = 240.0


class Fleet(Stage):
    """Where nodes and balancer work is no part of any clone, and the journal has a place of its own."""

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        self.workspace.set_config({"workDirectory": str(self.work), "journal": f"file://{self.store}"})

    @property
    def store(self) -> Path:
        return self.directory / "store"

    def clone(self, name: str) -> Workspace:
        """A machine with nothing but the repository; what the last one wrote down beside the clusters is gone."""
        (self.work / "journal.jsonl").unlink(missing_ok=True)
        made = Workspace(self.workspace.directory, self.workspace.stack)
        made._guard = self.workspace._guard  # of the one directory that all of them work in
        made.project = self.workspace.directory / name
        shutil.copytree(self.workspace.project, made.project, symlinks=True, ignore=shutil.ignore_patterns(".emqx"))
        made.logs = self.workspace.logs / name
        made.logs.mkdir()
        return made


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("story"), SCENE) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.configure("green", "blue", "green", acknowledge=["sessions"])
        yield stage


def until(run: EngineRun, seen: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not seen():
        assert run.running, run.output()
        assert time.monotonic() < end, run.output()
        time.sleep(0.05)


def of_this_run(stage: Fleet, known: set[str]) -> list[dict[str, Any]]:
    """What the journal has of the runs that are not known; it is whole over all of them, and says what each has heard."""
    return [event for event in stage.journal() if event["run"] not in known]


def steps(events: list[dict[str, Any]]) -> list[str]:
    return [str(event.get("name")) for event in events if event["event"] == "step"]


def orders(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["event"], event["who"]) for event in events if event["event"] in {"hold", "abort"}]


def test_a_preview_in_a_says_what_will_be_and_writes_nothing_but_its_plan(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = fleet.clone("a")
    machine._environment["EMQX_PLAN_FILE"] = str(tmp_path / "plan.md")
    with only_looked(fleet):
        machine.preview(policy_pack=machine.project / "policies").good()
        assert "lab: no update was made here" in command(machine, "components.watch", "--once")
    first = (tmp_path / "plan.md").read_text().splitlines()[0]
    assert first.startswith(f"# {CLIENTS} devices reconnect, once each, in about ")
    assert not (fleet.work / "journal.jsonl").exists()
    assert not fleet.store.exists()
    assert fleet.live() == {"blue": CLIENTS}


def test_begun_in_b_and_killed_at_half_it_is_ended_by_c_with_one_report(fleet: Fleet) -> None:
    machine = fleet.clone("b")
    run = machine.start_up(policy_pack=machine.project / "policies")
    until(run, lambda: "shift-50" in steps(fleet.journal()))
    asyncio.run(held(fleet))  # so that it is killed there, however long this machine takes
    until(run, lambda: ("hold", "bob") in orders(fleet.journal()))
    run.kill_all()
    left = (fleet.store / "journal.jsonl").read_text()
    assert '"shift-10"' in left
    left = left[: left.rfind("\n")]  # a copy that the kill has cut short may end within a line
    other = fleet.clone("c")
    other.cancel().good()
    assert "it was held by" in command(other, "components.tell", "resume")
    other.up(policy_pack=other.project / "policies").good()
    assert everybody(fleet, "green")
    report = json.loads((fleet.work / "report" / "report.json").read_text())
    assert (report["outcome"], report["runs"]) == ("done", 2)
    assert {step["name"] for step in report["steps"]} >= {"shift-10", "shift-50", "shift-100"}
    assert [step["name"] for step in report["planned"]] == ["shift-10", "shift-50", "shift-100"]
    assert set(left.splitlines()) <= set((fleet.store / "journal.jsonl").read_text().splitlines())


def test_the_next_one_is_held_and_called_off_from_d_and_everybody_is_back(fleet: Fleet) -> None:
    fleet.configure("blue", "blue", "green", acknowledge=["sessions"])
    fleet.workspace.up().good()
    assert everybody(fleet, "blue")
    waits = [{"share": 10}, {"hold": 600}, {"share": 100}]
    fleet.configure("green", "blue", "green", acknowledge=["sessions", "leftovers"], steps=waits)
    known = {event["run"] for event in fleet.journal()}
    machine, other = fleet.clone("e"), fleet.clone("d")
    run = machine.start_up()
    until(run, lambda: "hold-1" in steps(of_this_run(fleet, known)))
    assert "pause was asked for by ann: looks odd" in order(other, "pause", "looks odd")
    until(run, lambda: ("hold", "ann") in orders(of_this_run(fleet, known)))
    seen = watched(run, other)
    assert "lab: forward to green: held by ann: looks odd; share 10 % wanted, " in seen
    assert "abort was asked for by ann: the dashboard is red" in order(other, "abort", "the dashboard is red")
    ended = run.wait(WAIT_SECONDS)
    assert ended.code
    assert "it was called off by ann: the dashboard is red" in ended.output
    assert everybody(fleet, "blue")
    assert orders(of_this_run(fleet, known)) == [("hold", "ann"), ("abort", "ann")]
    told = fleet.end_fleet()
    assert told["refused_connections"] == 0
    assert told["disconnects"]["max"] <= 4, "there, back, there and back again"


def everybody(stage: Fleet, colour: str) -> bool:
    """Whether a moment comes at which all devices are there, as brokers say that may be slow to answer."""
    end, wanted = time.monotonic() + WAIT_SECONDS, {"blue": 0, "green": 0, colour: CLIENTS}
    while (live := stage.live()) != wanted:
        assert time.monotonic() < end, live
        time.sleep(0.2)
    return True


def watched(run: EngineRun, machine: Workspace) -> str:
    """The view once it has asked the brokers with the keys that Pulumi decrypts; one that needs longer than the view's patience is asked again."""
    end = time.monotonic() + WAIT_SECONDS
    while "unknown % measured" in (seen := command(machine, "components.watch", "--once")):
        assert run.running, run.output()
        assert time.monotonic() < end, seen
    return seen


async def held(stage: Fleet) -> None:
    order = Order(time.time(), "bob", "before it is killed")
    async with FilesLedger(stage.work / "balancer").held(None) as writing:
        await writing.write({HOLD: written(order)})


def order(machine: Workspace, word: str, why: str) -> str:
    stack = yaml.safe_load((machine.project / "stacks" / "Pulumi.lab.yaml").read_text())
    assert stack["config"]["emqx:workDirectory"]
    return command(machine, "components.tell", word, "--why", why, "--who", "ann")


def command(machine: Workspace, module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words, "--stack", "lab"],
        cwd=machine.project,
        env={**os.environ, **environment(machine.directory)},
        text=True,
        capture_output=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
