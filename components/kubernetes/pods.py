"""Pods as facts, and why one is not what it should be: in the words of its own state, its events and the last lines of its log.

The rule: facts only; how long one may take is for whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from components.kubernetes import api
from components.kubernetes.api import ApiError
from components.kubernetes.place import Place

MOST_EVENTS, LOG_LINES = 3, 5
MOST_TEXT = 300


class Pod(NamedTuple):
    """One pod: ``leaving`` is whether it was deleted and goes on until its grace is over, ``started`` whether its startup probe was answered, ``waits`` why a container does not run."""

    name: str
    uid: str
    ready: bool
    leaving: bool
    running: bool
    image: str
    labels: Mapping[str, str]
    address: str | None = None
    waits: str = ""
    restarts: int = 0
    revision: str = ""
    started: bool = False


def _pod(found: Mapping[str, Any], container: str | None) -> Pod:
    status, spec, metadata = found.get("status") or {}, found["spec"], found["metadata"]
    containers = [one for one in spec["containers"] if container in {None, one["name"]}]
    states = [one for one in status.get("containerStatuses") or () if container in {None, one["name"]}]
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status") == "True"
    labels = metadata.get("labels") or {}
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        ready=ready,
        leaving="deletionTimestamp" in metadata,
        running=bool(states) and all("running" in one.get("state", {}) for one in states),
        image=containers[0]["image"] if containers else "",
        labels=labels,
        address=status.get("podIP"),
        waits=_waits(conditions, states),
        restarts=sum(int(one.get("restartCount", 0)) for one in states),
        revision=labels.get("controller-revision-hash", ""),
        started=bool(states) and all(one.get("started") for one in states),
    )


def _waits(conditions: Mapping[str, Mapping[str, Any]], states: Sequence[Mapping[str, Any]]) -> str:
    going = conditions.get("DisruptionTarget", {})
    if going.get("status") == "True":
        return f"{going.get('reason', '')}: {going.get('message', '')}"[:MOST_TEXT]
    placed = conditions.get("PodScheduled", {})
    if placed.get("status") == "False":
        return f"not scheduled: {placed.get('message') or placed.get('reason') or 'no reason'}"[:MOST_TEXT]
    for state in states:
        now = state.get("state", {})
        if "waiting" in now:
            last = (state.get("lastState") or {}).get("terminated")
            ended = f"; it ended with exit code {last.get('exitCode')} ({last.get('reason')})" if last else ""
            waiting = now["waiting"]
            return f"{waiting.get('reason', 'waiting')} {waiting.get('message', '')}".strip()[:MOST_TEXT] + ended
        if "terminated" in now:
            return f"ended with exit code {now['terminated'].get('exitCode')} ({now['terminated'].get('reason')})"
    return ""


async def listed(place: Place, labels: Mapping[str, str], container: str | None = None) -> list[Pod]:
    """The pods with these labels by name; ``container`` is whose state counts, None: all of them."""
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    found = await api.get(place, "pods", params={"labelSelector": selector})
    return sorted(_pod(one, container) for one in found.get("items") or ())


async def why(place: Place, kind: str, name: str, container: str | None = None) -> str:
    """The last warnings about an object, and the last lines of its log where it is a pod; empty when there is nothing to tell."""
    told = await _warnings(place, kind, name)
    if kind == "Pod":
        lines = await _log(place, name, container)
        told += [f"its log: {' | '.join(lines)}"] if lines else []
    return "; ".join(told)


async def _warnings(place: Place, kind: str, name: str) -> list[str]:
    selector = f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"
    try:
        found = await api.get(place, "events", params={"fieldSelector": selector})
    except ApiError as failure:
        return [f"its events cannot be read ({failure.status})"]
    events = sorted(found.get("items") or (), key=_when)[-MOST_EVENTS:]
    texts = dict.fromkeys(f"{one.get('reason')}: {' '.join((one.get('message') or '').split())}" for one in events)
    return [text[:MOST_TEXT] for text in texts]


def _when(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


async def _log(place: Place, pod: str, container: str | None) -> list[str]:
    """Of the container that runs, or of the one before, which is the one that ended."""
    chosen = {} if container is None else {"container": container}
    for previous in ("true", "false"):
        try:
            found = await api.text(
                place, f"pods/{pod}/log", params={**chosen, "tailLines": str(LOG_LINES), "previous": previous}
            )
        except ApiError:
            continue
        if lines := [line.strip()[:MOST_TEXT] for line in found.splitlines() if line.strip()]:
            return lines
    return []
