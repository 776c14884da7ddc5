"""Pods on Kubernetes: an exact image, no privilege, known sizes, probes that mean something, nodes apart, data that stay.

The rule: what a Deployment or StatefulSet declares is looked at, not what a cluster's admission may add to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rules.base import CRITICAL, MEDIUM, Rule, Seen, fields, items, whole
from rules.tokens import STATEFUL_SET, WORKLOADS

_EXACT = re.compile(r"[^@\s]+(@sha256:[0-9a-f]{64}|:v?\d+\.\d+(\.\d+)?[\w.-]*(@sha256:[0-9a-f]{64})?)")
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def template(props: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod's specification."""
    return fields(fields(fields(props["spec"])["template"])["spec"])


def containers(props: Mapping[str, Any], *, started_first: bool = True) -> list[Mapping[str, Any]]:
    """The containers of a workload, those that run before the others too where ``started_first``."""
    pod = template(props)
    before = items(pod.get("initContainers") or ()) if started_first else []
    return [fields(one) for one in (*before, *items(pod["containers"]))]


def _image(seen: Seen) -> Iterator[str]:
    for one in containers(seen.props):
        if not _EXACT.fullmatch(str(one["image"])):
            yield f"container {one['name']} has image {str(one['image'])[:80]}, an exact tag (emqx:5.8.9) or a digest is allowed"


def _restricted(seen: Seen) -> Iterator[str]:
    pod = fields(template(seen.props).get("securityContext") or {})
    for one in containers(seen.props):
        own = fields(one.get("securityContext") or {})
        name = f"container {one['name']}"
        if (
            not own.get("runAsNonRoot", pod.get("runAsNonRoot", False))
            or own.get("runAsUser", pod.get("runAsUser", 1)) == 0
        ):
            yield f"{name} may run as root (securityContext.runAsNonRoot: true)"
        if own.get("allowPrivilegeEscalation", True) or own.get("privileged", False):
            yield f"{name} may gain privileges (securityContext.allowPrivilegeEscalation: false)"
        if "ALL" not in items(fields(own.get("capabilities") or {}).get("drop") or ()):
            yield f"{name} keeps capabilities (securityContext.capabilities.drop: [ALL])"
        if not (own.get("seccompProfile") or pod.get("seccompProfile")):
            yield f"{name} has no seccomp profile (securityContext.seccompProfile.type: RuntimeDefault)"


def _sized(seen: Seen) -> Iterator[str]:
    for one in containers(seen.props, started_first=False):
        sizes = fields(one.get("resources") or {})
        for part, kind in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if not fields(sizes.get(part) or {}).get(kind):
                yield f"container {one['name']} has no {part} of {kind} (resources.{part}.{kind})"


def _probed(seen: Seen) -> Iterator[str]:
    """Of a StatefulSet, which is EMQX here: a node that boots answers on TCP and lets everybody in, so that tells nothing."""
    main = containers(seen.props, started_first=False)[0]
    for probe in _PROBES:
        found = main.get(probe)
        if not found:
            yield f"container {main['name']} has no {probe}"
        elif probe == "readinessProbe" and not (fields(found).get("httpGet") or fields(found).get("exec")):
            yield f"the readinessProbe of container {main['name']} asks neither HTTP nor a command, which a booting node passes"


def _apart(seen: Seen) -> Iterator[str]:
    if whole(fields(seen.props["spec"]).get("replicas", 1)) < 2:
        return
    pod = template(seen.props)
    if not (pod.get("topologySpreadConstraints") or fields(pod.get("affinity") or {}).get("podAntiAffinity")):
        yield "its pods may all be on one machine (topologySpreadConstraints or affinity.podAntiAffinity)"


def _kept(seen: Seen) -> Iterator[str]:
    spec = fields(seen.props["spec"])
    if not spec.get("volumeClaimTemplates"):
        yield "its data are on no volume of their own (volumeClaimTemplates)"
    retention = fields(spec.get("persistentVolumeClaimRetentionPolicy") or {})
    for when in ("whenDeleted", "whenScaled"):
        if retention.get(when, "Retain") != "Retain":
            yield f"its volumes go with their pods (persistentVolumeClaimRetentionPolicy.{when}: Retain)"


def _on_delete(seen: Seen) -> Iterator[str]:
    strategy = fields(fields(seen.props["spec"]).get("updateStrategy") or {}).get("type", "RollingUpdate")
    if strategy != "OnDelete":
        yield f"updateStrategy is {strategy}: a declared version would restart nodes whose clients nobody has moved (OnDelete)"


RULES = (
    Rule(
        "kubernetes-exact-image",
        "Images have an exact tag or a digest.",
        WORKLOADS,
        _image,
        "Name a released tag or a digest; latest and bare names change under a running cluster.",
        CRITICAL,
    ),
    Rule(
        "kubernetes-restricted",
        "Pods run without root and privileges, as Pod Security `restricted` asks for.",
        WORKLOADS,
        _restricted,
        "Set the securityContext that the message names, or take away the podTemplate that overrides it.",
    ),
    Rule(
        "kubernetes-sized",
        "Containers have requests and a limit of memory.",
        WORKLOADS,
        _sized,
        "Set resources in the stack file.",
        MEDIUM,
    ),
    Rule(
        "kubernetes-probed",
        "EMQX has startup, readiness and liveness probes, and readiness is more than a TCP connection.",
        {STATEFUL_SET},
        _probed,
        "Leave the probes as the target makes them.",
    ),
    Rule(
        "kubernetes-apart",
        "Pods of one workload are spread over machines.",
        WORKLOADS,
        _apart,
        "Leave the topology spread as the target makes it.",
    ),
    Rule(
        "kubernetes-data-kept",
        "EMQX's data are on volumes that outlive their pods.",
        {STATEFUL_SET},
        _kept,
        "Declare volumeClaimTemplates, and retain the claims.",
        CRITICAL,
    ),
    Rule(
        "kubernetes-on-delete",
        "A declared version restarts no pod by itself.",
        {STATEFUL_SET},
        _on_delete,
        "Set updateStrategy.type: OnDelete; the update restarts each pod once its clients are away.",
        CRITICAL,
    ),
)
