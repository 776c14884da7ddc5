"""Router `service`: the selector of one Service, which leads to the pods of one colour or of the other; no proxy, no share between, no client known.

The rule: only the colour in the selector is changed. A node is taken out by a label of its pod, since a Service leads to every pod that is ready and has its labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.cutover.capabilities import SERVICE, Capabilities
from components.cutover.cohort import everybody
from components.cutover.words import COLOURS, PARTS, Colour
from components.emqx.errors import BadInput, NotNow, Refused
from components.emqx.models import BalancerHandle
from components.emqx.told import told
from components.kubernetes import api, names
from components.kubernetes.place import Place
from components.ledger.base import require_parts
from components.routers.base import Router, Server, ServerState
from components.routers.blind import Blind


class ServiceRouter(Blind):
    """Router over a Service.

    Args:
        handle: ``pods`` is its namespace, ``maps`` the name that it and the pods are found by.

    """

    def __init__(self, handle: BalancerHandle) -> None:
        if handle.pods is None:
            raise BadInput("the balancer's router", seen="a Service without a namespace", todo="run pulumi up")
        self._place: Place = handle.pods
        self._name, self._service = handle.maps, names.entrance(handle.maps)

    @property
    def can(self) -> Capabilities:
        """All or nothing."""
        return SERVICE

    @property
    def end_command(self) -> str:
        """The Service itself; connections that there are stay."""
        return f"kubectl --namespace {self._place.namespace} delete service {self._service}"

    def replicas(self) -> Sequence[Router]:
        """There is one."""
        return [self]

    async def share(self) -> int:
        """0 or 10,000.

        Raises:
            Refused: it leads to neither colour.
            Unreachable, NotNow, Unauthorized: the API server.

        """
        return _share(await self._found(), self._service)

    async def set_share(self, parts: int) -> None:
        """Lead to the colour that has everybody.

        Raises:
            BadInput: another share than 0 or 10,000, or one of a colour that is not behind it.
            NotNow: it took it and leads elsewhere all the same.

        """
        require_parts(parts)
        found = await self._found()
        colour = next((one for one in COLOURS if everybody(one) == parts), None)
        if colour is None or colour not in _declared(found):
            todo = f"give everybody to one colour of {', '.join(_declared(found)) or 'none'}: a Service has no share between"
            raise BadInput("setting green's share", seen=f"{parts} of {PARTS}", todo=todo)
        change = {"spec": {"selector": {names.COLOUR: colour}}}
        with told(f"leading {self._service} to {colour}", self._place.namespace):
            after = await api.send(self._place, "PATCH", f"services/{self._service}", change)
        if (held := _share(after, self._service)) != parts:
            raise NotNow("setting green's share", node=self._service, seen=f"it is {held}", todo="run the update again")

    async def health(self) -> Mapping[Colour, Mapping[str, bool]]:
        """For each colour and node whether its pod is ready, so that the Service would lead to it."""
        found: dict[Colour, dict[str, bool]] = {colour: {} for colour in COLOURS}
        for colour, node, pod in await self._pods():
            found[colour][node] = _ready(pod) and _state(pod) == "ready"
        return found

    async def servers(self) -> Mapping[Colour, Mapping[str, Server]]:
        """Which nodes it leads to when they are ready; how many connections they have is not told."""
        found: dict[Colour, dict[str, Server]] = {colour: {} for colour in COLOURS}
        for colour, node, pod in await self._pods():
            found[colour][node] = Server(_state(pod), 0)
        return found

    async def set_server(self, colour: Colour, node: str, state: ServerState) -> None:
        """Take a pod out, or in again: it gets no new connections then, and keeps those that it has.

        Raises:
            Refused: there is no such node.

        """
        pods = [pod for one, name, pod in await self._pods() if (one, name) == (colour, node)]
        if not pods:
            todo = "run pulumi up: it brings the balancer to the declared nodes"
            raise Refused(f"setting {node} to {state}", node=node, seen=f"there is no such pod of {colour}", todo=todo)
        change = {"metadata": {"labels": {names.SERVES: names.YES if state == "ready" else "no"}}}
        with told(f"setting {node} to {state}", self._place.namespace):
            await api.send(self._place, "PATCH", f"pods/{pods[0]['metadata']['name']}", change)

    async def _found(self) -> Mapping[str, Any]:
        with told(f"looking at the Service {self._service}", self._place.namespace):
            found: Mapping[str, Any] = await api.get(self._place, f"services/{self._service}")
        return found

    async def _pods(self) -> list[tuple[Colour, str, Mapping[str, Any]]]:
        """The pods of the colours behind it, each with its node."""
        declared, listed = _declared(await self._found()), []
        for colour in declared:
            labels = ",".join(f"{key}={value}" for key, value in names.cluster_labels(self._name, colour).items())
            with told("listing the nodes' pods", self._place.namespace):
                found = await api.get(self._place, "pods", params={"labelSelector": labels})
            listed += [(colour, self._node(colour, pod), pod) for pod in found.get("items") or ()]
        return sorted(listed, key=lambda one: one[:2])

    def _node(self, colour: Colour, pod: Mapping[str, Any]) -> str:
        number = int(pod["metadata"]["name"].rpartition("-")[2])
        return f"emqx@{names.node(self._name, colour, number, self._place.namespace)}"


def _declared(found: Mapping[str, Any]) -> tuple[Colour, ...]:
    """The colours that are behind it, as its annotation says."""
    words = ((found["metadata"].get("annotations") or {}).get(names.COLOURS) or "").split()
    return tuple(colour for colour in COLOURS if colour in words)


def _share(found: Mapping[str, Any], service: str) -> int:
    word = (found["spec"].get("selector") or {}).get(names.COLOUR)
    colour = next((one for one in COLOURS if one == word), None)
    if colour is None:
        todo = "run pulumi up: its first link settles it to the ledger's share"
        raise Refused("green's share", node=service, seen=f"its selector leads to {word or 'no colour'}", todo=todo)
    return everybody(colour)


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in (pod.get("status") or {}).get("conditions") or ()}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _state(pod: Mapping[str, Any]) -> ServerState:
    return "ready" if (pod["metadata"].get("labels") or {}).get(names.SERVES) == names.YES else "drain"
