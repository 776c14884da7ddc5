"""Nodes that somebody else's pods are: found by namespace and label selector, as a Helm chart or the Operator made them, and never changed.

The rule: whatever can be read of a pod is taken as it is there. A node is called as its container's own variables say; whoever calls them otherwise says how.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from components.cutover.steps import Problem
from components.emqx.models import Node
from components.kubernetes import api
from components.kubernetes.api import ApiError
from components.kubernetes.place import Access, Place
from components.manifests.words import Name
from components.value import Value

Port = Annotated[int, Field(ge=1, le=65_535)]
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


class Adopted(Value):
    """Where pods of EMQX are that are not ours: ``selector`` are their labels, ``container`` is EMQX's among theirs, ``node`` what a node is called with ``{pod}`` filled in, where its variables do not say it."""

    namespace: Name
    selector: Mapping[str, str] = Field(min_length=1)
    context: str | None = Field(default=None, min_length=1)
    access: Access = "auto"
    container: str = "emqx"
    node: Annotated[str, Field(pattern=r"^[^\s@/]+@[^\s@/]*\{pod\}[^\s@/]*$")] | None = None
    mqtt: Port = 1883
    ws: Port | None = 8083
    api: Port = 18083

    @property
    def place(self) -> Place:
        """Where they are."""
        return Place(namespace=self.namespace, context=self.context, access=self.access)

    @property
    def labels(self) -> str:
        """The selector as `kubectl` takes it."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.selector.items()))


async def find(adopted: Adopted, path: str) -> tuple[tuple[Node, ...], list[Problem]]:
    """The nodes, by the names of their pods, or what is wrong with the setting at this path."""
    asked = f"{adopted.labels} in namespace {adopted.namespace}"
    try:
        found = await api.get(adopted.place, "pods", params={"labelSelector": adopted.labels})
    except ApiError as failure:
        allowed = "a namespace whose pods may be listed with this kubeconfig (docs/kubernetes.md#rights)"
        return (), [Problem(f"{path}.kubernetes.namespace", adopted.namespace, f"{allowed}: {failure.seen}")]
    pods = sorted(found.get("items") or (), key=lambda one: _order(one["metadata"]["name"]))
    if not pods:
        return (), [Problem(f"{path}.kubernetes.selector", asked, "labels that pods have there")]
    nodes = [node_of(pod, adopted) for pod in pods]
    nameless = [pod["metadata"]["name"] for pod, node in zip(pods, nodes, strict=True) if node is None]
    if nameless:
        allowed = (
            "pods of a StatefulSet with a container of this name; those that get another name each time"
            " (the Operator's replicants) cannot be followed: scale them to 0, or select the core nodes"
        )
        return (), [Problem(f"{path}.kubernetes.selector", f"{', '.join(nameless[:3])} by {asked}", allowed)]
    return tuple(node for node in nodes if node is not None), []


def node_of(pod: Mapping[str, Any], adopted: Adopted) -> Node | None:
    """The node in a pod as the API server has it; None where its name would be another one with the next pod."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    container = next((one for one in spec["containers"] if one["name"] == adopted.container), None)
    if container is None or not spec.get("subdomain"):
        return None
    own = f"{name}.{spec['subdomain']}.{adopted.namespace}.svc.cluster.local"
    called = adopted.node.replace("{pod}", name) if adopted.node else _called(_variables(container, pod), own)
    host = called.partition("@")[2]
    at = host if host.startswith(f"{name}.") else own
    return Node(
        name=called,
        api=f"http://{at}:{adopted.api}",
        mqtt=f"{at}:{adopted.mqtt}",
        ws=None if adopted.ws is None else f"{at}:{adopted.ws}",
    )


def _called(variables: Mapping[str, str], host: str) -> str:
    """As EMQX's own start script has it: the name, or its two parts."""
    whole = variables.get("EMQX_NODE__NAME") or variables.get("EMQX_NODE_NAME")
    return whole or f"{variables.get('EMQX_NAME') or 'emqx'}@{variables.get('EMQX_HOST') or host}"


def _variables(container: Mapping[str, Any], pod: Mapping[str, Any]) -> dict[str, str]:
    """The container's variables that are known without asking for anything else; one may name others before it."""
    known: dict[str, str] = {}
    fields = {"metadata.name": pod["metadata"]["name"], "metadata.namespace": pod["metadata"].get("namespace", "")}
    for one in container.get("env") or ():
        field = ((one.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath")
        value = fields.get(field) if field else one.get("value")
        if value is not None:
            known[one["name"]] = _REFERENCE.sub(lambda found: known.get(found[1], found[0]), value)
    return known


def _order(name: str) -> tuple[str, int]:
    """By the number at the end of a name as a number."""
    head, _, number = name.rpartition("-")
    return (head, int(number)) if number.isdigit() else (name, -1)
