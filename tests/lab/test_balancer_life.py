"""The balancer's resources as the engine calls them: replicas come and go, colours leave or are refused, and nobody is cut."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from components.cutover.decide import decide
from components.cutover.words import COLOURS, Colour
from components.emqx.errors import Refused, UpgradeError
from components.emqx.models import BalancerHandle, Credentials
from components.operations import balancing, leaving, local
from components.operations.opening import drained, origin
from components.resources.cluster_guard import ClusterGuardProvider
from components.resources.mqtt_balancer import MqttBalancerProvider
from components.router import maps, process
from components.router.haproxy import HaproxyRouter
from components.router.runtime import ask
from tests.lab.balancer_bench import CONNACK, Connect
from tests.lab.moving_bed import SECONDS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

CREDENTIALS: dict[str, Credentials] = {
    colour: Credentials(api_key="key", api_secret="planted-secret") for colour in COLOURS
}


class Clusters:
    """Lab clusters of one node, by name; their colour is a matter of who declares them."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.handles = directory, dict[str, dict[str, Any]]()

    def serve(self, name: str) -> None:
        wanted = local.Wanted(
            name="blue",
            version="5.8.9",
            edition="ee",
            nodes=1,
            proxy_protocol=False,
            max_sessions=0,
            directory=self.directory / name,
            network=None,
        )
        self.handles[name] = local.serve(wanted, CREDENTIALS["blue"], lambda: None)["handle"]

    def of(self, name: str, colour: Colour) -> dict[str, Any]:
        return {**self.handles[name], "colour": colour}

    def fault(self, name: str, **fault: Any) -> None:
        ready = local.running(self.directory / name)
        assert ready is not None
        httpx.post(f"{ready['control']}/faults", json=fault, timeout=SECONDS).raise_for_status()

    def heal(self) -> None:
        for name in self.handles:
            ready = local.running(self.directory / name)
            if ready is None:
                self.serve(name)
            else:
                httpx.delete(f"{ready['control']}/faults", timeout=SECONDS).raise_for_status()

    def live(self, name: str) -> int:
        url = f"{self.handles[name]['nodes'][0]['api']}/api/v5/nodes"
        nodes = httpx.get(url, auth=("key", "planted-secret"), timeout=SECONDS).raise_for_status().json()
        return sum(node["live_connections"] for node in nodes)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    made = Clusters(tmp_path_factory.mktemp("clusters"))
    with ExitStack() as stack:
        for name in ("old", "new", "other"):
            stack.callback(local.stop, made.directory / name)
            made.serve(name)
        yield made


class Balancer:
    """The resource, with the state between the calls; ``colours`` are names of clusters."""

    def __init__(self, directory: Path, clusters: Clusters) -> None:
        self.directory, self.clusters, self.state = directory, clusters, dict[str, Any]()
        self.provider = MqttBalancerProvider()
        self.provider.credentials = CREDENTIALS

    def props(self, colours: dict[Colour, str], **changes: Any) -> dict[str, Any]:
        return {
            "name": "balancer",
            "live": "blue",
            "colours": list(colours),
            "clusters": {colour: self.clusters.of(name, colour) for colour, name in colours.items()},
            "editions": dict.fromkeys(colours, "ee"),
            "directory": str(self.directory),
            "max_connections": 500,
            "replicas": 1,
            "soak_seconds": 0,
            **changes,
        }

    def refusals(self, colours: dict[Colour, str], **changes: Any) -> list[str]:
        return [one.reason for one in self.provider.check(self.state, self.props(colours, **changes)).failures]

    def up(self, colours: dict[Colour, str], **changes: Any) -> bool:
        """Whether anything had to be done."""
        news = self.props(colours, **changes)
        assert self.refusals(colours, **changes) == []
        if not self.state:
            made: Any = self.provider.create(news)
        elif self.provider.diff("balancer", self.state, news).changes:
            made = self.provider.update("balancer", self.state, news)
        else:
            return False
        self.state = dict(made.outs or {})
        return True

    def delete(self) -> None:
        self.provider.delete("balancer", self.state)
        self.state = {}

    @property
    def handle(self) -> BalancerHandle:
        return balancing.handle_of(self.directory)

    @property
    def router(self) -> HaproxyRouter:
        return HaproxyRouter(self.handle)

    def memory(self) -> dict[str, str]:
        return dict(asyncio.run(self.router.memory()))

    def all_up(self) -> None:
        until(lambda: all(all(nodes.values()) for nodes in asyncio.run(self.router.health()).values()))

    def guard(self, colour: Colour, name: str) -> None:
        """What `destroy` does first."""
        provider = ClusterGuardProvider()
        provider.credentials = CREDENTIALS
        props = {"colour": colour, "cluster": self.clusters.of(name, colour), "balancer": self.handle.model_dump()}
        provider.delete("guard", {"name": f"{colour}-guard", **props})


@pytest.fixture
def balancer(tmp_path: Path, clusters: Clusters) -> Iterator[Balancer]:
    made = Balancer(tmp_path / "balancer", clusters)
    yield made
    clusters.heal()
    balancing.stop(made.directory)


class Clients:
    """Connections that are never made again, so that one that is cut stays cut."""

    def __init__(self, address: str, count: int) -> None:
        host, _, port = address.rpartition(":")
        self.sockets = [socket.create_connection((host, int(port)), SECONDS) for _ in range(count)]
        for number, one in enumerate(self.sockets):
            one.sendall(Connect(client_id=f"{id(self)}-{number}".encode(), keep_alive=0).packet())
            assert one.recv(4) == CONNACK
            one.setblocking(False)

    def cut(self) -> int:
        """How many have lost their connection."""
        return sum(map(_is_cut, self.sockets))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            one.close()


def _is_cut(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def clients_of(replica: Path) -> int:
    answer = ask(str(replica / process.ADMIN), "show stat mqtt 1 -1", 2.0)
    names, row = (line.removeprefix("# ").split(",") for line in answer.splitlines()[:2])
    return int(dict(zip(names, row, strict=True))["scur"])


# -- replicas -----------------------------------------------------------------------------------------------------------


def test_a_replica_comes_and_goes_beside_a_running_one_and_no_client_is_cut(balancer: Balancer) -> None:
    balancer.up({"blue": "old"})
    with ExitStack() as stack:
        fleets = [stack.enter_context(Clients(balancer.handle.mqtt, 40))]
        assert balancer.up({"blue": "old"}, replicas=2)
        first, second = balancer.directory / "1", balancer.directory / "2"
        pid = process.running(second)
        fleets.append(stack.enter_context(Clients(balancer.handle.mqtt, 40)))
        taken = clients_of(second)
        assert taken > 0, "the kernel gives each replica its part"
        assert balancer.up({"blue": "old"}, replicas=1)
        assert balancer.handle.admin == (str(first / process.ADMIN),)
        assert process.running(second) == pid, "it keeps its clients"
        assert not balancer.up({"blue": "old"}, replicas=1), "an up right after an up is empty"
        fleets.append(stack.enter_context(Clients(balancer.handle.mqtt, 40)))
        assert clients_of(first) == 120 - taken, "all the new ones"
        assert balancer.up({"blue": "old"}, replicas=2)
        assert [Path(admin).parent.name for admin in balancer.handle.admin] == ["1", "3"]
        assert [fleet.cut() for fleet in fleets] == [0] * 3
    until(lambda: process.running(second) is None)
    balancer.up({"blue": "old"}, replicas=2, max_connections=600)
    assert not second.exists(), "tidied once its last client has left"


def test_a_retirement_that_was_killed_half_way_is_finished_by_the_next_update(balancer: Balancer) -> None:
    balancer.up({"blue": "old"}, replicas=2)
    second = balancer.directory / "2"
    (second / process.CONFIG).unlink()  # and killed before the signal; then nobody wants fewer any more
    assert balancer.up({"blue": "old"}, replicas=2)
    until(lambda: process.running(second) is None)
    assert [Path(admin).parent.name for admin in balancer.handle.admin] == ["1", "3"]


def test_two_balancers_are_never_on_one_address_by_mistake(balancer: Balancer, tmp_path: Path) -> None:
    balancer.up({"blue": "old"})
    second = Balancer(tmp_path / "second", balancer.clusters)
    with pytest.raises(Refused, match=r"somebody listens there already.*another port"):
        second.up({"blue": "old"}, address=balancer.handle.mqtt)
    assert not balancing.running(second.directory)
    assert second.up({"blue": "old"}), "at a port of its own"
    with pytest.raises(Refused, match="somebody listens there already"):
        second.up({"blue": "old"}, address=balancer.handle.mqtt)
    assert second.handle.mqtt != balancer.handle.mqtt
    balancing.stop(second.directory)


def test_a_balancer_that_is_too_small_is_refused_before_anything_is_touched(balancer: Balancer) -> None:
    with Clients(balancer.clusters.handles["old"]["nodes"][0]["mqtt"], 12):
        (refusal,) = balancer.refusals({"blue": "old"}, max_connections=11)
        assert "12 clients are connected (12 on blue), and it holds 11" in refusal
        assert not balancer.directory.exists()
        assert balancer.refusals({"blue": "old"}, max_connections=11, replicas=2) == []
        balancer.clusters.fault("old", kind="status", status=500)
        assert balancer.refusals({"blue": "old"}, max_connections=11) == [], "not known, not refused"


def test_what_a_deleted_balancer_remembered_is_not_inherited_by_the_next(balancer: Balancer) -> None:
    balancer.up({"blue": "old", "green": "new"})
    asyncio.run(balancer.router.set_share(10_000))
    asyncio.run(balancer.router.remember({"origin": "blue", "drained_at": "blue 1795344713.0"}))
    balancer.delete()
    assert not balancing.running(balancer.directory)
    for name in (maps.SHARE, maps.MEMORY, balancing.ADDRESS):
        assert not (balancer.directory / name).exists()
    balancer.up({"blue": "old", "green": "new"})
    assert balancer.memory() == {}
    assert asyncio.run(balancer.router.share()) == 0


def test_of_two_idle_colours_the_one_that_was_there_serves_first(balancer: Balancer) -> None:
    balancer.up({"blue": "old", "green": "new"}, live="green", standing=["blue"])
    assert asyncio.run(balancer.router.share()) == 0


# -- the guard ------------------------------------------------------------------------------------------------------------


def test_a_cluster_that_answers_500_for_seconds_is_waited_for(balancer: Balancer) -> None:
    balancer.up({"blue": "old"})
    with Clients(balancer.handle.mqtt, 5):
        balancer.clusters.fault("old", kind="status", status=500, seconds=6)
        with pytest.raises(Refused, match="clients are connected"):
            balancer.guard("blue", "old")


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ({"kind": "status", "status": 500}, "it cannot say who is connected"),
        ({"kind": "hang"}, "the balancer gives it 100 % of the clients"),
        ({"kind": "refuse"}, "the balancer gives it 100 % of the clients"),
    ],
)
def test_a_serving_cluster_that_does_not_answer_is_not_ended(
    balancer: Balancer, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], seen: str
) -> None:
    monkeypatch.setattr(leaving, "ANSWER_SECONDS", 1.0)
    balancer.up({"blue": "old"})
    with Clients(balancer.handle.mqtt, 5):
        balancer.clusters.fault("old", **fault)
        with pytest.raises(Refused, match=seen):
            balancer.guard("blue", "old")
    assert local.running(balancer.clusters.directory / "old")


def test_a_silent_cluster_is_kept_while_the_balancer_has_a_node_of_it_up_or_mqtt_is_open(
    balancer: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "ANSWER_SECONDS", 0.5)
    balancer.up({"blue": "old", "green": "new"})
    asyncio.run(balancer.router.set_share(10_000))
    balancer.all_up()
    # only what the guard asks is silent, not what the health check asks
    balancer.clusters.fault("old", kind="hang", path="/api/v5/nodes")
    with pytest.raises(Refused, match=r"the balancer has emqx@127\.\S+ up"):
        balancer.guard("blue", "old")
    handle = balancer.handle
    pid = process.running(balancer.directory / "1")
    assert pid
    os.kill(pid, signal.SIGKILL)
    monkeypatch.setattr(Balancer, "handle", property(lambda _: handle))
    with pytest.raises(Refused, match=r"MQTT is open at 127\."):
        balancer.guard("blue", "old")


def test_once_neither_balancer_nor_cluster_nor_its_processes_are_there_it_can_be_removed(
    balancer: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "ANSWER_SECONDS", 0.5)
    balancer.up({"blue": "old"})
    local.stop(balancer.clusters.directory / "old")
    with pytest.raises(Refused, match="gives it 100 %"):
        balancer.guard("blue", "old")
    balancing.stop(balancer.directory)
    balancer.guard("blue", "old")


# -- another cluster under the same colour ----------------------------------------------------------------------------------


def test_a_colour_whose_addresses_are_all_replaced_leaves_like_any_other(balancer: Balancer) -> None:
    balancer.up({"blue": "old", "green": "new"})
    (refusal,) = balancer.refusals({"blue": "other", "green": "new"})
    assert "removing blue" in refusal
    assert "100 % of the share" in refusal
    asyncio.run(balancer.router.set_share(10_000))
    asyncio.run(balancer.router.remember({"origin": "blue", "began_at": "1.0"}))
    (refusal,) = balancer.refusals({"blue": "other", "green": "new"})
    assert "not all moved away" in refusal
    asyncio.run(balancer.router.remember({"drained_at": f"blue {time.time():.3f}"}))
    (refusal,) = balancer.refusals({"blue": "other", "green": "new"}, soak_seconds=3600)
    assert "3600 s of soak" in refusal
    with Clients(balancer.clusters.handles["old"]["nodes"][0]["mqtt"], 2):
        (refusal,) = balancer.refusals({"blue": "other", "green": "new"})
        assert "clients are connected" in refusal


def test_once_it_may_leave_nothing_speaks_of_a_way_back_into_the_new_cluster(balancer: Balancer) -> None:
    balancer.up({"blue": "old", "green": "new"})
    asyncio.run(balancer.router.set_share(10_000))
    asyncio.run(balancer.router.remember({"origin": "blue", "began_at": "1.0", "drained_at": "blue 2.0"}))
    until(lambda: balancer.clusters.live("old") == 0)
    assert balancer.up({"blue": "other", "green": "new"})
    memory, share = balancer.memory(), asyncio.run(balancer.router.share())
    assert share == 10_000
    assert memory == {}
    live: dict[Colour, int | None] = {"blue": 0, "green": 5}
    assert decide("blue", share, origin(memory), live, COLOURS, drained(memory)).direction == "forward"


@pytest.mark.parametrize("address", ["10.255.255.254:18830", "nobody.invalid:1883"])
def test_an_address_on_which_nothing_could_be_started_is_forgotten(balancer: Balancer, address: str) -> None:
    with pytest.raises(UpgradeError):
        balancer.up({"blue": "old"}, address=address)
    balancer.up({"blue": "old"})
    mqtt = balancer.handle.mqtt
    assert mqtt.startswith("127.0.0.1:")
    with pytest.raises(UpgradeError):
        balancer.up({"blue": "old"}, address=address)
    assert balancer.handle.mqtt == mqtt, "where it is reached is not lost"
