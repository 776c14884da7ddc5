"""Before a colour leaves: who may still be there keeps it, what is advised can be done, and a cutover is forgotten only when its colour goes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import Any

import pytest

from components.emqx.errors import Refused
from components.emqx.models import ClusterHandle
from components.emqx.registry import cluster_of
from components.guards import leaving
from components.keepers.registry import keeper_of
from components.local import balancer as balancing
from components.local import cluster as local
from components.routers.haproxy import process
from tests.lab.balancer_life_bed import CREDENTIALS, Balancer, Clients, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


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
    balancer.set_share(10_000)
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
    with pytest.raises(Refused, match=r"gives it 100 % of the clients .*Next: bring it back with pulumi up"):
        balancer.guard("blue", "old")
    with pytest.raises(Refused, match=r"gives it 100 %") as refused:
        balancer.guard("blue", "old", ours=False)
    assert "pulumi up" not in refused.value.todo, "which does not start what is not ours"
    assert refused.value.todo.startswith("start its nodes")
    command = refused.value.todo.partition("end the balancer first: ")[2]
    subprocess.run(["/bin/sh", "-c", command], check=True)
    until(lambda: not balancing.running(balancer.directory))
    balancer.guard("blue", "old", ours=False)


def test_a_silent_cluster_to_which_the_balancer_still_has_connections_is_not_gone(
    balancer: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "ANSWER_SECONDS", 0.5)
    balancer.up({"blue": "old", "green": "new"})
    with Clients(balancer.handle.mqtt, 3):
        balancer.set_share(10_000)
        balancer.clusters.fault("old", kind="hang")
        until(lambda: not any(asyncio.run(balancer.router.health())["blue"].values()))
        with pytest.raises(Refused, match="gives it 0 % of the clients and holds 3 connections to it"):
            balancer.guard("blue", "old")


def test_a_cluster_that_is_gone_is_waited_for_once(balancer: Balancer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "ANSWER_SECONDS", 0.5)
    opened: list[str] = []

    def counted(cluster: ClusterHandle, *given: Any, **more: Any) -> Any:
        opened.append(cluster.colour)
        return cluster_of(cluster, *given, **more)

    monkeypatch.setattr(leaving, "cluster_of", counted)
    balancer.up({"blue": "old", "green": "new"})
    balancer.set_share(10_000)
    balancer.remember({"origin": "blue", "scope": "colour", "drained_at": "blue 2.0"})
    local.stop(balancer.clusters.directory / "old")
    until(lambda: not any(asyncio.run(balancer.router.health())["blue"].values()))
    cluster = ClusterHandle.model_validate(balancer.clusters.of("old", "blue"))
    gone = leaving.Leaving(cluster, CREDENTIALS["blue"], 0.0, ours=False)
    asyncio.run(leaving.refuse_leaving(gone, balancer.handle, now=10.0))
    assert opened == ["blue"]


def test_nodes_that_their_keeper_has_stopped_are_not_waited_for_by_guard_and_cluster(
    balancer: Balancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[float] = []

    def counted(*given: Any, **more: Any) -> Any:
        patience.append(more.get("patience_seconds", leaving.ANSWER_SECONDS))
        return cluster_of(*given, **more)

    monkeypatch.setattr(leaving, "cluster_of", counted)
    monkeypatch.setattr(local, "cluster_of", counted)
    balancer.up({"blue": "old", "green": "new"})
    balancer.set_share(10_000)
    handle, directory = ClusterHandle.model_validate(balancer.clusters.of("old", "blue")), balancer.clusters.directory
    keeper, name = keeper_of(handle, CREDENTIALS["blue"]), handle.nodes[0].name
    assert keeper is not None
    asyncio.run(keeper.stop(name))
    try:
        until(lambda: not any(asyncio.run(balancer.router.health())["blue"].values()))
        balancer.guard("blue", "old")
        asyncio.run(local.refuse_served("blue", handle.version, directory / "old", CREDENTIALS["blue"]))
        assert patience == [0.0]
    finally:
        asyncio.run(keeper.start(name, handle.version, "ee"))
    monkeypatch.setattr(leaving, "ANSWER_SECONDS", 7.0)
    balancer.guard("blue", "old")
    asyncio.run(local.refuse_served("blue", handle.version, directory / "old", CREDENTIALS["blue"]))
    assert patience == [0.0, 7.0, 7.0]


def finished(balancer: Balancer) -> dict[str, str]:
    """A cutover to green that is over, as it is remembered."""
    memory = {"origin": "blue", "began_at": "1.0", "imported": "green 1.5", "drained_at": "blue 2.0"}
    balancer.up({"blue": "old", "green": "new"})
    balancer.set_share(10_000)
    balancer.remember(memory)
    return memory


def test_a_finalize_that_the_guard_refuses_forgets_nothing_of_the_way_back(balancer: Balancer) -> None:
    memory = finished(balancer)
    assert balancer.up({"green": "new"}, live="green")
    with Clients(balancer.clusters.handles["old"]["nodes"][0]["mqtt"], 2):
        with pytest.raises(Refused, match="clients are connected"):
            balancer.guard("blue", "old")
        assert balancer.memory() == memory
        assert balancer.up({"blue": "old", "green": "new"}, live="green"), "declared again as it was"
        assert balancer.memory() == memory
    assert balancer.up({"green": "new"}, live="green")
    until(lambda: balancer.clusters.live("old") == 0)
    balancer.guard("blue", "old")
    assert balancer.memory() == {}


def test_a_destroy_that_is_refused_for_the_other_colour_forgets_nothing(balancer: Balancer) -> None:
    memory = finished(balancer)
    with Clients(balancer.handle.mqtt, 2):
        until(lambda: balancer.clusters.live("old") == 0)
        balancer.guard("blue", "old")
        with pytest.raises(Refused, match="clients are connected"):
            balancer.guard("green", "new")
    assert balancer.memory() == memory


def test_a_finalize_whose_balancer_died_in_between_is_forgotten_by_its_next_start(balancer: Balancer) -> None:
    finished(balancer)
    assert balancer.up({"green": "new"}, live="green")
    balancing.stop(balancer.directory)
    balancer.guard("blue", "old")
    assert balancer.up({"green": "new"}, live="green")
    assert balancer.memory() == {}
