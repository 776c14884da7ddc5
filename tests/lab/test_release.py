"""Target `local` with `emqxHome`, through the operations of LocalCluster, with a stand-in release: its `bin/emqx` looks at what it is
given as EMQX's own script would and then becomes a lab node. A real release cannot be had here.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from components.emqx.errors import BadInput, GaveUp
from components.emqx.models import ClusterHandle, Credentials
from components.emqx.v5 import ClusterApi
from components.operations import local, readiness, release, release_processes
from components.resources.local_cluster import LocalClusterProvider
from lab.stage import ROOT, Scene, Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

CREDENTIALS = Credentials(api_key="upgrade-blue", api_secret="planted-secret", username="admin", password='Planted:"1"')

SCRIPT = """#!/bin/sh
# As EMQX's script: one command, variables of the release, everything else from the environment.
set -eu
[ "$1" = foreground ] || { echo "unknown command $1"; exit 64; }
[ $# = 1 ] || { echo "$# arguments"; exit 64; }
. "$(dirname "$0")/../releases/emqx_vars"
address=${EMQX_NODE__NAME#emqx@}
[ -n "$EMQX_NODE__COOKIE" ] || exit 65
[ "$EMQX_CLUSTER__STATIC__SEEDS" != "${EMQX_CLUSTER__STATIC__SEEDS#*"$EMQX_NODE__NAME"}" ] || { echo "not a seed"; exit 65; }
[ "$EMQX_DASHBOARD__LISTENERS__HTTP__BIND" = "$address:18083" ] || exit 65
[ "$ERL_AFLAGS" = "-kernel inet_dist_use_interface {$(echo "$address" | tr . ,)}" ] || exit 65
[ -d "$EMQX_NODE__DATA_DIR" ] && [ -d "$EMQX_LOG_DIR" ] || exit 65
proxy=""
[ "$EMQX_LISTENERS__TCP__DEFAULT__PROXY_PROTOCOL" = true ] && proxy=--proxy-protocol
text() { printf %s "$1" | @PYTHON@ -c 'import json, sys; sys.stdout.write(json.load(sys.stdin))'; }
EMQX_API_KEY__BOOTSTRAP_FILE=$(text "$EMQX_API_KEY__BOOTSTRAP_FILE")
EMQX_DASHBOARD__DEFAULT_PASSWORD=$(text "$EMQX_DASHBOARD__DEFAULT_PASSWORD")
EMQX_DASHBOARD__DEFAULT_USERNAME=$(text "$EMQX_DASHBOARD__DEFAULT_USERNAME")
export EMQX_API_KEY__BOOTSTRAP_FILE EMQX_DASHBOARD__DEFAULT_PASSWORD EMQX_DASHBOARD__DEFAULT_USERNAME
echo "$REL_VSN starts with $(env | grep -c ^EMQX_) settings"
cd @ROOT@
@BECOME@
"""
LAB_NODE = (
    'exec @PYTHON@ -m lab node --directory "$EMQX_NODE__DATA_DIR/lab" --nodes 1 --network "${address%.*}"'
    ' --version "$REL_VSN" --max-sessions 0 $proxy'
)
ONLY_STATUS = 'exec @PYTHON@ @ROOT@/tests/lab/release_status.py "$address"'
"""For more than one node: a lab process holds a whole cluster, so single nodes that know each other cannot be had from it."""


def unpacked(directory: Path, become: str, version: str = "5.8.8") -> Path:
    (directory / "bin").mkdir(parents=True)
    (directory / "releases").mkdir()
    (directory / "releases" / "emqx_vars").write_text(f'REL_VSN="{version}"\nIS_ENTERPRISE="yes"\n')
    script = SCRIPT.replace("@BECOME@", become).replace("@PYTHON@", shlex.quote(sys.executable))
    (directory / "bin" / "emqx").write_text(script.replace("@ROOT@", shlex.quote(str(ROOT))))
    (directory / "bin" / "emqx").chmod(0o755)
    return directory


class Colour:
    """The operations of the resource as the engine calls them, one after the other, with the state between them."""

    def __init__(self, directory: Path, home: Path, nodes: int = 1) -> None:
        self.directory, self.state = directory, dict[str, Any]()
        self.props: dict[str, Any] = {
            "name": "blue",
            "colour": "blue",
            "version": "5.8.8",
            "edition": "ee",
            "nodes": nodes,
            "proxy_protocol": True,
            "emqx_home": str(home),
            "directory": str(directory),
        }

    @property
    def provider(self) -> LocalClusterProvider:
        provider = LocalClusterProvider()
        provider.credentials = {"blue": CREDENTIALS}
        return provider

    def up(self, **changes: Any) -> bool:
        """Whether anything had to be done."""
        news = {**self.props, **changes}
        assert not self.provider.check(self.state, news).failures
        if not self.state:
            self.state = dict(self.provider.create(news).outs or {})
        elif self.provider.diff("blue", self.state, news).changes:
            self.state = dict(self.provider.update("blue", self.state, news).outs or {})
        else:
            return False
        return True

    @property
    def nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = self.state["handle"]["nodes"]
        return nodes


@pytest.fixture
def colour(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Colour]:
    become, nodes = getattr(request, "param", (LAB_NODE, 1))
    one = Colour(tmp_path / "blue", unpacked(tmp_path / "emqx", become), nodes)
    yield one
    local.stop(one.directory)


def gone(pid: int) -> bool:
    return not read(Path(f"/proc/{pid}/environ"))


def reachable(node: dict[str, Any]) -> bool:
    host, port = node["mqtt"].split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


async def test_it_serves_at_its_own_address_with_our_key_and_user_and_is_left_alone_while_it_runs(
    colour: Colour,
) -> None:
    assert colour.up()
    handle = ClusterHandle.model_validate(colour.state["handle"])
    assert [node.name for node in handle.nodes] == [f"emqx@{colour.state['network']}.1"]
    assert handle.proxy_protocol
    async with ClusterApi(handle, CREDENTIALS) as api:
        assert await readiness.api_state(api) == ""
        assert await readiness.mqtt_state(api, None) == ""
        assert [node.version for node in await api.nodes()] == ["5.8.8"]
        users = (await api.http.call("GET", "/users", bearer=True)).json()
        assert [user["username"] for user in users] == ["admin"]
    assert reachable(colour.nodes[0])
    assert not colour.up(), "an up right after an up is empty"
    pids = colour.state["pids"]
    again = Colour(colour.directory, Path(colour.props["emqx_home"]))
    assert again.up(), "a state that was lost"
    assert again.state["pids"] == pids
    assert again.nodes == colour.nodes


def test_a_node_that_died_comes_back_at_its_address_with_its_data(colour: Colour) -> None:
    colour.up()
    nodes, (pid,) = colour.nodes, colour.state["pids"]
    os.killpg(pid, signal.SIGKILL)
    while not gone(pid):
        release_processes.running(colour.directory)
        time.sleep(0.05)
    assert colour.up()
    assert colour.nodes == nodes
    assert colour.state["pids"] != [pid]


def test_its_deletion_ends_it_in_order_and_keeps_the_data_aside(colour: Colour) -> None:
    colour.up()
    (pid,) = colour.state["pids"]
    assert release_processes.complete(colour.directory)
    colour.provider.delete("blue", colour.state)
    assert gone(pid)
    assert not reachable(colour.nodes[0])
    assert not colour.directory.exists(), "the next cluster of this colour begins empty"
    (aside,) = colour.directory.parent.glob("blue.*")
    assert (aside / "node-1" / "data").is_dir()
    assert not (aside / "node-1" / "pid").exists()
    assert not (aside / "api-keys").exists()


def test_no_secret_is_in_an_argument_the_state_or_a_file_that_others_can_read(colour: Colour) -> None:
    colour.up()
    cookie = (colour.directory / "cookie").read_text()
    arguments = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))
    for secret in (cookie, "planted-secret", "Planted:"):
        assert secret.encode() not in arguments
        assert secret not in str(colour.state)
    for name in ("cookie", "api-keys"):
        assert (colour.directory / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("colour", [(ONLY_STATUS, 2)], indirect=True)
def test_it_grows_and_shrinks_by_single_nodes_and_what_leaves_is_forgotten_by_the_cluster(colour: Colour) -> None:
    colour.up()
    two = colour.state["pids"]
    assert len(two) == 2
    assert colour.up(nodes=3)
    assert colour.state["pids"][:2] == two
    third = colour.nodes[2]
    assert reachable(third)
    pid = colour.state["pids"][2]
    assert colour.up(nodes=2)
    assert colour.state["pids"] == two
    assert gone(pid)
    assert not (colour.directory / "node-3" / "data").exists()
    asked = (colour.directory / "node-1" / "output.log").read_text()
    assert f"DELETE /api/v5/cluster/{third['name']}/force_leave" in asked


@pytest.mark.parametrize("colour", [(ONLY_STATUS, 3)], indirect=True)
def test_nodes_that_open_every_address_at_the_same_port_do_not_meet(colour: Colour) -> None:
    colour.up()
    assert len({node["mqtt"] for node in colour.nodes}) == 3
    assert all(map(reachable, colour.nodes))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert other.connect_ex((f"{colour.state['network']}.200", 1883)), "nobody listens on every address"


@pytest.mark.parametrize("colour", [('echo "license expired"; exit 7', 2)], indirect=True)
def test_a_node_that_ends_is_told_with_the_last_line_of_its_output_and_nothing_stays_behind(colour: Colour) -> None:
    with pytest.raises(GaveUp, match="the process ended, last output: license expired"):
        colour.up()
    assert release_processes.running(colour.directory) is None


@pytest.mark.parametrize("colour", [("exec sleep 1000", 2)], indirect=True)
def test_a_node_that_never_serves_is_given_up_and_what_was_seen_is_said(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_processes, "START_SECONDS", 0.5)
    with pytest.raises(GaveUp, match=r"/status: ConnectError after 0.5 s, last output: 5.8.8 starts with"):
        colour.up()
    assert release_processes.running(colour.directory) is None


@pytest.mark.parametrize("colour", [("trap '' TERM; sleep 1000 & echo deaf; wait", 1)], indirect=True)
def test_what_does_not_end_at_sigterm_is_killed_with_all_its_children(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def interrupted() -> None:
        if "deaf" in (colour.directory / "node-1" / "output.log").read_text():
            raise StoppedError

    # Left behind as by a killed provider: the pid file is there, the state is not.
    monkeypatch.setattr(release_processes, "_kill", lambda _: None)
    with pytest.raises(StoppedError):
        local.serve(wanted(colour), CREDENTIALS, interrupted)
    monkeypatch.undo()
    facts = release_processes.running(colour.directory)
    assert facts is not None
    release_processes.stop(colour.directory, limit_seconds=0.2)
    assert gone(facts["pids"][0])
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if str(colour.directory).encode() in read(path)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def wanted(colour: Colour) -> local.Wanted:
    home = colour.props["emqx_home"]
    return local.Wanted("blue", "5.8.8", "ee", 1, True, None, colour.directory, None, home)


def test_another_version_than_declared_is_refused_also_where_the_stack_was_not_read(colour: Colour) -> None:
    with pytest.raises(BadInput, match=r"version 5\.8\.6\. Next: declare version 5\.8\.8, as the release in"):
        colour.up(version="5.8.6")


def test_lab_nodes_are_not_replaced_by_a_release_in_place(colour: Colour) -> None:
    failures = colour.provider.check({**colour.props, "emqx_home": None}, colour.props).failures
    assert [failure.reason for failure in failures if "declare the other colour" in failure.reason]


def bound(library: Path, own: str, code: str) -> str:
    environment = {**os.environ, "LD_PRELOAD": str(library), "NODE_OWN_ADDRESS": own}
    command = [sys.executable, "-c", f"import socket; s = socket.socket(); {code}; print(*s.getsockname())"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_only_what_is_opened_on_every_address_is_moved(tmp_path: Path) -> None:
    library, network = release.own_address_library(tmp_path), release.free_network(Random(), 2)
    assert bound(library, f"{network}.2", "s.bind(('', 1883))") == f"{network}.2 1883"
    assert bound(library, f"{network}.2", f"s.bind(('{network}.1', 1883))") == f"{network}.1 1883"
    assert bound(library, f"{network}.2", "s.bind(('', 0))").startswith("0.0.0.0 ")
    assert bound(library, "nonsense", "s.bind(('127.0.0.1', 0))").startswith("127.0.0.1 ")


def test_a_network_of_the_lab_or_of_ours_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(Random):
        """The same network at first, then another one."""

        def __init__(self, network: str) -> None:
            super().__init__()
            self.numbers = [int(part) for part in network.split(".")[1:]]

        def randint(self, a: int, b: int) -> int:
            return self.numbers.pop(0) if self.numbers else super().randint(a, b)

    network = release.free_network(Random(), 2)
    assert release.free_network(Twice(network), 2) == network
    for host, port in ((254, 1883), (254, 18083), (2, 4370), (1, 18083)):
        with socket.socket() as taken:
            taken.bind((f"{network}.{host}", port))
            assert release.free_network(Twice(network), 2) != network


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
        return ready


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
