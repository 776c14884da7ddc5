"""One pod on a node: from its volumes to its last container's end, as the kubelet does it.

The rule: the API server is told what is, never what should be; a pod that is deleted has the grace that it was given and is gone only when its
processes are.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any

import httpx

from lab.kubernetes.api import Api, RefusedError
from lab.kubernetes.events import Events
from lab.kubernetes.network import DNS, DOMAIN, NODE, Network
from lab.kubernetes.running import Runner
from lab.kubernetes.sandbox import Mount
from lab.kubernetes.status import Seen, conditions, phase, stamp
from lab.kubernetes.volumes import NotMountedError, Volumes

Object = dict[str, Any]
MOUNT_SECONDS, REFRESH_SECONDS = 0.5, 5.0


class Pod:
    """One that a node holds; ``pod`` is its latest form."""

    def __init__(self, api: Api, network: Network, events: Events, pod: Object, directory: Path) -> None:
        """Nothing is started before `live`."""
        self.api, self.network, self.events, self.pod = api, network, events, pod
        meta = pod["metadata"]
        self.namespace, self.name, self.uid = meta["namespace"], meta["name"], meta["uid"]
        self.path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self.place = directory / "pods" / self.uid
        self.files = directory / "served" / self.namespace / self.name
        self.volumes = Volumes(api, pod, self.place / "volumes")
        self.address = ""
        self.began = pod.get("status", {}).get("startTime") or stamp()
        self.initial = [Seen(one) for one in pod["spec"].get("initContainers", ())]
        self.main = [Seen(one) for one in pod["spec"]["containers"]]
        self.deleted, self.gone = asyncio.Event(), asyncio.Event()
        self._changed = asyncio.Event()
        self._runners: list[Runner] = []

    def update(self, pod: Object | None) -> None:
        """Its new form; None when the API server has forgotten it."""
        if pod is None:
            self.gone.set()
            self.deleted.set()
            return
        self.pod = pod
        if pod["spec"].get("readinessGates"):
            self._changed.set()
        if pod["metadata"].get("deletionTimestamp"):
            self.deleted.set()

    @property
    def policy(self) -> str:
        """When a container is started again."""
        return str(self.pod["spec"].get("restartPolicy", "Always"))

    def changed(self) -> None:
        """Something that the API server should know has happened."""
        self._changed.set()

    async def live(self) -> None:
        """Until it is deleted and over, or its node is lost, after which nothing of it goes on."""
        teller, work = asyncio.create_task(self._tell()), asyncio.create_task(self._work())
        try:
            await self._lived(teller, work)
        finally:
            teller.cancel()
            work.cancel()
            await asyncio.gather(teller, work, return_exceptions=True)

    async def _lived(self, teller: asyncio.Task[None], work: asyncio.Task[None]) -> None:
        await self.deleted.wait()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        grace = 0.0 if self.gone.is_set() else float(self.pod["metadata"].get("deletionGracePeriodSeconds") or 0)
        await self._stop(grace)
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
        if not self.gone.is_set():
            await self.api.persist(self._report)
            body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
            await self.api.persist(lambda: self.api.delete(self.path, body))
        await self._clear()

    async def crash(self) -> None:
        """Its node is lost: everything ends at once, and nobody is told."""
        await self._stop(0)
        await self._clear()

    async def _clear(self) -> None:
        if self.address:
            await self.network.leave(self.address)
        shutil.rmtree(self.files, ignore_errors=True)

    async def _stop(self, grace: float) -> None:
        running = [one for one in self._runners if one.seen.running]
        if running and grace:
            for one in running:
                self.events.tell(
                    self.pod, "Killing", f"Stopping container {one.seen.spec['name']}", container=one.seen.spec
                )
        await asyncio.gather(*(one.stop(grace) for one in self._runners))

    async def _work(self) -> None:
        """Volumes, network, init containers one after the other, then the others side by side."""
        await self._mount()
        self.place.mkdir(parents=True, exist_ok=True)
        self.address = await self.network.join()
        self.files.mkdir(parents=True, exist_ok=True)
        (self.files / "network").symlink_to(f"/run/netns/{self.address}")
        self.pod.setdefault("status", {}).update({"podIP": self.address, "hostIP": NODE})
        self.changed()
        async with asyncio.TaskGroup() as group:
            refreshing = group.create_task(self._refresh())
            for seen in self.initial:
                if not await self._runner(seen, "OnFailure" if self.policy == "Always" else self.policy).run():
                    refreshing.cancel()
                    return
            for seen in self.main:
                group.create_task(self._runner(seen, self.policy).run())

    def own_files(self) -> list[Mount]:
        """What a kubelet writes for every container."""
        spec = self.pod["spec"]
        host, service = spec.get("hostname") or self.name, spec.get("subdomain")
        full = f"{host}.{service}.{self.namespace}.svc.{DOMAIN}" if service else host
        suffixes = f"{self.namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}"
        texts = {
            "hosts": f"127.0.0.1 localhost\n::1 localhost\n{self.address} {full} {host}\n",
            "hostname": f"{host}\n",
            "resolv.conf": f"search {suffixes}\nnameserver {DNS}\noptions ndots:5\n",
        }
        for name, text in texts.items():
            (self.place / name).write_text(text, encoding="utf-8")
        return [Mount(self.place / name, f"/etc/{name}") for name in texts]

    def _runner(self, seen: Seen, policy: str) -> Runner:
        runner = Runner(self, seen, policy)
        self._runners.append(runner)
        return runner

    async def _mount(self) -> None:
        while True:
            try:
                await self.volumes.make()
            except NotMountedError as error:
                self.events.tell(self.pod, "FailedMount", str(error), warning=True)
            except (httpx.TransportError, RefusedError):
                pass
            else:
                return
            await asyncio.sleep(MOUNT_SECONDS)

    async def _refresh(self) -> None:
        while any("terminated" not in seen.state for seen in self.main):
            await asyncio.sleep(REFRESH_SECONDS)
            with contextlib.suppress(NotMountedError, httpx.TransportError, RefusedError):
                await self.volumes.refresh()

    async def _tell(self) -> None:
        """Report each change, the latest state only."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.api.persist(self._report)

    async def _report(self) -> None:
        now = phase(self.initial, self.main, self.policy)
        status: Object = {
            "phase": now,
            "conditions": conditions(self.pod, self.initial, self.main, now in {"Succeeded", "Failed"}),
            "startTime": self.began,
            "hostIP": NODE,
            "hostIPs": [{"ip": NODE}],
            "containerStatuses": [one.status() for one in self.main],
            "initContainerStatuses": [one.status() for one in self.initial],
            "qosClass": self.pod.get("status", {}).get("qosClass", "BestEffort"),
        }
        if self.address:
            status |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        with contextlib.suppress(RefusedError):  # it is gone, or another one has its name
            self.pod = await self.api.patch(f"{self.path}/status", {"metadata": {"uid": self.uid}, "status": status})
