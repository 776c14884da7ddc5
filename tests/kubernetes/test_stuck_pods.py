"""What keeps pods from getting ready is told in their own words when the time is over, and a corrected stack file or cluster gets out of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from components.kubernetes import loop
from lab.kubernetes.cluster import Cluster
from tests.kubernetes.colours import Colour

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]
NEVER = {"spec": {"containers": [{"name": "emqx", "readinessProbe": {"httpGet": {"path": "/nowhere", "port": 18083}}}]}}
CORDONED = "lab-3"


def limit(pods: int) -> dict[str, Any]:
    """Of a namespace."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"pods": str(pods)}},
    }


def lost_claim(name: str) -> dict[str, Any]:
    """A claim that was bound once, to a volume that is gone."""
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "16Mi"}},
        "storageClassName": "lab",
        "volumeName": "gone",
    }
    metadata = {"name": name, "annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


async def a_pod_that_never_gets_ready(colour: Colour) -> None:
    said = await colour.gives_up("Readiness probe failed", "its log", "is running now")
    assert "probe-blue-0: it runs and is not ready" in said
    colour.declare()
    await colour.waited()


async def a_configuration_that_is_wrong(colour: Colour) -> None:
    said = await colour.gives_up("CrashLoopBackOff", "failed_to_load_hocon_file")
    assert "exit code 1" in said
    colour.declare()
    await colour.waited()


async def a_volume_that_is_full(colour: Colour) -> None:
    await colour.gives_up("CrashLoopBackOff", "No space left on device")
    # what taking the colour out of the stack file does, and what a person does with its volumes
    colour.cluster.kubectl("delete", "statefulset", "-n", colour.namespace, colour.workload)
    colour.cluster.kubectl("delete", "pvc", "-n", colour.namespace, "data-full-blue-0")
    colour.declare()
    await colour.waited()


async def a_volume_that_is_lost(colour: Colour) -> None:
    await colour.gives_up("not scheduled", '"data-lost-blue-0" bound to non-existent persistentvolume')
    colour.cluster.kubectl("delete", "pvc", "-n", colour.namespace, "data-lost-blue-0")
    await colour.waited()


async def a_node_that_takes_no_pods(colour: Colour) -> None:
    await colour.gives_up("not scheduled: 0/3 nodes are available", "were unschedulable")
    colour.cluster.kubectl("uncordon", CORDONED)
    await colour.waited()


async def a_quota_that_is_exceeded(colour: Colour) -> None:
    said = await colour.gives_up("FailedCreate", "exceeded quota: few")
    assert "0 of 1 are ready" in said
    colour.cluster.apply(colour.namespace, limit(5))
    await colour.waited()


STORIES = {
    "probe": a_pod_that_never_gets_ready,
    "conf": a_configuration_that_is_wrong,
    "full": a_volume_that_is_full,
    "lost": a_volume_that_is_lost,
    "cordon": a_node_that_takes_no_pods,
    "quota": a_quota_that_is_exceeded,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "probe": {"pod_template": NEVER},
    "conf": {"config": "listeners { tcp.default { bind = 1883 }"},
    "full": {"storage": {"size": "4Ki"}},
    "cordon": {"node_selector": {"kubernetes.io/hostname": CORDONED}},
}


@pytest.fixture(scope="module")
def told(cluster: Cluster) -> Iterator[dict[str, Future[None]]]:
    """All of them together, since they wait most of the time."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(STORIES)) as together:
        patch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        spaces = dict.fromkeys(STORIES, cluster.make_namespace(f"stuck-pods-{secrets.token_hex(3)}"))
        spaces["quota"] = cluster.make_namespace(f"quota-{secrets.token_hex(3)}")
        cluster.apply(spaces["quota"], limit(0))
        cluster.kubectl("cordon", CORDONED)
        cluster.apply(spaces["lost"], lost_claim("data-lost-blue-0"))

        def lived(name: str) -> None:
            asyncio.run(STORIES[name](Colour(cluster, spaces[name], name, **SETTINGS.get(name, {}))))

        try:
            futures = {name: together.submit(lived, name) for name in STORIES}
            yield futures
            wait(futures.values())
        finally:
            loop.close()
            cluster.kubectl("uncordon", CORDONED)
            for one in {*spaces.values()}:
                cluster.kubectl("delete", "namespace", one, "--wait=false")
                cluster.kubectl("delete", "pods", "--all", "-n", one, "--grace-period=1", "--wait=false")


@pytest.mark.parametrize("story", STORIES)
def test_the_wait_ends_with_the_reason_and_what_is_corrected_gets_out_of_it(
    told: dict[str, Future[None]], story: str
) -> None:
    told[story].result()
