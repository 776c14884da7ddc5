"""Killed at any change that a resource on Kubernetes makes, before the change or before its answer: the next update ends where an undisturbed one ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from components.emqx.models import Credentials
from components.kubernetes import names
from components.ledger import versioned
from components.resources import fronted
from components.resources.kubernetes_balancer import KubernetesBalancerProvider
from components.resources.kubernetes_cluster import KubernetesClusterProvider
from components.resources.kubernetes_declared import KubernetesDeclaredProvider
from components.resources.kubernetes_share import KubernetesShareProvider
from components.resources.kubernetes_taken import KubernetesTakenProvider
from components.routers import fronting
from components.system import generation
from components.workloads import balancer as balancing
from components.workloads import waiting
from components.workloads.nodes import Running, handle_of
from tests.unit.fake_kubernetes import FakeApi, Object, Passing
from tests.unit.fake_world import UNFINISHED, Killed

pytestmark = [pytest.mark.unit, *UNFINISHED]
PLACE = {"namespace": "mqtt"}
DECLARED = {"place": PLACE, "name": "emqx", "colour": "blue", "version": "5.8.9", "edition": "ce", "nodes": 2}
BLUE = Running.model_validate({**DECLARED, "proxy_protocol": True})
CLUSTERS = {"blue": handle_of(BLUE).model_dump(mode="json")}
SHARE = {"place": PLACE, "name": "emqx", "stack": "lab", "live": "blue", "clusters": CLUSTERS}
SIZES = {"max_connections": 1_000, "soak_seconds": 0.0}
SETTLED = {"place": PLACE, "name": "emqx", "clusters": CLUSTERS, "replicas": 2, "configuration": "a", "service": "b"}
TAKEN = {"place": PLACE, "name": "emqx", "service": "theirs", "ports": [1883]}
LABELS = names.cluster_labels("emqx", "blue")


class Router:
    """Pods that have the share which they were told."""

    async def set_share(self, parts: int) -> None:
        pass


def ledger(world: FakeApi, share: str = "", **memory: str) -> None:
    data = {"share.map": share} | {f"memory.{name}": value for name, value in memory.items()}
    world.objects["configmaps/emqx-cutover"] = {"metadata": {"name": "emqx-cutover"}, "data": data}


def hold(world: FakeApi, *pods: str) -> None:
    held = {"metadata": {"name": "emqx-blue-hold"}, "data": dict.fromkeys(pods, "5.8.6 ce")}
    world.objects["configmaps/emqx-blue-hold"] = held


def stuck(world: FakeApi) -> None:
    """Pods of an older template that never got ready, and a hold of a node that has left."""
    world.objects["statefulsets/emqx-blue"] = {
        "metadata": {"name": "emqx-blue", "generation": 2},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 2, "updateRevision": "new"},
    }
    for name in ("emqx-blue-0", "emqx-blue-1"):
        world.pod(name, LABELS, names.NODE_CONTAINER, ready=False, revision="old")

    def anew(path: str) -> None:
        name = path.removeprefix("pods/")
        world.pod(name, LABELS, names.NODE_CONTAINER, revision="new", uid=f"{name}-anew")

    world.deleted = anew
    hold(world, "emqx-blue-1", "emqx-blue-2")


def rolled_out(world: FakeApi) -> None:
    """The balancer's pods and Service, and a ledger that remembers a node which is not there any more."""
    counts = dict.fromkeys(("updatedReplicas", "availableReplicas", "replicas"), 2)
    deployment = {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, **counts}}
    world.objects["deployments/emqx-haproxy"] = deployment
    for name in ("a", "b"):
        world.pod(name, names.balancer_labels("emqx"), names.BALANCER_CONTAINER)
    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    ports = [{"name": "mqtt", "port": 1883}]
    world.objects["services/emqx-haproxy"] = {"spec": {"type": "LoadBalancer", "ports": ports}, **address}
    ledger(world, "green 2500\n", servers="blue/emqx%40gone=maint")


def theirs(world: FakeApi) -> None:
    ports = [{"name": "mqtt", "port": 1883, "targetPort": "mqtt"}]
    world.objects["services/theirs"] = {
        "metadata": {"name": "theirs"},
        "spec": {"selector": {"a": "b"}, "ports": ports},
    }


def share() -> KubernetesShareProvider:
    made = KubernetesShareProvider()
    made.credentials = {"blue": Credentials(api_key="key", api_secret="none")}
    return made


class Case(NamedTuple):
    """What there is before it, and what an update asks of the resource."""

    begins: Callable[[FakeApi], object]
    update: Callable[[], object]


CASES = {
    "the ledger is made": Case(lambda _: None, lambda: share().create({**SHARE, **SIZES})),
    "the ledger is taken over": Case(
        lambda world: ledger(world, "green 2500\n", generation="old"),
        lambda: share().create({**SHARE, **SIZES}),
    ),
    "the ledger goes": Case(
        lambda world: ledger(world, generation="mine"),
        lambda: share().delete("emqx@mine", {**SHARE, **SIZES}),
    ),
    "a colour is declared where one had left": Case(
        lambda world: hold(world, "emqx-blue-0"),
        lambda: KubernetesDeclaredProvider().create({**DECLARED, "proxy_protocol": True}),
    ),
    "a colour leaves": Case(
        lambda world: hold(world, "emqx-blue-0"),
        lambda: KubernetesDeclaredProvider().delete("emqx-blue", {**DECLARED, "proxy_protocol": True}),
    ),
    "pods are waited for": Case(
        stuck, lambda: KubernetesClusterProvider().create({**DECLARED, "proxy_protocol": True})
    ),
    "the balancer is settled": Case(
        rolled_out, lambda: KubernetesBalancerProvider().create({**SETTLED, "ready_seconds": 60.0})
    ),
    "a Service is taken": Case(theirs, lambda: KubernetesTakenProvider().create(TAKEN)),
}


def begun(monkeypatch: pytest.MonkeyPatch, case: Case) -> FakeApi:
    for module in (waiting, versioned, balancing):
        Passing().replace(monkeypatch, module)

    async def nobody(*_: Any) -> dict[str, int]:
        return {"blue": 0}

    for module in (fronting, fronted):
        monkeypatch.setattr(module, "live_counts", nobody)
    monkeypatch.setattr(fronting, "router_of", lambda _handle: Router())
    monkeypatch.setattr(generation, "fresh", lambda: "fresh")
    world = FakeApi(monkeypatch)
    case.begins(world)
    return world


def undisturbed(monkeypatch: pytest.MonkeyPatch, case: Case) -> tuple[int, dict[str, Object]]:
    """How many changes it makes, and what there is then."""
    world = begun(monkeypatch, case)
    case.update()
    return len(world.sent), world.objects


@pytest.mark.parametrize("reached", [False, True], ids=["before the change", "before its answer"])
@pytest.mark.parametrize("name", CASES)
def test_the_next_update_ends_in_the_same_place(monkeypatch: pytest.MonkeyPatch, name: str, reached: bool) -> None:
    case = CASES[name]
    changes, wanted = undisturbed(monkeypatch, case)
    assert changes
    for number in range(1, changes + 1):
        world = begun(monkeypatch, case)
        world.dies_at, world.reached = number, reached
        with pytest.raises(Killed):
            case.update()
        world.dies_at = 0
        case.update()
        assert world.objects == wanted, number
