"""Nodes in the pods of a StatefulSet: the controller starts a pod anew at once, so a node that is to stay down is held before its process begins.

The rule: one pod at a time is deleted, and only by `stop`. A pod that is held has its volume, so that it can be copied; a hold is a key of a ConfigMap, and a run
that was killed finds it there.
"""

from __future__ import annotations

import asyncio
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from components.cutover.words import Edition
from components.emqx.errors import GaveUp, Refused
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle
from components.emqx.told import told
from components.keepers.base import Copied, Running
from components.keepers.copies import Manifest, Source, copied, copy
from components.kubernetes import api, execute, names
from components.kubernetes.api import ApiError
from components.kubernetes.place import Place, pod_of
from components.kubernetes.pods import why
from components.manifests.nodes import EDITION, GO, HOLD, HOME, VERSION

DATA = "data"
POLL_SECONDS = 1.0
STOP_SECONDS, START_SECONDS = 3_900.0, 900.0
"""A node that ends may go on evacuating for as long as its grace is, an hour."""


def keeper(
    handle: ClusterHandle, where: KeeperHandle, _credentials: Credentials | None, interrupted: Callable[[], None]
) -> KubernetesKeeper:
    """The keeper of the pods whose StatefulSet is called as ``where`` says, in the namespace of the handle."""
    return KubernetesKeeper(handle, where.place, interrupted)


class KubernetesKeeper:
    """Asks the API server, and the container that holds a node."""

    def __init__(self, handle: ClusterHandle, place: str, interrupted: Callable[[], None]) -> None:
        self._place, self._workload = Place.model_validate_json(place.partition(" ")[2]), place.partition(" ")[0]
        self._hosts = {node.name: node.name.partition("@")[2] for node in handle.nodes}
        self._interrupted = interrupted

    async def stop(self, node: str) -> None:
        """Hold the pod that comes, then delete the one that is there."""
        pod = self._pod_of(node)
        found = await self._get(pod)
        await self._hold(pod, held=True)
        if found is not None and not _held(found) and "deletionTimestamp" not in found["metadata"]:
            with told(f"stopping {node}", pod):
                await _quietly(api.send(self._place, "DELETE", f"pods/{pod}"))
        await self._wait(node, f"stopping {node}", STOP_SECONDS, _held)

    async def start(self, node: str, version: str, edition: Edition) -> None:
        """Let the node begin; its template has been declared before."""
        pod = self._pod_of(node)
        found = await self._wait(node, f"looking at {node}", STOP_SECONDS, lambda one: _held(one) or _runs(one))
        here = _release(found)
        if here != Running(version, edition):
            runs = _runs(found)
            seen = f"{here.version} ({here.edition}) {'runs there' if runs else 'is what its pod was made for'}"
            todo = "stop it first" if runs else "run pulumi up again: the StatefulSet has to be declared with it first"
            raise Refused(f"starting {version} ({edition})", node=node, seen=seen, todo=todo)
        await self._hold(pod, held=False)
        if not _runs(found):
            with told(f"starting {node}", pod):
                await execute.run(self._place, pod, HOLD, ["touch", GO])
        await self._wait(node, f"starting {version} ({edition})", START_SECONDS, _started)

    async def runs(self, node: str) -> Running | None:
        """As its pod was made."""
        found = await self._get(self._pod_of(node))
        return _release(found) if found is not None and _runs(found) else None

    async def back_up(self, node: str, place: Path) -> Copied:
        """Its volume, by way of the container that holds it."""
        if (before := await asyncio.to_thread(copied, place)) is not None:
            return before
        pod = await self._stopped(node, "copying its data")
        here = _release(await self._get(pod) or {})
        with tempfile.TemporaryDirectory(prefix="emqx-copy-") as temporary:
            archive, data = Path(temporary) / "data.tar", Path(temporary) / DATA
            with told(f"copying {node}", pod), archive.open("wb") as into:
                await execute.run(
                    self._place, pod, HOLD, ["tar", "-C", HOME, "-cf", "-", "--exclude=lost+found", DATA], into=into
                )
            await asyncio.to_thread(_unpack, archive, Path(temporary))
            restore = (
                "kubectl",
                "exec",
                "-i",
                "-n",
                self._place.namespace,
                pod,
                "-c",
                HOLD,
                "--",
                "tar",
                "-C",
                HOME,
                "-xf",
                "-",
            )
            about = Manifest(
                node=node,
                cluster=f"{self._place.namespace}/{self._workload}",
                version=here.version,
                edition=here.edition,
                belongs={},
                files=(),
                restore=restore,
            )
            return await asyncio.to_thread(copy, place, about, Source({DATA: data}, back=()))

    async def set_aside(self, node: str) -> Path | None:
        """Its data get another name on its volume, which stays."""
        pod = await self._stopped(node, "moving its data aside")
        name = f"aside-{int(time.time())}"
        script = f"cd {HOME}/{DATA} && mkdir .{name} && find . -mindepth 1 -maxdepth 1 ! -name '.aside-*' ! -name lost+found -exec mv {{}} .{name}/ ';'"
        with told(f"moving the data of {node} aside", pod):
            await execute.run(self._place, pod, HOLD, ["/bin/sh", "-c", script])
        return Path(HOME) / DATA / f".{name}"

    def _pod_of(self, node: str) -> str:
        pod = pod_of(self._hosts.get(node, node.partition("@")[2]))
        if pod is None:
            todo = "only nodes that are called by their pods can be kept"
            raise Refused("looking for its pod", node=node, seen="no pod has this name", todo=todo)
        return pod

    async def _stopped(self, node: str, tried: str) -> str:
        pod = self._pod_of(node)
        found = await self._get(pod)
        if found is None or not _held(found):
            raise Refused(tried, node=node, seen="its pod is not held", todo="stop it first")
        return pod

    async def _get(self, pod: str) -> Mapping[str, Any] | None:
        with told("looking at a pod", pod):
            return await _or_none(api.get(self._place, f"pods/{pod}"))

    async def _hold(self, pod: str, *, held: bool) -> None:
        name = names.holds(self._workload)
        change = {"data": {pod: "held" if held else None}}
        with told(f"holding {pod}", name):
            if await _or_none(api.send(self._place, "PATCH", f"configmaps/{name}", change)) is None and held:
                made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {pod: "held"}}
                await api.send(self._place, "POST", "configmaps", made)

    async def _wait(
        self, node: str, tried: str, seconds: float, done: Callable[[Mapping[str, Any]], bool]
    ) -> Mapping[str, Any]:
        """Wait until a pod that was not deleted is as it should be; a few seconds without an API server end nothing."""
        pod, end = self._pod_of(node), time.monotonic() + seconds
        while True:
            self._interrupted()
            try:
                found = await _or_none(api.get(self._place, f"pods/{pod}"))
            except ApiError as failure:
                if failure.status is not None and failure.status < 500:
                    with told(tried, pod):
                        raise
                found = None
            if found is not None and "deletionTimestamp" not in found["metadata"] and done(found):
                return found
            if time.monotonic() > end:
                told_why = await why(self._place, "Pod", pod, names.NODE_CONTAINER)
                seen = f"its pod is {(found or {}).get('status', {}).get('phase', 'not there')} after {seconds:g} s; {told_why}"
                raise GaveUp(
                    tried,
                    node=node,
                    seen=seen,
                    todo=f"see `kubectl --namespace {self._place.namespace} describe pod {pod}`",
                )
            await asyncio.sleep(POLL_SECONDS)


def _state(found: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    statuses = found.get("status", {}).get(kind) or ()
    return next((one for one in statuses if one["name"] == name), {})


def _held(found: Mapping[str, Any]) -> bool:
    return "running" in _state(found, "initContainerStatuses", HOLD).get("state", {})


def _runs(found: Mapping[str, Any]) -> bool:
    return "running" in _state(found, "containerStatuses", names.NODE_CONTAINER).get("state", {})


def _started(found: Mapping[str, Any]) -> bool:
    return _runs(found) and bool(_state(found, "containerStatuses", names.NODE_CONTAINER).get("started"))


def _release(found: Mapping[str, Any]) -> Running:
    annotations = found.get("metadata", {}).get("annotations") or {}
    edition = next((one for one in get_args(Edition) if one == annotations.get(EDITION)), None)
    return Running(annotations.get(VERSION), edition)


def _unpack(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")


async def _or_none(asked: Any) -> Mapping[str, Any] | None:
    """The answer; None where there is no such thing."""
    try:
        found: Mapping[str, Any] = await asked
    except ApiError as failure:
        if failure.status == 404:
            return None
        raise
    return found


async def _quietly(asked: Any) -> None:
    await _or_none(asked)
