"""Nodes in the pods of a StatefulSet: the controller starts a pod anew at once, so a node that is to stay down is held before its process begins.

The rule: one pod at a time is deleted, and only by `stop`. A pod that is held has its volume, so that it can be copied; a hold is a key of a ConfigMap, with
what the node ran, and a run that was killed finds it there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args

from components.cutover.words import Edition
from components.emqx.errors import GaveUp, Refused
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle
from components.emqx.told import told
from components.keepers import archived, snapshots
from components.keepers.base import Copied, Running
from components.keepers.copies import Manifest, copied
from components.kubernetes import api, execute, names
from components.kubernetes.api import ApiError
from components.kubernetes.place import Place, pod_of
from components.kubernetes.pods import why
from components.manifests.nodes import CLAIM, EDITION, GO, HOLD, HOME, VERSION

LEFT_OUT = ("--exclude=lost+found", f"--exclude={CLAIM}/.aside-*")
UNKNOWN = "unknown"
POLL_SECONDS = 1.0
END_SECONDS = 3_900.0
"""A node that ends may go on evacuating for as long as its grace is, an hour."""


def aside(name: str) -> str:
    """The script that moves a node's data to another name on its volume."""
    found = "find . -mindepth 1 -maxdepth 1 ! -name '.aside-*' ! -name lost+found"
    return f"aside=.{name}; cd {HOME}/{CLAIM} && mkdir $aside && {found} -exec mv {{}} $aside/ ';'"


PUT_BACK = ("/bin/sh", "-c", f"{aside('aside-$(date +%s)')} && tar -C {HOME} -xf -")
"""Takes the archive of a copy as its input; what lies there is moved aside."""


def keeper(
    handle: ClusterHandle, where: KeeperHandle, _credentials: Credentials | None, interrupted: Callable[[], None]
) -> KubernetesKeeper:
    """The keeper of the pods whose StatefulSet is called as ``where`` says, in the namespace of the handle."""
    return KubernetesKeeper(handle, where, interrupted)


class KubernetesKeeper:
    """Asks the API server, and the container that holds a node."""

    def __init__(self, handle: ClusterHandle, where: KeeperHandle, interrupted: Callable[[], None]) -> None:
        """Nothing is asked yet; ``where`` names the StatefulSet and its place, and how long a pod may take to begin."""
        self._workload, _, place = where.place.partition(" ")
        self._place, self._seconds = Place.model_validate_json(place), where.seconds
        self._snapshots = where.snapshots
        self._hosts = {node.name: node.name.partition("@")[2] for node in handle.nodes}
        self._interrupted = interrupted

    async def stop(self, node: str) -> None:
        """Hold the pod that comes, then delete the one that is there; one that is held already stays."""
        found = await self._get(self._pod_of(node))
        await self._hold(self._pod_of(node), found)
        await self._renewed(node, None if found is not None and _held(found) else found)

    async def start(self, node: str, version: str, edition: Edition) -> None:
        """Let the node begin; its template has been declared before, and a pod that was made from an older one is made anew."""
        pod, tried, wanted = self._pod_of(node), f"starting {version} ({edition})", Running(version, edition)
        found = await self._wait(node, f"looking at {node}", self._seconds, _begun)
        here = _release(found)
        if here != wanted:
            if _started(found):
                seen = f"{here.version} ({here.edition}) runs there"
                raise Refused(tried, node=node, seen=seen, todo="stop it first")
            if (declared := await self._declared()) != wanted:
                seen = f"{declared.version} ({declared.edition}) is what its StatefulSet makes pods for"
                todo = "run pulumi up again: the StatefulSet has to be declared with it first"
                raise Refused(tried, node=node, seen=seen, todo=todo)
            await self._hold(pod, found)
            found = await self._renewed(node, found)
        await self._let_go(pod)
        if _held(found):
            with told(f"starting {node}", pod):
                await execute.run(self._place, pod, HOLD, ["touch", GO])
        await self._wait(node, tried, self._seconds, _started)

    async def _renewed(self, node: str, old: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The held pod that comes when this one has been deleted; None is one that is gone, or held already."""
        pod, uid = self._pod_of(node), None if old is None else old["metadata"]["uid"]
        if old is not None:
            if "deletionTimestamp" not in old["metadata"]:
                with told(f"stopping {node}", pod):
                    await api.or_none(api.send(self._place, "DELETE", f"pods/{pod}"))
            await self._wait(node, f"stopping {node}", END_SECONDS, lambda one: one["metadata"]["uid"] != uid)
        return await self._wait(node, f"holding {node}", self._seconds, _held)

    async def _declared(self) -> Running:
        """What the StatefulSet makes pods for."""
        with told("looking at the StatefulSet", self._workload):
            found = await api.get(self._place, f"statefulsets/{self._workload}", version="apps/v1")
        return _release(found["spec"]["template"])

    async def runs(self, node: str) -> Running | None:
        """As its pod was made."""
        found = await self._get(self._pod_of(node))
        return _release(found) if found is not None and _runs(found) else None

    async def back_up(self, node: str, place: Path) -> Copied:
        """A snapshot of its volume where the stack names a class of them; else its files, by way of the container that holds it."""
        if (before := await asyncio.to_thread(copied, place)) is not None:
            return before
        pod = await self._stopped(node, "copying its data")
        here = _said((await self._holds() or {}).get(pod, ""))
        about = Manifest(
            node=node,
            cluster=f"{self._place.namespace}/{self._workload}",
            version=here.version,
            edition=here.edition,
            belongs={},
            files=(),
        )
        with told(f"copying {node}", pod):
            if self._snapshots is None:
                command = ("kubectl", "exec", "-i", "-n", self._place.namespace, pod, "-c", HOLD, "--", *PUT_BACK)
                return await archived.keep(
                    place, about.model_copy(update={"restore": command}), partial(self._print, pod)
                )
            await execute.run(self._place, pod, HOLD, ["sync"])
        held = snapshots.Held(self._place, self._workload, pod)
        return await snapshots.keep(held, self._snapshots, place, about, self._interrupted)

    async def _print(self, pod: str, into: Path) -> None:
        with into.open("wb") as archive:
            await execute.run(self._place, pod, HOLD, ["tar", "-C", HOME, "-cf", "-", *LEFT_OUT, CLAIM], into=archive)

    async def set_aside(self, node: str) -> Path | None:
        """Its data get another name on its volume, which stays."""
        pod = await self._stopped(node, "moving its data aside")
        name = f"aside-{int(time.time())}"
        with told(f"moving the data of {node} aside", pod):
            await execute.run(self._place, pod, HOLD, ["/bin/sh", "-c", aside(name)])
        return Path(HOME) / CLAIM / f".{name}"

    def _pod_of(self, node: str) -> str:
        pod = pod_of(self._hosts.get(node, node.partition("@")[2]))
        if pod is None:
            todo = "only nodes that are called by their pods can be kept"
            raise Refused("looking for its pod", node=node, seen="no pod has this name", todo=todo)
        return pod

    async def _stopped(self, node: str, tried: str) -> str:
        """Its pod, held; one whose node never came up is not stopped by anybody else, since its containers start again and again."""
        pod = self._pod_of(node)
        found = await self._get(pod)
        if found is not None and _started(found):
            raise Refused(tried, node=node, seen="it runs", todo="stop it first")
        if found is None or not _held(found):
            await self.stop(node)
        return pod

    async def _get(self, pod: str) -> Mapping[str, Any] | None:
        with told("looking at a pod", pod):
            return await api.or_none(api.get(self._place, f"pods/{pod}"))

    async def _holds(self) -> Mapping[str, str] | None:
        """The pods that are held, and what each ran before; None where none ever was."""
        name = names.holds(self._workload)
        with told("looking who is held", name):
            found = await api.or_none(api.get(self._place, f"configmaps/{name}"))
        return None if found is None else found.get("data") or {}

    async def _hold(self, pod: str, found: Mapping[str, Any] | None) -> None:
        """Hold the pod; what it runs is written down, since the next one of its name is made for another version."""
        holds, name = await self._holds(), names.holds(self._workload)
        if holds is not None and pod in holds:
            return
        here = _release(found or {})
        held = {pod: f"{here.version} {here.edition}" if here.version else UNKNOWN}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": held}
        with told(f"holding {pod}", name):
            if holds is None:
                await api.send(self._place, "POST", "configmaps", made)
            else:
                await api.send(self._place, "PATCH", f"configmaps/{name}", {"data": held})

    async def _let_go(self, pod: str) -> None:
        name = names.holds(self._workload)
        with told(f"letting {pod} go", name):
            await api.or_none(api.send(self._place, "PATCH", f"configmaps/{name}", {"data": {pod: None}}))

    async def _wait(
        self, node: str, tried: str, seconds: float, done: Callable[[Mapping[str, Any]], bool]
    ) -> Mapping[str, Any]:
        """Wait until a pod that was not deleted is as it should be; a few seconds without an API server end nothing."""
        pod, end = self._pod_of(node), time.monotonic() + seconds
        while True:
            self._interrupted()
            try:
                found = await api.or_none(api.get(self._place, f"pods/{pod}"))
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


def _begun(found: Mapping[str, Any]) -> bool:
    """Whether it is held, or its node has begun at least once."""
    state = _state(found, "containerStatuses", names.NODE_CONTAINER)
    return _held(found) or "waiting" not in state.get("state", {"waiting": {}}) or bool(state.get("lastState"))


def _started(found: Mapping[str, Any]) -> bool:
    return _runs(found) and bool(_state(found, "containerStatuses", names.NODE_CONTAINER).get("started"))


def _release(found: Mapping[str, Any]) -> Running:
    annotations = found.get("metadata", {}).get("annotations") or {}
    edition = next((one for one in get_args(Edition) if one == annotations.get(EDITION)), None)
    return Running(annotations.get(VERSION), edition)


def _said(text: str) -> Running:
    """A release as a hold has it."""
    version, _, word = text.partition(" ")
    return Running(
        None if version == UNKNOWN else version, next((one for one in get_args(Edition) if one == word), None)
    )
