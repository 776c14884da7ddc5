"""Waiting for the pods of a workload: bounded, and ending with the reason in the pods' own words.

The rule: a pod that was made from an older template and never got ready is in nobody's way but ours, since nothing else would ever start it anew; it is deleted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.emqx.errors import GaveUp, NotNow, Unreachable
from components.emqx.told import told
from components.kubernetes import api
from components.kubernetes.place import Place
from components.kubernetes.pods import Pod, listed, why

POLL_SECONDS = 1.0
LINE_SECONDS = 5.0
MOST_TOLD = 3


@dataclass(frozen=True)
class Awaited:
    """The pods of a workload that are to be ready: ``count`` of them with these labels, made by the object ``kind`` ``name``.

    ``interrupted`` raises when the update was cut off, ``progress`` shows a line; the pod ``passed_over`` is in somebody else's work and not among them.
    Where the colour is ``emptied`` a pod whose node has started counts as ready: an evacuated node says of itself that it is not, and is as it should be.
    """

    place: Place
    kind: str
    name: str
    labels: Mapping[str, str]
    container: str
    count: int
    seconds: float
    interrupted: Callable[[], None]
    progress: Callable[[str], None]
    passed_over: str | None = None
    emptied: bool = False


async def ready(awaited: Awaited, *, revision: str | None = None, replace_stuck: bool = True) -> list[Pod]:
    """Wait until so many pods are ready, and return them.

    Args:
        awaited: the pods.
        revision: the template that pods are made from now; one of an older one that is not ready is deleted.
        replace_stuck: whether they may be.

    Raises:
        GaveUp: they are not within the time; with the state, the events and the last log lines of those that are not.
        Unauthorized: the API server does not let us look.

    """
    end, shown = time.monotonic() + awaited.seconds, 0.0
    deleted: set[str] = set()
    while True:
        awaited.interrupted()
        pods = await _pods(awaited)
        there = [pod for pod in pods if not pod.leaving]
        good = [pod for pod in there if pod.ready]
        if len(good) == awaited.count and len(there) == awaited.count:
            return good
        now = time.monotonic()
        if now > end:
            raise await _gave_up(awaited, pods)
        if now - shown >= LINE_SECONDS:
            shown = now
            awaited.progress(f"{awaited.name}: {len(good)} of {awaited.count} pods are ready{_waits(there)}")
        if replace_stuck and revision is not None:
            for pod in there:
                if not pod.ready and pod.revision not in {"", revision} and pod.uid not in deleted:
                    await _delete(awaited, pod)
                    deleted.add(pod.uid)
        await asyncio.sleep(POLL_SECONDS)


async def _pods(awaited: Awaited) -> Sequence[Pod]:
    """An API server that is away for a moment is waited for; the wait itself is bounded."""
    end = time.monotonic() + min(awaited.seconds, 60.0)
    while True:
        try:
            with told(f"looking at the pods of {awaited.name}", awaited.place.namespace):
                found = await listed(awaited.place, awaited.labels, awaited.container)
            return well([pod for pod in found if pod.name != awaited.passed_over], emptied=awaited.emptied)
        except (Unreachable, NotNow):
            if time.monotonic() > end:
                raise
            awaited.interrupted()
            await asyncio.sleep(POLL_SECONDS)


def well(pods: Sequence[Pod], *, emptied: bool) -> Sequence[Pod]:
    """The same pods, where those that have started count as ready if their colour is emptied."""
    return [pod._replace(ready=True) if emptied and pod.started else pod for pod in pods]


def _waits(pods: Sequence[Pod]) -> str:
    waits = next((f"; {pod.name}: {pod.waits}" for pod in pods if not pod.ready and pod.waits), "")
    return waits[:160]


async def _delete(awaited: Awaited, pod: Pod) -> None:
    awaited.progress(f"{pod.name} was made from an older template and never got ready: it is started anew")
    with told(f"deleting {pod.name}", awaited.place.namespace):
        await api.or_none(api.send(awaited.place, "DELETE", f"pods/{pod.name}", {"gracePeriodSeconds": 0}))


async def _gave_up(awaited: Awaited, pods: Sequence[Pod]) -> GaveUp:
    there = [pod for pod in pods if not pod.leaving]
    # one that was deleted and does not end, since its node is lost, keeps the place of the next one
    late = [pod for pod in pods if (len(there) < awaited.count if pod.leaving else not pod.ready)][:MOST_TOLD]
    reasons = []
    for pod in late:
        parts = [_state(pod), await why(awaited.place, "Pod", pod.name, awaited.container)]
        reasons.append(f"{pod.name}: {'; '.join(filter(None, parts))}")
    if len(there) < awaited.count and (reason := await why(awaited.place, awaited.kind, awaited.name)):
        reasons.append(reason)
    good = sum(pod.ready for pod in there)
    return GaveUp(
        f"waiting for the pods of {awaited.name}",
        node=awaited.place.namespace,
        seen=f"{good} of {awaited.count} are ready after {awaited.seconds:g} s. {' / '.join(reasons) or 'no reason is told'}",
        todo="correct the stack's config or the cluster, then run pulumi up again: pods that are stuck are started anew",
    )


def _state(pod: Pod) -> str:
    if pod.leaving:
        return f"it was deleted and has not ended{f' ({pod.waits})' if pod.waits else ''}"
    return pod.waits or ("it runs and is not ready" if pod.running else "it does not run")


async def revision_of(place: Place, name: str) -> str | None:
    """The revision of the template of a StatefulSet, by which pods of before are known; None while its controller has not seen it."""
    with told(f"looking at {name}", place.namespace):
        found: Mapping[str, Any] = await api.get(place, f"statefulsets/{name}", version="apps/v1")
    status = found.get("status") or {}
    seen = status.get("observedGeneration") == found["metadata"].get("generation")
    return str(status["updateRevision"]) if seen and status.get("updateRevision") else None
