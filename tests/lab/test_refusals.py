"""What a person declares wrong is refused in one line that names it, and nobody is moved; two external colours, in front of them our balancer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.cutover.words import COLOURS, Colour
from components.emqx.models import Credentials
from components.local import balancer as balancing
from components.local import cluster as local
from components.routers.haproxy import process
from lab.engine_run import Finished
from lab.stage import ROOT
from lab.workspace import Secret, Workspace
from tests.lab.devices import SECONDS, Devices
from tests.lab.local_bed import VERSIONS, wanted

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CLIENTS = 40
WORK = ".emqx/refusals"
MANNER = {
    "budgetPerSecond": 40,
    "evacuation": {"waitHealthCheckSeconds": 1, "waitTakeoverSeconds": 0},
    "steps": [{"share": 50}, {"share": 100}],
    "carryApiKeys": False,
}


class Place:
    """Two clusters that are not ours, and a stack that declares them."""

    def __init__(self, directory: Path) -> None:
        self.clusters, self.workspace = directory / "clusters", Workspace.create(directory / "stack", ROOT)
        self.keys = {
            colour: Credentials(api_key=f"key-{colour}", api_secret=f"secret-of-{colour}") for colour in COLOURS
        }
        self.nodes: dict[Colour, list[dict[str, str]]] = {}
        self.balancer = self.workspace.project / WORK / "balancer"

    def serve(self, colour: Colour) -> None:
        cluster = wanted(self.clusters / colour, VERSIONS[colour], colour=colour, nodes=2)
        self.nodes[colour] = local.serve(cluster, self.keys[colour], lambda: None)["handle"]["nodes"]

    def declare(
        self, live: Colour, *colours: Colour, nodes: Mapping[Colour, Any] | None = None, secret: str | None = None
    ) -> None:
        """``nodes`` and green's ``secret`` in place of the right ones."""
        shown = {**self.nodes, **(nodes or {})}
        clusters = {
            colour: {
                "target": "external",
                "version": "5.8.6" if colour == "blue" else "5.8.9",
                "nodes": shown[colour],
            }
            for colour in colours
        }
        secrets = {"blue": self.keys["blue"].api_secret, "green": secret or self.keys["green"].api_secret}
        self.workspace.set_config(
            {
                "live": live,
                "workDirectory": WORK,
                "clusters": clusters,
                "cutover": MANNER,
                "credentials": {
                    colour: {"apiKey": f"key-{colour}", "apiSecret": Secret(secrets[colour])} for colour in COLOURS
                },
            }
        )

    def api(self, colour: Colour, method: str, path: str, body: Any = None) -> Any:
        auth = (self.keys[colour].api_key, self.keys[colour].api_secret)
        url = f"{self.nodes[colour][0]['api']}/api/v5{path}"
        answer = httpx.request(method, url, json=body, auth=auth, timeout=SECONDS).raise_for_status()
        return answer.json() if answer.content else None

    def live(self) -> dict[str, int]:
        return {
            colour: sum(node["live_connections"] for node in self.api(colour, "GET", "/nodes")) for colour in COLOURS
        }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("refusals"))
    with ExitStack() as stack:
        stack.callback(made.workspace.close)
        for colour in COLOURS:
            stack.callback(local.stop, made.clusters / colour)
            made.serve(colour)
        stack.callback(balancing.stop, made.balancer)
        made.declare("blue", "blue", "green")
        made.workspace.up().good()
        yield made


@pytest.fixture(scope="module")
def devices(place: Place) -> Iterator[Devices]:
    devices = Devices(balancing.handle_of(place.balancer).mqtt, CLIENTS)
    yield devices
    devices.end()


def refused(done: Finished, *words: str) -> None:
    """One error line in clear words, and no traceback."""
    assert done.code != 0, done.output
    assert "Traceback" not in done.output, done.output
    for word in words:
        assert word in done.output, done.output


def undisturbed(place: Place, devices: Devices) -> None:
    assert place.live() == {"blue": CLIENTS, "green": 0}
    assert set(devices.disconnects()) == {0}


def test_a_green_with_fewer_nodes(place: Place, devices: Devices) -> None:
    place.declare("green", "blue", "green", nodes={"green": place.nodes["green"][:1]})
    for done in (place.workspace.preview(), place.workspace.up()):
        refused(done, "emqx:clusters.green.nodes", "at least 2, as many as blue has")
    undisturbed(place, devices)


def test_a_wrong_api_key(place: Place, devices: Devices) -> None:
    place.declare("green", "blue", "green", secret="not-the-planted-one")
    done = place.workspace.up(seconds=60)
    refused(done, "Unauthorized: ", place.nodes["green"][0]["name"], "check the API key")
    assert "not-the-planted-one" not in done.output
    undisturbed(place, devices)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_node_name_that_does_not_exist(place: Place, devices: Devices, colour: Colour) -> None:
    first, second = place.nodes[colour]
    wrong = {**second, "name": "emqx@10.255.0.9"}
    place.declare("green", "blue", "green", nodes={colour: [first, wrong]})
    done = place.workspace.up(seconds=60)
    refused(done, "Refused: ", f"on {colour}", second["name"], "emqx@10.255.0.9", f"emqx:clusters.{colour}.nodes")
    undisturbed(place, devices)


def test_a_colour_that_serves_and_is_declared_local_while_it_is_not_ours(place: Place, devices: Devices) -> None:
    place.declare("blue", "blue", "green")
    ours = {"target": "local", "version": "5.8.6", "nodes": 2}
    theirs = {"target": "external", "version": "5.8.9", "nodes": place.nodes["green"]}
    place.workspace.set_config({"clusters": {"blue": ours, "green": theirs}})
    for done in (place.workspace.preview(), place.workspace.up(seconds=60)):
        refused(done, "emqx:clusters.blue.target: local; allowed: external", "has 100 % of the share")
    assert not (place.workspace.project / WORK / "clusters").exists(), "nothing was built"
    undisturbed(place, devices)


def test_a_green_that_is_not_empty(place: Place, devices: Devices) -> None:
    users = "/authentication/password_based%3Abuilt_in_database/users"
    authenticator = {
        "mechanism": "password_based",
        "backend": "built_in_database",
        "user_id_type": "username",
        "password_hash_algorithm": {"name": "sha256", "salt_position": "suffix"},
    }
    place.api("green", "POST", "/authentication", authenticator)
    place.api("green", "POST", users, {"user_id": "stranger", "password": "strangers-own", "is_superuser": False})
    place.declare("green", "blue", "green")
    done = place.workspace.up(seconds=60)
    refused(done, "Refused: the import on green: ", "stranger", "green must be empty: remove these items")
    assert place.api("green", "GET", users)["data"][0]["user_id"] == "stranger"
    undisturbed(place, devices)
    place.api("green", "DELETE", "/authentication/password_based%3Abuilt_in_database")


def test_once_all_is_right_the_same_stack_goes_green(place: Place, devices: Devices) -> None:
    place.declare("green", "blue", "green")
    place.workspace.up(seconds=60).good()
    assert place.live() == {"blue": 0, "green": CLIENTS}
    assert set(devices.disconnects()) == {1}


def test_a_balancer_that_died_is_started_again_with_its_share_and_nobody_is_moved(
    place: Place, devices: Devices
) -> None:
    replica = place.balancer / "1"
    pid = process.running(replica)
    assert pid
    os.kill(pid, signal.SIGKILL)
    place.workspace.up(seconds=60).good()
    assert process.running(replica)
    devices.wait(lambda: place.live() == {"blue": 0, "green": CLIENTS})
    assert set(devices.disconnects()) == {2}, "one by the move, one by the kill"
