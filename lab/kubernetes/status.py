"""The status of a pod, made of what its containers are in.

The rule: pure; a container is in one state, and the pod's phase and conditions follow from those of all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
LAST_LINES_BYTES = 2048


def stamp(moment: datetime | None = None) -> str:
    """A time as Kubernetes writes it."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Seen:
    """A container as the kubelet knows it: ``state`` has one of the keys waiting, running, terminated."""

    spec: Object
    state: Object = field(default_factory=lambda: waiting("ContainerCreating"))
    last: Object = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
    image: str = ""

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """Of one that has ended for good or is about to start again; None before its first end."""
        ended = self.state.get("terminated") or self.last.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def status(self) -> Object:
        """As it stands in ``containerStatuses``."""
        return {
            "name": self.spec["name"],
            "image": self.spec["image"],
            "imageID": self.image,
            "containerID": f"lab://{self.spec['name']}" if self.image else "",
            "state": self.state,
            "lastState": self.last,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
        }


def waiting(reason: str, message: str = "") -> Object:
    """A state."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running() -> Object:
    """A state that begins now."""
    return {"running": {"startedAt": stamp()}}


def terminated(code: int, began: str, message: str = "") -> Object:
    """A state that begins now."""
    reason = {0: "Completed"}.get(code, "Error")
    told = {"message": message[-LAST_LINES_BYTES:]} if message else {}
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": began, "finishedAt": stamp(), **told}}


def phase(initial: list[Seen], main: list[Seen], policy: str) -> str:
    """Pending until all containers have been started once; at an end only where nothing is started again."""
    if any("terminated" not in one.state for one in initial) or any(
        "waiting" in one.state and not one.restarts for one in main
    ):
        failed = any("terminated" in one.state and one.exit_code for one in initial)
        return "Failed" if failed and policy == "Never" else "Pending"
    if policy != "Always" and all("terminated" in one.state for one in main):
        codes = [one.exit_code for one in main]
        if not any(codes):
            return "Succeeded"
        if policy == "Never":
            return "Failed"
    return "Running"


def conditions(pod: Object, initial: list[Seen], main: list[Seen], ended: bool) -> list[Object]:
    """All conditions of a pod; those of others stay, and a time changes only with its condition."""
    old = {one["type"]: one for one in pod.get("status", {}).get("conditions", ())}
    unready = [one.spec["name"] for one in main if not one.ready]
    why = (
        ("PodCompleted", "")
        if ended
        else ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    )
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates", ())]
    open_gates = [gate for gate in gates if old.get(gate, {}).get("status") != "True"]
    begun = all("terminated" in one.state and not one.exit_code for one in initial)
    truths = {
        "PodReadyToStartContainers": (True, ("", "")),
        "Initialized": (begun, ("ContainersNotInitialized", "")),
        "ContainersReady": (not unready, why),
        "Ready": (not unready and not open_gates, why if unready else ("ReadinessGatesNotReady", " ".join(open_gates))),
    }
    for name, (good, (reason, message)) in truths.items():
        wanted = "True" if good else "False"
        if (one := old.get(name)) is None or one["status"] != wanted:
            old[name] = {"type": name, "status": wanted, "lastTransitionTime": stamp()}
        old[name].pop("reason", None), old[name].pop("message", None)
        if not good:
            old[name] |= {"reason": reason, "message": message}
    return list(old.values())
