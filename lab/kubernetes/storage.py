"""Volumes for claims of the lab's own storage class.

The rule: a volume holds as much as its claim asked for and then is full, and it lives until its claim is deleted, as the class says (`Delete`).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any

import httpx

from lab.kubernetes.api import Api, RefusedError, Watched
from lab.kubernetes.processes import FailedError, run
from lab.kubernetes.snapshots import Snapshots
from lab.kubernetes.values import quantity

Object = dict[str, Any]
CLASS, PROVISIONER = "lab", "emqx.lab/memory"
POLL_SECONDS = 0.2


class Storage:
    """The provisioner, with its volumes in a directory."""

    def __init__(self, api: Api, directory: Path) -> None:
        """Nothing is asked before `run`."""
        self._api, self._directory = api, directory
        self._snapshots = Snapshots(api, directory / "snapshots", PROVISIONER)
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun: set[str] = set()
        self._claims = Watched(api, "/api/v1/persistentvolumeclaims", self._claim_changed)
        self._volumes = Watched(api, "/api/v1/persistentvolumes", self._volume_changed)

    async def run(self) -> None:
        """The class, and what its claims need, until cancelled."""
        meta = {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
        await self._api.ensure(
            "/apis/storage.k8s.io/v1/storageclasses",
            {"metadata": meta, "provisioner": PROVISIONER, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
        )
        await asyncio.gather(self._claims.run(), self._volumes.run(), self._snapshots.run())

    def _claim_changed(self, _old: Object | None, claim: Object | None) -> None:
        if claim is None or claim["metadata"]["uid"] in self._begun or claim["spec"].get("volumeName"):
            return
        if claim["spec"].get("storageClassName") == CLASS and "deletionTimestamp" not in claim["metadata"]:
            self._begun.add(claim["metadata"]["uid"])
            self._do(self._provide(claim))

    def _volume_changed(self, old: Object | None, volume: Object | None) -> None:
        if volume is None and old is not None and old["spec"].get("storageClassName") == CLASS:
            self._do(self._destroy(Path(old["spec"]["hostPath"]["path"])))
        elif volume is not None and volume["spec"].get("storageClassName") == CLASS:
            released = volume.get("status", {}).get("phase") == "Released"
            if released and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
                self._do(self._api.delete(f"/api/v1/persistentvolumes/{volume['metadata']['name']}"))

    def _do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._until_done(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_done(self, work: Any) -> None:
        with contextlib.suppress(httpx.HTTPError, RefusedError, FailedError):
            await work

    async def _provide(self, claim: Object) -> None:
        meta = claim["metadata"]
        name = f"pvc-{meta['uid']}"
        place, size = self._directory / name, claim["spec"]["resources"]["requests"]["storage"]
        place.mkdir(parents=True, exist_ok=True)
        await run("mount", "-t", "tmpfs", "-o", f"size={int(quantity(size))}", "tmpfs", str(place))
        await self._begin_with(claim, place)
        spec = {
            "capacity": {"storage": size},
            "accessModes": claim["spec"]["accessModes"],
            "hostPath": {"path": str(place)},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": CLASS,
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "apiVersion": "v1",
                **{field: meta[field] for field in ("namespace", "name", "uid")},
            },
        }
        note = {"pv.kubernetes.io/provisioned-by": PROVISIONER}
        body = {"metadata": {"name": name, "annotations": note}, "spec": spec}
        await self._api.persist(lambda: self._api.ensure("/api/v1/persistentvolumes", body))

    async def _begin_with(self, claim: Object, place: Path) -> None:
        """The files of the snapshot that a claim is made from, once that is whole."""
        source = claim["spec"].get("dataSource") or {}
        while source.get("kind") == "VolumeSnapshot":
            if found := self._snapshots.place_of(claim["metadata"]["namespace"], source["name"]):
                await run("cp", "-a", f"{found}/.", str(place))
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _destroy(self, place: Path) -> None:
        """A process that still has it keeps it until its end."""
        await run("umount", "--lazy", str(place))
        shutil.rmtree(place, ignore_errors=True)
