"""Every command in README.md is run, word for word, with devices connected; `make demo` meanwhile, as in a second terminal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.local import balancer as balancing
from components.local import cluster as local
from lab.engine_run import EngineRun, tail
from lab.workspace import Workspace, environment
from tests.readme import ALONE, BLOCKS, ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

DEVICES = 24
BLOCK_SECONDS = 400.0
UNASKED = 'pulumi() { case $1 in up|refresh|destroy) set -- "$@" --yes --skip-preview;; esac; command pulumi "$@"; }'
"""Somebody who says yes without a look, for time's sake; the preview is looked at in the block that asks for it."""


class Reader:
    """Somebody who pastes one block after the other into a shell, in a checkout of their own."""

    def __init__(self, directory: Path) -> None:
        self.workspace = Workspace.create(directory, ROOT)
        self.project, self.work = self.workspace.project, self.workspace.project / ".emqx" / "dev"
        for name in ("Makefile", "tools", "requirements.lock"):
            (self.project / name).symlink_to(ROOT / name)
        # The blocks log in by themselves; a pulumi that was built is not built again.
        self._environment = {
            "XDG_CACHE_HOME": str(Path.home() / ".cache"),
            **environment(directory),
            "HOME": str(directory),
        }
        del self._environment["PULUMI_BACKEND_URL"]
        self._fleet: subprocess.Popen[str] | None = None
        self.ran: list[str] = []

    def block(self, *words: str) -> str:
        """Run the next block; it must hold these words."""
        block: str = BLOCKS[len(self.ran)]
        assert all(word in block for word in words), block
        self.ran.append(block)
        return self.shell(block)

    def shell(self, script: str, **variables: str) -> str:
        done = self.start(script, **variables).wait(BLOCK_SECONDS)
        assert done.code == 0, f"{script}\n{tail(done.output)}"
        return done.output

    def start(self, script: str, **variables: str) -> EngineRun:
        log = self.workspace.logs / f"{time.monotonic_ns()}.log"
        command = ["bash", "-euo", "pipefail", "-c", f"{UNASKED}\n{script}"]
        return EngineRun.start(command, self.project, self._environment | variables, log)

    def connect_devices(self) -> None:
        mqtt = balancing.handle_of(self.work / "balancer").mqtt
        log = self.workspace.directory / "fleet" / "fleet.jsonl"
        log.parent.mkdir()
        command = [
            sys.executable,
            "-m",
            "lab",
            "fleet",
            "--address",
            mqtt,
            "--clients",
            str(DEVICES),
            "--anonymous",
            "--kinds",
            "plain",
        ]
        self._fleet = subprocess.Popen([*command, "--log", log], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._fleet.stdout is not None
        assert self._fleet.stdout.readline().startswith("ready")

    def end_devices(self) -> dict[str, Any]:
        """What they saw."""
        assert self._fleet is not None
        self._fleet.send_signal(signal.SIGTERM)
        self._fleet.communicate(timeout=120)
        summary: dict[str, Any] = json.loads((self.workspace.directory / "fleet" / "summary.json").read_text())
        return summary

    def live(self) -> dict[str, int]:
        """Live connections of the colours that run, as their brokers say."""
        counts = {}
        for colour in ("blue", "green"):
            place = self.work / "clusters" / colour
            ready = local.running(place)
            if ready:
                key, secret, _ = (place / local.KEY_FILE).read_text().split(":")
                nodes = httpx.get(f"{ready['nodes'][0]['api']}/api/v5/nodes", auth=(key, secret), timeout=30)
                counts[colour] = sum(node["live_connections"] for node in nodes.raise_for_status().json())
        return counts

    def close(self) -> None:
        self.workspace.close()
        if self._fleet is not None:
            self._fleet.communicate()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("readme"))
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def demo(reader: Reader) -> EngineRun:
    """`make demo` in a second terminal, small by the parameters that the README names; it works while the walk goes on."""
    smaller = {"CLIENTS": "60", "RATE": "60", "STEPS": "100", "REPORT": "demo-report"}
    # Its own directory is made inside ours, so that nothing of it outlives a failure.
    return reader.start("make demo", TMPDIR=str(reader.workspace.directory), **smaller)


def test_make_test(reader: Reader, demo: EngineRun) -> None:
    reader.ran.append(BLOCKS[0])
    assert BLOCKS[0].split("\n") == ["make demo", "make test", ""]
    # `make test` would run this very test again, and that one would run it again: its recipe is only shown.
    assert "pytest" in reader.shell("make -n test")


def test_first_up(reader: Reader) -> None:
    output = reader.block("make setup", "stacks/Pulumi.dev.yaml", "pulumi up")
    assert balancing.handle_of(reader.work / "balancer").mqtt in output.splitlines()
    reader.connect_devices()
    assert reader.live() == {"blue": DEVICES}


def test_first_upgrade(reader: Reader) -> None:
    output = reader.block("emqx:live green", "pulumi preview", "pulumi up")
    assert f"cutover forward to green: {DEVICES} clients, at most 200/s" in output
    assert reader.live() == {"blue": 0, "green": DEVICES}
    assert "clients moved to green" in reader.block("components.report")


def test_way_back_and_forward_again(reader: Reader) -> None:
    reader.block("emqx:live blue", "pulumi up")
    assert reader.live() == {"blue": DEVICES, "green": 0}
    reader.block("emqx:live green", "pulumi up")
    assert reader.live() == {"blue": 0, "green": DEVICES}


def test_finalize(reader: Reader) -> None:
    reader.block("config rm", "clusters.blue", "pulumi up")
    assert reader.live() == {"green": DEVICES}


def test_after_a_kill(reader: Reader) -> None:
    kill_an_update(reader)
    assert "locked" in reader.start("pulumi up").wait(BLOCK_SECONDS).output
    reader.block("pulumi cancel", "pulumi up")
    reader.block("--clear-pending-creates")
    seen = reader.end_devices()
    assert seen["disconnects"]["max"] == 3, "to green, back, and to green again"
    assert seen["refused_connections"] == 0
    reader.block("PULUMI_RUN_PROGRAM=true pulumi destroy")
    assert reader.live() == {}


def kill_an_update(reader: Reader) -> None:
    """SIGKILL as soon as the engine has its lock."""
    run = reader.start("pulumi up")
    limit = time.monotonic() + BLOCK_SECONDS
    while not list(reader.workspace.directory.glob(".pulumi/locks/**/*.json")):
        assert run.running, run.output()
        assert time.monotonic() < limit, "no lock"
        time.sleep(0.02)
    run.kill_all()


def test_make_demo(reader: Reader, demo: EngineRun) -> None:
    done = demo.wait(BLOCK_SECONDS)
    assert done.code == 0, tail(done.output)
    assert "cutover: done, clients moved to green" in done.output
    report = json.loads((reader.project / "demo-report" / "report.json").read_text())
    assert report["disconnects"]["max"] == 1
    assert report["refused_connections"] == 0


def test_make_bench(reader: Reader) -> None:
    # Too few clients for the provider's growth and the ratio to mean anything: only these two may miss their bounds.
    output = reader.start("make bench SMALL=10 CLIENTS=40 RATE=40").wait(BLOCK_SECONDS).output
    said = [line for line in output.splitlines() if line.startswith(("missed: ", "all figures are within"))]
    assert re.search(r"^provider memory: -?\d+ bytes for each further client", output, re.MULTILINE), tail(output)
    for kind in ("provider", "node", "balancer"):
        assert re.search(rf"40 +│ {kind} +│ +[1-9]\d*\.\d", output), f"{kind} was not measured\n{tail(output)}"
    assert len(said) == 1, tail(output)
    assert "disconnected twice or refused" not in said[0]
    reader.ran.append(ALONE[0])


def test_make_upgrade_path(reader: Reader) -> None:
    done = reader.start("make upgrade-path FROM=4.2.14 TO=5.8.9 EDITION=ce").wait(BLOCK_SECONDS)
    assert done.code == 0, tail(done.output)
    assert all(hop in done.output for hop in ("4.3", "4.4", "5.8.9")), done.output
    reader.ran.append(ALONE[1])


def test_no_command_was_left_out(reader: Reader) -> None:
    """Nor has the README one that is in none of these: tests/unit/test_readme_commands.py."""
    assert reader.ran == [*BLOCKS, *ALONE]
