"""The parts that every pod of ours has: who it runs as, where it is put, and the raw override that comes last; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.manifests.words import Pods

Manifest = dict[str, Any]
CONFINED: Manifest = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What Pod Security `restricted` asks of a container."""
BY_NAME = ("containers", "initContainers", "volumes", "env", "volumeMounts", "ports")
"""The lists of a pod whose items are known by their names: an override changes the one of its name, or adds one."""


def template(pods: Pods, labels: Mapping[str, str], annotations: Mapping[str, Any], spec: Manifest) -> Manifest:
    """A PodTemplateSpec of our parts, with the settings' own override merged in."""
    ours = {
        "metadata": {"labels": {**pods.labels, **labels}, "annotations": {**pods.annotations, **annotations}},
        "spec": {**_placed(pods, labels), **spec},
    }
    return dict(merged(ours, pods.pod_template))


def _placed(pods: Pods, labels: Mapping[str, str]) -> Manifest:
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(labels)},
            }
            for key in pods.topology_keys
        ],
    }
    if pods.anti_affinity != "none":
        spec["affinity"] = {"podAntiAffinity": _apart(labels, required=pods.anti_affinity == "required")}
    if pods.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": one} for one in pods.image_pull_secrets]
    if pods.priority_class:
        spec["priorityClassName"] = pods.priority_class
    if pods.node_selector:
        spec["nodeSelector"] = dict(pods.node_selector)
    if pods.tolerations:
        spec["tolerations"] = [dict(one) for one in pods.tolerations]
    return spec


def _apart(labels: Mapping[str, str], *, required: bool) -> Manifest:
    term = {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": "kubernetes.io/hostname"}
    if required:
        return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}


def environment(values: Mapping[str, str | Mapping[str, Any]]) -> list[Manifest]:
    """Variables in their order, since one may name another before it; a mapping is where a value comes from."""
    return [
        {"name": name, "value": value} if isinstance(value, str) else {"name": name, "valueFrom": dict(value)}
        for name, value in values.items()
    ]


def merged(ours: Any, override: Any, key: str = "") -> Any:
    """``ours`` with what ``override`` says: mappings key by key, lists of named things by their names, anything else as a whole."""
    if isinstance(ours, Mapping) and isinstance(override, Mapping):
        return {**ours, **{name: merged(ours.get(name), value, name) for name, value in override.items()}}
    if key in BY_NAME and isinstance(ours, Sequence) and isinstance(override, Sequence):
        theirs = {one.get("name"): one for one in override}
        changed = [merged(one, theirs.pop(one.get("name"))) if one.get("name") in theirs else one for one in ours]
        return [*changed, *theirs.values()]
    return override
