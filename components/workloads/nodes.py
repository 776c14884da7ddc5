"""A colour's pods: waited for, found again before an update, and never taken away with clients on them."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from components.cutover.words import Colour, Edition
from components.emqx.models import ClusterHandle, KeeperHandle, Node
from components.emqx.told import told
from components.kubernetes import api, names
from components.kubernetes.place import Place, pod_of
from components.kubernetes.pods import listed
from components.manifests.nodes import API, COOKIE, MQTT, WEBSOCKET
from components.value import Value
from components.workloads.waiting import POLL_SECONDS, Awaited, ready, revision_of, well


class Running(Value):
    """A colour's StatefulSet: where it is, whose it is, how many nodes of which release it is declared with, how long a pod may take until it is ready, and the class of snapshots that its volumes are copied by."""

    place: Place
    name: str
    colour: Colour
    version: str
    edition: Edition
    nodes: int
    proxy_protocol: bool
    ready_seconds: float = 600.0
    snapshot_class: str | None = None

    @property
    def workload(self) -> str:
        """The StatefulSet's name."""
        return names.cluster(self.name, self.colour)


class Watching(NamedTuple):
    """How long, and whom to tell meanwhile."""

    seconds: float
    interrupted: Callable[[], None]
    progress: Callable[[str], None]


def handle_of(running: Running) -> ClusterHandle:
    """Its addresses, which are known before there is anything: names below the headless Service."""
    return ClusterHandle(
        colour=running.colour,
        nodes=tuple(node_of(running, number) for number in range(running.nodes)),
        version=running.version,
        edition=running.edition,
        proxy_protocol=running.proxy_protocol,
        keeper=KeeperHandle(
            kind="kubernetes",
            place=f"{running.workload} {running.place.model_dump_json()}",
            seconds=running.ready_seconds,
            snapshots=running.snapshot_class,
        ),
        pods=running.place,
    )


def node_of(running: Running, number: int) -> Node:
    """A node by its number."""
    host = names.node(running.name, running.colour, number, running.place.namespace)
    return Node(name=f"emqx@{host}", api=f"http://{host}:{API}", mqtt=f"{host}:{MQTT}", ws=f"{host}:{WEBSOCKET}")


async def wait_for(
    running: Running, watching: Watching, *, replace_stuck: bool, in_work: str | None = None, emptied: bool = False
) -> None:
    """Wait until all pods are ready, but that of the node which a roll has taken out: it goes on with it.

    Raises:
        GaveUp: with the reason.

    """
    revision = None
    end = time.monotonic() + watching.seconds
    while revision is None and time.monotonic() < end:
        watching.interrupted()
        revision = await revision_of(running.place, running.workload)
        if revision is None:
            await asyncio.sleep(POLL_SECONDS)
    passed_over = None if in_work is None else pod_of(in_work.partition("@")[2])
    awaited = replace(_awaited(running, watching, passed_over), emptied=emptied)
    await ready(awaited, revision=revision, replace_stuck=replace_stuck)


def _awaited(running: Running, watching: Watching, passed_over: str | None) -> Awaited:
    labels = names.cluster_labels(running.name, running.colour)
    return Awaited(
        running.place,
        "StatefulSet",
        running.workload,
        labels,
        names.NODE_CONTAINER,
        running.nodes - (passed_over is not None),
        watching.seconds,
        watching.interrupted,
        watching.progress,
        passed_over,
    )


async def ready_count(running: Running, *, emptied: bool = False) -> tuple[int, int]:
    """How many pods there are that were not deleted, and how many of them are ready, or have started where their colour is ``emptied``."""
    with told(f"looking at the pods of {running.workload}", running.place.namespace):
        found = await listed(running.place, names.cluster_labels(running.name, running.colour), names.NODE_CONTAINER)
    there = well([pod for pod in found if not pod.leaving], emptied=emptied)
    return len(there), sum(pod.ready for pod in there)


async def observed(running: Running) -> ClusterHandle | None:
    """The handle of what is there, with as many nodes as it has pods; None where there are none."""
    there, _ = await ready_count(running)
    return handle_of(running.model_copy(update={"nodes": there})) if there else None


async def kept_cookie(place: Place, secret: str) -> str | None:
    """The cookie that a cluster was made with; None where there is no such Secret. It may be of a colour that has long left, so nobody can derive it anew."""
    with told("reading the cookie of the cluster", secret):
        found = await api.or_none(api.get(place, f"secrets/{secret}"))
    return None if found is None else base64.b64decode(found["data"][COOKIE]).decode()


async def forget_holds(running: Running) -> None:
    """Take the holds of a StatefulSet that is not there (any more) away: the nodes of the next one begin by themselves."""
    with told(f"looking at {running.workload}", running.place.namespace):
        found = await api.or_none(api.get(running.place, f"statefulsets/{running.workload}", version="apps/v1"))
        if found is None or "deletionTimestamp" in found["metadata"]:
            await api.or_none(api.send(running.place, "DELETE", f"configmaps/{names.holds(running.workload)}"))


async def forget_holds_of_fewer(running: Running) -> None:
    """Nodes that were taken away were held, so that none came back; those that take their numbers later begin by themselves."""
    name, first = names.holds(running.workload), running.nodes
    with told("looking who is held", name):
        found = await api.or_none(api.get(running.place, f"configmaps/{name}"))
        gone = [one for one in (found or {}).get("data") or {} if int(one.rpartition("-")[2]) >= first]
        if gone:
            await api.send(running.place, "PATCH", f"configmaps/{name}", {"data": dict.fromkeys(gone)})
