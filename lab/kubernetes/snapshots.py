"""Snapshots of the lab's volumes: the kinds of a snapshot controller, their class, and what the controller does.

The rule: a snapshot is whole or says why it is not, as the real one's status does; it lives until it is deleted, whatever becomes of its volume.
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
from lab.kubernetes.status import stamp

Object = dict[str, Any]
GROUP, VERSION = "snapshot.storage.k8s.io", "v1"
ROOT = f"/apis/{GROUP}/{VERSION}"
KINDS = {
    "VolumeSnapshot": ("volumesnapshots", "Namespaced"),
    "VolumeSnapshotClass": ("volumesnapshotclasses", "Cluster"),
    "VolumeSnapshotContent": ("volumesnapshotcontents", "Cluster"),
}
CLASS = "lab"


class Snapshots:
    """The controller, with its snapshots in a directory."""

    def __init__(self, api: Api, directory: Path, driver: str) -> None:
        """Nothing is asked before `run`; ``driver`` is whose volumes they are."""
        self._api, self._directory, self._driver = api, directory, driver
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched = Watched(api, f"{ROOT}/volumesnapshots", self._changed)

    async def run(self) -> None:
        """The kinds, a class, and what is asked of it, until cancelled."""
        for kind, (plural, scope) in KINDS.items():
            await self._api.ensure(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _kind(kind, plural, scope)
            )
        made = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "VolumeSnapshotClass",
            "metadata": {"name": CLASS},
            "driver": self._driver,
            "deletionPolicy": "Delete",
        }
        watching = asyncio.create_task(self._watched.run())
        await self._watched.known.wait()
        await self._api.ensure(f"{ROOT}/volumesnapshotclasses", made)
        await watching

    def place_of(self, namespace: str, name: str) -> Path | None:
        """Where the files of a snapshot lie that is whole."""
        found = self._watched.items.get(f"{namespace}/{name}", {})
        if not found.get("status", {}).get("readyToUse"):
            return None
        return self._place(found)

    def _place(self, snapshot: Object) -> Path:
        return self._directory / str(snapshot["metadata"]["uid"])

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._do(self._destroy(old))
        elif new is not None and old is None and not new.get("status", {}).get("readyToUse"):
            self._do(self._take(new))

    def _do(self, work: Any) -> None:
        async def done() -> None:
            with contextlib.suppress(httpx.HTTPError, RefusedError, FailedError):
                await work

        task = asyncio.get_running_loop().create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, snapshot: Object) -> None:
        meta, spec = snapshot["metadata"], snapshot["spec"]
        status = f"{ROOT}/namespaces/{meta['namespace']}/volumesnapshots/{meta['name']}/status"
        try:
            await self._api.get(f"{ROOT}/volumesnapshotclasses/{spec['volumeSnapshotClassName']}")
            claim = spec["source"]["persistentVolumeClaimName"]
            found = await self._api.get(f"/api/v1/namespaces/{meta['namespace']}/persistentvolumeclaims/{claim}")
            volume = await self._api.get(f"/api/v1/persistentvolumes/{found['spec']['volumeName']}")
        except RefusedError as refused:
            said = {"message": str(refused), "time": stamp()}
            await self._api.patch(status, {"status": {"readyToUse": False, "error": said}})
            return
        taken, place = stamp(), self._place(snapshot)
        place.parent.mkdir(parents=True, exist_ok=True)
        await run("cp", "-a", volume["spec"]["hostPath"]["path"], str(place))
        content = await self._content(snapshot, volume["metadata"]["name"])
        size = volume["spec"]["capacity"]["storage"]
        said = {"boundVolumeSnapshotContentName": content, "creationTime": taken, "restoreSize": size}
        await self._api.patch(status, {"status": {**said, "readyToUse": True}})

    async def _content(self, snapshot: Object, volume: str) -> str:
        meta = snapshot["metadata"]
        name = f"snapcontent-{meta['uid']}"
        spec = {
            "deletionPolicy": "Delete",
            "driver": self._driver,
            "source": {"volumeHandle": volume},
            "volumeSnapshotClassName": snapshot["spec"]["volumeSnapshotClassName"],
            "volumeSnapshotRef": {key: meta[key] for key in ("namespace", "name", "uid")},
        }
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "VolumeSnapshotContent",
            "metadata": {"name": name},
            "spec": spec,
        }
        await self._api.ensure(f"{ROOT}/volumesnapshotcontents", body)
        return name

    async def _destroy(self, snapshot: Object) -> None:
        await self._api.delete(f"{ROOT}/volumesnapshotcontents/snapcontent-{snapshot['metadata']['uid']}")
        await asyncio.to_thread(shutil.rmtree, self._place(snapshot), ignore_errors=True)


def _kind(kind: str, plural: str, scope: str) -> Object:
    """A definition as the controller's own, without the checks of its fields."""
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    served = {"name": VERSION, "served": True, "storage": True, "schema": anything, "subresources": {"status": {}}}
    named = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    # the API server takes a group of *.k8s.io only with the word of who has approved it
    approved = {"api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "annotations": approved},
        "spec": {"group": GROUP, "scope": scope, "names": named, "versions": [served]},
    }
