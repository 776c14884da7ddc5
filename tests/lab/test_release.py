"""Target `local` with `emqxHome`, through the operations of LocalCluster: a release starts, dies, grows, leaves and tells what went wrong."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.emqx.errors import BadInput, GaveUp
from components.emqx.models import ClusterHandle
from components.emqx.v5.cluster import ClusterApi
from components.links import readiness
from components.local import cluster as local
from components.local import release_processes
from components.local.wanted import Wanted
from tests.lab.release_bed import CREDENTIALS, LAB_NODE, ONLY_STATUS, Colour, gone, read, unpacked

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

WAIT_SECONDS = 60.0


@pytest.fixture
def colour(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Colour]:
    become, nodes = getattr(request, "param", (LAB_NODE, 1))
    one = Colour(tmp_path / "blue", unpacked(tmp_path / "emqx", become), nodes)
    yield one
    local.stop(one.directory)


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
    os.killpg(os.getpgid(pid), signal.SIGKILL)
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
    colour.provider.delete(colour.id, colour.state)
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
    with pytest.raises(GaveUp, match=r"/status: ConnectError after 0\.5 s, last output: "):
        colour.up()
    assert release_processes.running(colour.directory) is None


@pytest.mark.parametrize("colour", [("trap '' TERM; sleep 1000 & echo deaf; wait", 1)], indirect=True)
def test_what_does_not_end_at_sigterm_is_killed_with_all_its_children(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def interrupted() -> None:
        # The shell that starts the node may be faster than the node itself, which makes the file.
        output = colour.directory / "node-1" / "output.log"
        if output.exists() and "deaf" in output.read_text():
            raise StoppedError

    # Left behind as by a killed provider: the pid file is there, the state is not.
    monkeypatch.setattr(release_processes, "_end", lambda *_: None)
    with pytest.raises(StoppedError):
        local.serve(wanted(colour), CREDENTIALS, interrupted)
    monkeypatch.undo()
    facts = release_processes.running(colour.directory)
    assert facts is not None
    release_processes.stop(colour.directory, limit_seconds=0.2)
    assert gone(facts["pids"][0])
    end = time.monotonic() + WAIT_SECONDS
    while [path for path in Path("/proc").glob("[0-9]*/environ") if str(colour.directory).encode() in read(path)]:
        assert time.monotonic() < end, "a child goes on"
        time.sleep(0.05)


def wanted(colour: Colour) -> Wanted:
    home = colour.props["emqx_home"]
    return Wanted("blue", "5.8.8", "ee", 1, True, None, colour.directory, None, home)


def test_another_version_than_declared_is_refused_also_where_the_stack_was_not_read(colour: Colour) -> None:
    with pytest.raises(BadInput, match=r"version 5\.8\.6\. Next: declare version 5\.8\.8, as the release in"):
        colour.up(version="5.8.6")


def test_lab_nodes_are_not_replaced_by_a_release_in_place(colour: Colour) -> None:
    failures = colour.provider.check({**colour.props, "emqx_home": None}, colour.props).failures
    assert [failure.reason for failure in failures if "declare the other colour" in failure.reason]
