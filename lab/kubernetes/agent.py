"""The nodes: what a kubelet does, for several nodes in one process.

The rule: a node knows of a pod what the API server says and of its processes what they do; a node that is lost says nothing, and what ran on it
has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import httpx

from lab.kubernetes.api import Api, RefusedError, Watched
from lab.kubernetes.control_plane import KUBELET_PORT
from lab.kubernetes.events import Events
from lab.kubernetes.network import NODE, Network
from lab.kubernetes.pod import Pod
from lab.kubernetes.status import stamp

Object = dict[str, Any]
LEASE_SECONDS, BEAT_SECONDS = 15, 4.0
CAPACITY = {"cpu": "32", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
OVER = {"Succeeded", "Failed"}


class Node:
    """One node, and its pods."""

    def __init__(self, api: Api, network: Network, name: str, directory: Path) -> None:
        """Not registered before `run`."""
        self.api, self.network, self.name, self.directory = api, network, name, directory
        self.events = Events(api, name)
        self.lost = False
        self._pods: dict[str, Pod] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        query = {"fieldSelector": f"spec.nodeName={name}"}
        self._watched = Watched(api, "/api/v1/pods", self._changed, **query)

    async def run(self) -> None:
        """Register, and hold its pods until cancelled."""
        await self.api.persist(self._register)
        await asyncio.gather(self._watched.run(), self._beat())

    async def lose(self) -> None:
        """Its power fails."""
        self.lost = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await asyncio.gather(*(pod.crash() for pod in self._pods.values()))
        self._pods.clear()
        self._tasks.clear()

    async def find(self) -> None:
        """It is back: what the API server still has for it is started again."""
        self.lost = False
        await self.api.persist(self._say_ready)
        for pod in list(self._watched.items.values()):
            self._changed(None, pod)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if self.lost:
            return
        if new is None:
            if old is not None and (pod := self._pods.get(old["metadata"]["uid"])):
                pod.update(None)
            return
        uid = new["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid].update(new)
        elif new.get("status", {}).get("phase") not in OVER or "deletionTimestamp" in new["metadata"]:
            self._take(uid, new)

    def _take(self, uid: str, new: Object) -> None:
        """A pod of ours; one that has the name of another waits until that is over."""
        pod = Pod(self.api, self.network, self.events, new, self.directory)
        before = [self._tasks[one] for one, other in self._pods.items() if other.path == pod.path]
        self._pods[uid] = pod
        pod.update(new)
        task = asyncio.get_running_loop().create_task(self._hold(pod, before))
        self._tasks[uid] = task

    async def _hold(self, pod: Pod, before: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*before, return_exceptions=True)
        try:
            await pod.live()
        except Exception as error:  # noqa: BLE001 - one pod must not end the node
            print(f"pod {pod.namespace}/{pod.name}: {error!r}", flush=True)
        if not self.lost:
            self._pods.pop(pod.uid, None)
            self._tasks.pop(pod.uid, None)

    async def _register(self) -> None:
        meta = {
            "name": self.name,
            "labels": {
                "kubernetes.io/hostname": self.name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": f"zone-{self.name[-1]}",
            },
        }
        await self.api.ensure("/api/v1/nodes", {"metadata": meta})
        await self._say_ready()

    async def _say_ready(self) -> None:
        reasons = {"Ready": ("True", "KubeletReady"), "MemoryPressure": ("False", "KubeletHasSufficientMemory")}
        reasons |= {
            "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
            "PIDPressure": ("False", "KubeletHasSufficientPID"),
        }
        now = stamp()
        conditions = [
            {
                "type": kind,
                "status": value,
                "reason": why,
                "message": "",
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }
            for kind, (value, why) in reasons.items()
        ]
        status = {
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": NODE}, {"type": "Hostname", "address": self.name}],
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
            "nodeInfo": {
                "kubeletVersion": "v1.36.3",
                "osImage": "the lab",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        }
        await self.api.patch(f"/api/v1/nodes/{self.name}/status", {"status": status})

    async def _beat(self) -> None:
        """The lease, as long as the node is not lost."""
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        while True:
            if not self.lost:
                spec = {"holderIdentity": self.name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": _micro()}
                with contextlib.suppress(httpx.HTTPError, RefusedError):
                    await self.api.ensure(path, {"metadata": {"name": self.name}, "spec": spec})
                    await self.api.patch(f"{path}/{self.name}", {"spec": spec})
            await asyncio.sleep(BEAT_SECONDS)


def _micro() -> str:
    return stamp().replace("Z", ".000000Z")
