"""The balancer's pods: the ledger before them, their share and their address after them.

The rule: the ledger first, since pods begin with what it says; and nobody is told of an address before every pod behind it has the right share.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.cutover.words import Colour
from components.emqx.errors import GaveUp, NotNow
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials, Endpoint
from components.emqx.told import told
from components.kubernetes import api, names
from components.kubernetes.api import ApiError
from components.kubernetes.place import Place
from components.kubernetes.pods import why
from components.ledger.base import Ledger
from components.ledger.config_map import ConfigMapLedger
from components.local import newcomers
from components.manifests.haproxy import address
from components.routers.fronting import settled
from components.value import Value
from components.workloads.nodes import Watching
from components.workloads.waiting import POLL_SECONDS, Awaited, ready

GENERATION = "generation"
PODS = "haproxy_pods"
DOORS: Mapping[str, Callable[[str], str]] = {PODS: names.balancer, "service": names.entrance}
"""The Service that devices connect to, by the word of the router behind it."""


class Fronted(Value):
    """The balancer and the clusters behind it: ``standing`` were there before it, ``external`` are not ours, ``newcomers`` join the other one's cluster."""

    place: Place
    name: str
    stack: str
    live: Colour
    clusters: Mapping[Colour, ClusterHandle]
    standing: Sequence[Colour] = ()
    external: Sequence[Colour] = ()
    newcomers: Sequence[Colour] = ()
    router: str = PODS


def ledger_at(place: Place, name: str) -> Ledger:
    """Where it is remembered."""
    return ConfigMapLedger(place, names.ledger(name))


async def prepare(fronted: Fronted, credentials: Mapping[str, Credentials]) -> None:
    """Make the ledger, before any pod."""
    ledger = ledger_at(fronted.place, fronted.name)
    await newcomers.prepare(ledger, fronted, fronted.newcomers, credentials)


async def settle(
    handle: BalancerHandle, clusters: Mapping[Colour, ClusterHandle], replicas: int, watching: Watching, *, ended: bool
) -> BalancerHandle:
    """Wait for the pods of the newest configuration, where it has any, bring it to the ledger's share, and say where devices connect.

    Raises:
        GaveUp: pods are not ready, or the Service has no address; with the reason.

    """
    place = handle.pods or Place(namespace="default")
    if replicas:
        await _rolled_out(place, handle.maps, replicas, watching)
    await settled(handle, clusters, ended=ended)
    return handle.model_copy(update={"mqtt": await _address(place, DOORS[handle.router](handle.maps), watching)})


async def _rolled_out(place: Place, name: str, replicas: int, watching: Watching) -> None:
    """Pods that are leaving are not waited for: they go on with their clients."""
    workload, labels = names.balancer(name), names.balancer_labels(name)
    awaited = Awaited(place, "Deployment", workload, labels, names.BALANCER_CONTAINER, replicas, *watching)
    end = time.monotonic() + watching.seconds
    while not await _is_new(place, workload, replicas):
        watching.interrupted()
        if time.monotonic() > end:
            await ready(_at_once(awaited))
            raise GaveUp(
                f"rolling out {workload}",
                node=place.namespace,
                seen=await why(place, "Deployment", workload) or "its controller has not said that it is done",
                todo=f"see `kubectl --namespace {place.namespace} rollout status deployment/{workload}`",
            )
        await asyncio.sleep(POLL_SECONDS)
    await ready(awaited)


def _at_once(awaited: Awaited) -> Awaited:
    """The same without waiting: for its reasons."""
    return Awaited(
        awaited.place,
        awaited.kind,
        awaited.name,
        awaited.labels,
        awaited.container,
        awaited.count,
        0.0,
        awaited.interrupted,
        awaited.progress,
    )


async def _is_new(place: Place, workload: str, replicas: int) -> bool:
    with told(f"looking at {workload}", place.namespace):
        try:
            found = await api.get(place, f"deployments/{workload}", version="apps/v1")
        except ApiError as failure:
            if failure.status is None or failure.status >= 500:
                return False
            raise
    status: Mapping[str, Any] = found.get("status") or {}
    counts = [int(status.get(key) or 0) for key in ("updatedReplicas", "availableReplicas", "replicas")]
    return status.get("observedGeneration") == found["metadata"]["generation"] and counts == [replicas] * 3


async def _address(place: Place, service: str, watching: Watching) -> str:
    end = time.monotonic() + watching.seconds
    while True:
        watching.interrupted()
        with told(f"looking at the Service {service}", place.namespace):
            found = await api.get(place, f"services/{service}")
        if (here := address(found, place.namespace)) is not None:
            return here
        if time.monotonic() > end:
            raise GaveUp(
                f"waiting for the address of the Service {service}",
                node=place.namespace,
                seen=await why(place, "Service", service) or "nobody gave it one",
                todo="see that this cluster has load balancers, or set emqx:balancer.kubernetes.service.type",
            )
        await asyncio.sleep(POLL_SECONDS)


async def owned(place: Place, name: str, generation: str | None) -> str | None:
    """The generation of the resource that stands for the ledger; given one, it is written first (docs/adr/0012)."""
    ledger = ledger_at(place, name)
    if generation is not None:
        async with ledger.held(None) as writing:
            await writing.write({GENERATION: generation})
    return (await ledger.read()).memory.get(GENERATION)


async def forget(place: Place, name: str) -> None:
    """Remove the ledger: the next balancer in this place is a new one.

    Raises:
        NotNow, Unreachable: the API server.

    """
    with told("removing the ledger", names.ledger(name)):
        await api.or_none(api.send(place, "DELETE", f"configmaps/{names.ledger(name)}"))


def handle_of(place: Place, name: str, endpoints: Sequence[Endpoint], router: str = PODS) -> BalancerHandle:
    """Where it is spoken to; its pods are found when they are asked."""
    return BalancerHandle(
        router=router,
        ledger="config_map",
        mqtt="",
        endpoints=tuple(endpoints),
        admin=(),
        maps=name,
        pods=place,
    )


async def observed(handle: BalancerHandle) -> BalancerHandle | None:
    """The handle with its address, where a Service of it is there and somebody gave it one."""
    place = handle.pods or Place(namespace="default")
    try:
        with told("looking at the balancer's Service", place.namespace):
            found = await api.or_none(api.get(place, f"services/{DOORS[handle.router](handle.maps)}"))
    except NotNow:
        return None
    here = None if found is None else address(found, place.namespace)
    return None if here is None else handle.model_copy(update={"mqtt": here})
