"""A stack as main of 2026-11-22 left it, after its cutover to green: today's program goes on with it; told in order.

State, stack file and work directory were written by that program (commit 4b7f674) on lab nodes; only loopback addresses are put anew, so that two
runs beside each other do not meet. The keys in them opened nothing but those lab nodes.
"""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.local import balancer as balancing
from components.local import cluster as local
from lab.node import network
from lab.stage import Scene, Stage
from tests.lab.local_bed import free_port

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

OLD = Path(__file__).parent / "recordings" / "stack-of-2026-11-22"
SCENE = Scene(clients=30, budget_per_second=60, steps=({"share": 50}, {"share": 100}), nodes=1, edition="ce")
TEXTS = {".json", ".jsonl", ".map", ".cfg", ".state", ""}


class OldStage(Stage):
    """A stage that goes on where the old program ended."""

    def adopt(self) -> None:
        """Lay down what the old program left, at addresses that are free now."""
        directory = self.workspace.project.parent
        shutil.copy(OLD / "passphrase", directory / "passphrase")
        shutil.copy(OLD / "Pulumi.lab.yaml", self.workspace.project / "stacks" / "Pulumi.lab.yaml")
        with tarfile.open(OLD / "work.tar.gz") as packed:
            packed.extractall(self.workspace.project, filter="data")
        state = (OLD / "state.json").read_text()
        anew = self._anew(state)
        for path in self.work.rglob("*"):
            if path.is_file() and path.suffix in TEXTS:
                path.write_text(anew(path.read_text()))
        for path in sorted(self.work.glob("clusters/*/data/emqx@*")):
            path.rename(path.with_name(anew(path.name)))
        (directory / "old.json").write_text(anew(state))
        self.workspace.run("stack", "import", "--file", str(directory / "old.json")).good()
        self.secrets = json.loads((OLD / "secrets.json").read_text())
        self._configured = True

    def _anew(self, state: str) -> Replaced:
        prefixes = sorted(set(re.findall(r"127\.\d+\.\d+(?=\.1:1883)", state)))
        port = (self.work / "balancer" / "address").read_text().rpartition(":")[2]
        pairs = {f"127.0.0.1:{port}": f"127.0.0.1:{free_port('127.0.0.1')}"}
        for prefix in prefixes:
            pairs[prefix] = network.allocate()
            network.release(pairs[prefix])
        return Replaced(pairs)


class Replaced:
    """Text with other addresses."""

    def __init__(self, pairs: dict[str, str]) -> None:
        self._pairs = pairs

    def __call__(self, text: str) -> str:
        for old, new in self._pairs.items():
            text = text.replace(old, new)
        return text


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with OldStage(tmp_path_factory.mktemp("old"), SCENE) as stage:
        stage.adopt()
        yield stage


def kinds(stage: Stage) -> set[str]:
    return {one["type"] for one in stage.workspace.export_state()["deployment"]["resources"]}


def test_what_has_died_since_comes_back_and_nothing_is_made_anew(stage: Stage) -> None:
    before = kinds(stage)
    output = stage.workspace.up().good().output
    assert "created" not in output, output
    assert "deleted" not in output, output
    assert "replaced" not in output, output
    assert kinds(stage) == before
    assert balancing.running(stage.work / "balancer")
    stage.start_fleet()
    assert stage.live() == {"blue": 0, "green": 30}


def test_the_way_back_and_forward_again(stage: Stage) -> None:
    stage.configure("blue", "blue", "green", acknowledge=["sessions"])
    stage.workspace.up().good()
    assert stage.live() == {"blue": 30, "green": 0}
    stage.configure("green", "blue", "green", acknowledge=["sessions", "leftovers"])
    stage.workspace.up().good()
    assert stage.live() == {"blue": 0, "green": 30}


def test_finalize_ends_what_the_old_program_had_made(stage: Stage) -> None:
    stage.configure("green", "green")
    stage.workspace.up().good()
    assert local.running(stage.work / "clusters" / "blue") is None
    assert stage.live()["green"] == 30
    fleet = stage.end_fleet()
    assert fleet["disconnects"]["max"] == 2
    assert fleet["refused_connections"] == 0
