"""The copy of a held node as a VolumeSnapshot of its claim, which the cluster's own snapshot controller takes.

The rule: its name says of which copy it is, so that a run which was cut off waits for the one that it began; what was taken stays, and only a person deletes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.emqx.errors import GaveUp, Refused
from components.emqx.told import told
from components.keepers.base import Copied
from components.keepers.copies import CopiedFile, Manifest, recorded
from components.kubernetes import api, names
from components.kubernetes.api import ApiError
from components.kubernetes.place import Place
from components.manifests.nodes import CLAIM
from components.manifests.words import bytes_of

VERSION = "snapshot.storage.k8s.io/v1"
COPY = "emqx-upgrade/copy"
"""The annotation that says which copy it is."""
CLAIM_FILE = "claim.json"
"""Beside the manifest: the claim of the node as it is made from the snapshot, for ``kubectl create``."""
POLL_SECONDS = 2.0
SNAPSHOT_SECONDS, TROUBLE_SECONDS = 3_600.0, 120.0
"""Until one is whole, and until one with an error is given up: the controller tries again by itself."""


class Held(NamedTuple):
    """A pod whose node does not run, and its StatefulSet."""

    place: Place
    workload: str
    pod: str


async def refuse_unknown(place: Place, kind: str, colour: str) -> None:
    """Refuse a class that is not there; who may not look at classes, which belong to the whole cluster, is not stopped.

    Raises:
        Refused: it is not there, or nothing of the kind is.

    """
    tried = f"looking for the class of snapshots of {colour}"
    try:
        found = await api.or_none(api.get(place, f"volumesnapshotclasses/{kind}", version=VERSION, scope="cluster"))
    except ApiError as failure:
        if failure.status != 403:
            with told(tried, kind):
                raise
        return
    if found is None:
        seen = f"no VolumeSnapshotClass {kind!r} of {VERSION}"
        todo = f"see kubectl get volumesnapshotclasses, and correct emqx:clusters.{colour}.storage.snapshotClass, or leave it out"
        raise Refused(tried, node=colour, seen=seen, todo=todo)


async def keep(held: Held, kind: str, directory: Path, about: Manifest, interrupted: Callable[[], None]) -> Copied:
    """Take one of its claim, and record it in a directory, with the claim that is made from it.

    Raises:
        GaveUp: it is not whole after an hour, or has an error; the next run goes on waiting for the same one.

    """
    copy = "/".join(directory.parts[-2:])
    name, claim = name_of(held.pod, copy), f"{CLAIM}-{held.pod}"
    with told(f"taking a snapshot of {claim}", name):
        workload = await api.get(held.place, f"statefulsets/{held.workload}", version="apps/v1")
        await _begin(held.place, name, claim, kind, copy)
    (template,) = (one for one in workload["spec"]["volumeClaimTemplates"] if one["metadata"]["name"] == CLAIM)
    status = await _whole(held.place, name, interrupted)
    file = CopiedFile(path=f"volumesnapshots/{name}", size=bytes_of(status.get("restoreSize") or "0"), sha256="")
    beside = {CLAIM_FILE: json.dumps(_claim_of(template, held.pod, name), indent=1)}
    return await asyncio.to_thread(recorded, directory, about.model_copy(update={"files": (file,)}), beside)


def name_of(pod: str, copy: str) -> str:
    """What the snapshot of one copy of a pod's claim is called."""
    return f"{pod}-{hashlib.sha256(copy.encode()).hexdigest()[:10]}"


def _claim_of(template: Mapping[str, Any], pod: str, name: str) -> dict[str, Any]:
    """The claim of a pod as it is made from a snapshot; ``template`` is that of its StatefulSet."""
    source = {"apiGroup": VERSION.partition("/")[0], "kind": "VolumeSnapshot", "name": name}
    metadata = {"name": f"{CLAIM}-{pod}", "labels": template["metadata"].get("labels") or {}}
    spec = {**template["spec"], "dataSource": source}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


async def _begin(place: Place, name: str, claim: str, kind: str, copy: str) -> None:
    """Begin it, unless a run before has."""
    metadata = {"name": name, "labels": {"app.kubernetes.io/managed-by": names.MANAGED}, "annotations": {COPY: copy}}
    spec = {"volumeSnapshotClassName": kind, "source": {"persistentVolumeClaimName": claim}}
    made = {"apiVersion": VERSION, "kind": "VolumeSnapshot", "metadata": metadata, "spec": spec}
    try:
        await api.send(place, "POST", "volumesnapshots", made, version=VERSION)
    except ApiError as failure:
        if failure.status != 409:
            raise


async def _whole(place: Place, name: str, interrupted: Callable[[], None]) -> Mapping[str, Any]:
    """Its status, once it can be restored; a few seconds without an API server end nothing."""
    tried, began = f"taking the snapshot {name}", time.monotonic()
    seen = "no controller has said anything of it"
    while True:
        interrupted()
        trouble = ""
        try:
            status = (await api.get(place, f"volumesnapshots/{name}", version=VERSION)).get("status") or {}
        except ApiError as failure:
            if not failure.passes:
                with told(tried, name):
                    raise
        else:
            if status.get("readyToUse"):
                return dict(status)
            trouble = str((status.get("error") or {}).get("message") or "")
            seen = trouble or (
                f"taken at {status['creationTime']}, not whole yet" if "creationTime" in status else seen
            )
        taken = time.monotonic() - began
        if taken >= SNAPSHOT_SECONDS or (trouble and taken >= TROUBLE_SECONDS):
            todo = f"see kubectl describe volumesnapshot {name} --namespace {place.namespace}, delete it where it failed, then run pulumi up again"
            raise GaveUp(tried, node=name, seen=f"{seen}, after {taken:.0f} s", todo=todo)
        await asyncio.sleep(POLL_SECONDS)
