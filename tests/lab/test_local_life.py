"""A local cluster's life: found again after a kill at any point, never twice on one directory, and never with another one's data."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.emqx.errors import BadInput, GaveUp, Refused, Stopped
from components.emqx.models import Credentials
from components.intent import load
from components.local import cluster as local
from components.local import processes
from components.resources.local_cluster import LocalClusterProvider
from components.system.trusted import authorities
from tests.lab.devices import SECONDS, Devices
from tests.lab.local_bed import wanted
from tests.lab.node_process import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CREDENTIALS = Credentials(api_key="key", api_secret="planted-secret", username="admin", password="Planted:1")
PROVIDER = """
import pathlib, sys
from components.emqx.models import Credentials
from components.local import cluster as local
from components.local.wanted import Wanted
wanted = Wanted("blue", "5.8.9", "ee", 1, False, 0, pathlib.Path(sys.argv[1]), None)
local.serve(wanted, Credentials(api_key="key", api_secret="planted-secret"), lambda: None)
"""


def serve(directory: Path, version: str = "5.8.9") -> dict[str, Any]:
    return local.serve(wanted(directory, version), CREDENTIALS, lambda: None)


def ours(directory: Path) -> set[int]:
    """Every lab process with this directory."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if str(directory).encode() in words and b"lab" in words:
                found.add(int(entry.name))
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "clusters" / "blue"
    yield place
    local.stop(place)
    for pid in ours(place):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def orphan(directory: Path) -> int:
    """A cluster whose provider was killed between its start and its ready file."""
    command = [sys.executable, "-c", PROVIDER, str(directory)]
    provider = subprocess.Popen(command, cwd=ROOT)
    end = time.monotonic() + SECONDS
    while not (directory / processes.PID).exists() or not (directory / processes.PID).read_text().strip():
        assert time.monotonic() < end
        time.sleep(0.001)
    provider.kill()
    provider.wait()
    assert not (directory / "ready.json").exists(), "killed in time"
    return int((directory / processes.PID).read_text())


def test_what_a_killed_provider_has_started_is_waited_for_and_not_started_twice(directory: Path, orphan: int) -> None:
    assert serve(directory)["pids"] == [orphan]
    assert ours(directory) == {orphan}


def test_what_a_killed_provider_has_started_is_ended_by_a_deletion(directory: Path, orphan: int) -> None:
    assert ours(directory) == {orphan}
    local.stop(directory)
    assert ours(directory) == set()


def test_two_updates_at_once_start_it_once(directory: Path) -> None:
    with ThreadPoolExecutor() as both:
        first, second = both.map(serve, [directory, directory])
    assert first["pids"] == second["pids"]
    assert len(ours(directory)) == 1


def test_an_update_that_was_interrupted_does_not_end_a_cluster_that_serves(directory: Path) -> None:
    served = serve(directory)
    assert local.serve(wanted(directory), CREDENTIALS, stop)["pids"] == served["pids"]
    assert ours(directory) == set(served["pids"])


def test_a_cluster_whose_ready_file_was_removed_is_found_again_and_not_ended(directory: Path) -> None:
    served = serve(directory)
    (directory / "ready.json").unlink()
    assert serve(directory) == served
    assert ours(directory) == set(served["pids"])


def test_a_process_that_ran_before_is_never_ended_by_a_start(directory: Path) -> None:
    directory.mkdir(parents=True)
    command = ["sleep", "600", str(directory)]
    with subprocess.Popen(["sh", "-c", "sleep 600; true", str(directory)]) as stranger:  # it never writes a ready file
        (directory / processes.PID).write_text(str(stranger.pid))
        try:
            with pytest.raises(GaveUp, match=f"process {stranger.pid} runs and is not ready .*end that process once"):
                processes.start(directory, command, {}, interrupted=lambda: None, limit_seconds=0.2)
            with pytest.raises(Stopped):
                processes.start(directory, command, {}, interrupted=stop, limit_seconds=5)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def stop() -> None:
    raise Stopped("this update", seen="Ctrl-C", todo="run it again")


def test_an_update_that_starts_for_ever_is_said(directory: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with processes.one_start(directory, lambda: None):
            held.set()
            done.wait(SECONDS)

    with ThreadPoolExecutor() as other:
        other.submit(hold)
        held.wait(SECONDS)
        try:
            with (
                pytest.raises(GaveUp, match="another update has done so"),
                processes.one_start(directory, lambda: None, limit_seconds=0.2),
            ):
                pass
        finally:
            done.set()


def test_another_version_that_no_state_knows_of_is_not_adopted(directory: Path) -> None:
    serve(directory, "5.8.6")
    with pytest.raises(Refused, match=r"5\.8\.6 \(ee\) runs there"):
        serve(directory, "5.8.9")


class Colour:
    """The resource as the engine calls it, with the state between the calls."""

    def __init__(self, directory: Path, **props: Any) -> None:
        self.provider, self.id, self.state = LocalClusterProvider(), "blue", dict[str, Any]()
        self.provider.credentials = {"blue": CREDENTIALS}
        self.props = {
            "name": "blue",
            "colour": "blue",
            "version": "5.8.6",
            "edition": "ee",
            "nodes": 1,
            "proxy_protocol": False,
            "max_sessions": 0,
            "directory": str(directory),
            **props,
        }

    def refusals(self, **changes: Any) -> list[str]:
        failures = self.provider.check(self.state, {**self.props, **changes}).failures
        return [failure.reason for failure in failures]

    def up(self, **changes: Any) -> None:
        news = {**self.props, **changes}
        assert self.refusals(**changes) == []
        if self.state:
            self.state = dict(self.provider.update(self.id, self.state, news).outs or {})
            return
        made = self.provider.create(news)
        self.id, self.state = str(made.id), dict(made.outs or {})

    def delete(self) -> None:
        self.provider.delete(self.id, self.state)
        self.state = {}

    def api(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.state['handle']['nodes'][0]['api']}/api/v5{path}"
        answer = httpx.request(
            method, url, json=body, auth=("key", "planted-secret"), timeout=SECONDS, verify=authorities()
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None


def test_the_next_cluster_of_a_colour_begins_empty_and_the_last_ones_data_are_kept_aside(directory: Path) -> None:
    colour = Colour(directory)
    for version in ("5.8.6", "5.8.9"):
        colour.up(version=version)
        assert colour.api("GET", "/banned")["data"] == []
        colour.api("POST", "/banned", {"as": "clientid", "who": f"who-{version}"})
        time.sleep(1.5)  # written down once a second
        colour.delete()
        assert not directory.exists()
        (aside,) = directory.parent.glob("blue.*")
        written = b"".join(path.read_bytes() for path in (aside / "data").rglob("*") if path.is_file())
        assert f"who-{version}".encode() in written, "the newest one"
        assert not (aside / local.KEY_FILE).exists()
    colour.provider.delete(colour.id, {**colour.props})


@pytest.mark.parametrize("change", [{"max_sessions": 25}, {"proxy_protocol": True}, {"edition": "ce"}])
def test_what_a_cluster_has_for_life_is_refused_in_check(directory: Path, change: dict[str, Any]) -> None:
    colour = Colour(directory)
    colour.state = {**colour.props}
    (refusal,) = colour.refusals(**change)
    assert f"its {next(iter(change))} would change from" in refusal
    assert "declare the other colour with it" in refusal


def test_a_running_cluster_is_not_started_anew_in_another_directory(directory: Path, tmp_path: Path) -> None:
    colour = Colour(directory)
    colour.up()
    (refusal,) = colour.refusals(directory=str(tmp_path / "elsewhere"))
    assert f"pulumi config set emqx:workDirectory {directory.parents[1]}`" in refusal
    directory.rename(tmp_path / "elsewhere")  # its process goes on, and has its clients
    (refusal,) = colour.refusals(directory=str(tmp_path / "elsewhere"))
    assert f"pulumi config set emqx:workDirectory {directory.parents[1]}`" in refusal
    (tmp_path / "elsewhere").rename(directory)
    colour.delete()


def test_nodes_with_clients_are_not_taken_away(directory: Path) -> None:
    colour = Colour(directory, nodes=2)
    colour.up()
    first, second = (node["mqtt"] for node in colour.state["handle"]["nodes"])
    devices = Devices(second, 3)
    try:
        (refusal,) = colour.refusals(nodes=1)
        assert "clients are connected to them" in refusal
        assert colour.state["handle"]["nodes"][1]["name"] in refusal
        assert set(devices.disconnects()) == {0}
    finally:
        devices.end()
    others = Devices(first, 3)
    try:
        colour.up(nodes=1)
        assert len(colour.state["handle"]["nodes"]) == 1
        assert set(others.disconnects()) == {0}
    finally:
        others.end()


def test_a_cluster_with_clients_is_not_ended_whatever_the_stack_says(directory: Path) -> None:
    colour = Colour(directory)
    colour.up()
    devices = Devices(colour.state["handle"]["nodes"][0]["mqtt"], 3)
    try:
        with pytest.raises(Refused, match=r"ending blue on blue: clients are connected: .*: 3"):
            colour.delete()
        assert set(devices.disconnects()) == {0}
    finally:
        devices.end()


def test_a_cluster_that_runs_here_is_not_declared_external(directory: Path) -> None:
    (node,) = serve(directory)["handle"]["nodes"]
    config = {
        "live": "blue",
        "clusters": {"blue": {"target": "external", "version": "5.8.9", "nodes": [node]}},
        "workDirectory": str(directory.parent.parent),
    }
    with pytest.raises(
        BadInput, match=r"emqx:clusters\.blue\.target: external; allowed: local, as this cluster runs in"
    ):
        load(config.get, stack="dev")
    elsewhere = {"name": "emqx@10.0.0.1", "api": "http://10.0.0.1:18083", "mqtt": "10.0.0.1:1883"}
    config["clusters"] = {"blue": {"target": "external", "version": "5.8.9", "nodes": [elsewhere]}}
    assert load(config.get, stack="dev").live == "blue"
