"""The settings of pods that nodes and balancer have in common; frozen, with the unit in each name, and a sane default for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from components.kubernetes.place import Access
from components.problems import Whole, matching
from components.value import Value

Name = Annotated[str, matching(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", "small letters, digits and -, at most 40")]
ObjectName = Annotated[
    str, matching(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "the name of an object that is there, at most 63")
]
Quantity = Annotated[str, matching(r"\d+(\.\d+)?(m|[kKMGTPE]i?)?", "a quantity like 500m, 2Gi")]
Digest = Annotated[str, matching(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits")]
Repository = Annotated[
    str, matching(r"[a-z0-9][a-z0-9._:/-]*[a-z0-9]", "a repository without tag, like registry.example.com/emqx")
]


class Resources(Value):
    """What a container asks for and may take; no limit of CPU, which would only slow it down."""

    cpu: Quantity = "500m"
    memory: Quantity = "1Gi"
    memory_limit: Quantity = "2Gi"
    cpu_limit: Quantity | None = None

    @property
    def manifest(self) -> dict[str, Any]:
        """As a container has it."""
        limits = {"memory": self.memory_limit} | ({"cpu": self.cpu_limit} if self.cpu_limit else {})
        return {"requests": {"cpu": self.cpu, "memory": self.memory}, "limits": limits}


def bytes_of(quantity: str) -> int:
    """``64Mi`` in bytes; Quantity says what is one."""
    number, unit = quantity.rstrip("kKMGTPEim"), quantity.lstrip("0123456789.")
    power = "kMGTPE".find(unit.removesuffix("i").replace("K", "k")) + 1 if unit not in {"", "m"} else 0
    return int(float(number) * (1024 if unit.endswith("i") else 1000) ** power)


class Storage(Value):
    """The volume of a node, and what becomes of it; ``class_name`` None is the cluster's default class.

    ``snapshot_class`` is the VolumeSnapshotClass by which a node is copied before a roll touches it; None copies its files.
    """

    class_name: str | None = None
    snapshot_class: ObjectName | None = None
    size: Quantity = "10Gi"
    when_deleted: Literal["Retain", "Delete"] = "Retain"
    when_scaled: Literal["Retain", "Delete"] = "Retain"


class Pods(Value):
    """Pods in a namespace.

    ``name`` is where the names of our objects begin, so that two stacks fit into one namespace; ``ready_seconds`` is how long pods may take until they are
    ready. ``pod_template`` is a part of a PodTemplateSpec in Kubernetes' own words, merged into ours last.
    """

    namespace: Name = "default"
    name: Name = "emqx"
    context: str | None = Field(default=None, min_length=1)
    access: Access = "auto"
    repository: Repository | None = None
    digest: Digest | None = None
    image_pull_secrets: tuple[Name, ...] = ()
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    resources: Resources = Resources()
    service_account: str | None = Field(default=None, min_length=1)
    priority_class: str | None = Field(default=None, min_length=1)
    node_selector: Mapping[str, str] = {}
    tolerations: tuple[Mapping[str, Any], ...] = ()
    topology_keys: tuple[str, ...] = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    anti_affinity: Literal["required", "preferred", "none"] = "preferred"
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    pod_template: Mapping[str, Any] = {}
    network_policy: bool = True
    ready_seconds: float = Field(default=600, ge=5, le=7_200)
    max_unavailable: Whole = Field(default=1, ge=1, le=100)
