"""Somebody's Service that is to lead to the balancer: whoever connects to it from then on comes to HAProxy's pods, and the connections that there are stay.

The rule: what it led to before stands in an annotation of it, so that a person can put it back; a port that clients may use and the balancer does not serve is refused first.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from components.emqx.errors import Refused
from components.emqx.told import told
from components.kubernetes import api, names
from components.kubernetes.place import Place
from components.value import Value

BEFORE = "emqx-upgrade/before"
MANAGEMENT = frozenset({8081, 18083, 18084})
"""Ports of EMQX that are no client's; behind the balancer they lead nowhere any more."""


class Taking(Value):
    """The Service of somebody's, the balancer that it is to lead to, the ports at which this listens, and those of the Service that nobody uses."""

    place: Place
    name: str
    service: str
    ports: Sequence[int]
    leaves: Sequence[int] = ()


async def take(taking: Taking) -> list[int]:
    """Lead the Service to the balancer's pods; its ports that lead nowhere now.

    Raises:
        Refused: there is none, or it has a port that clients may use and the balancer does not serve; nothing was changed.

    """
    found = await _found(taking)
    unserved = sorted(one["port"] for one in found["spec"]["ports"] if one["port"] not in taking.ports)
    if used := [one for one in unserved if one not in {*MANAGEMENT, *taking.leaves}]:
        raise Refused(
            f"leading the Service {taking.service} to the balancer",
            node=taking.place.namespace,
            seen=f"it has port {', '.join(map(str, used))}, at which the balancer does not listen",
            todo="declare emqx:balancer.listeners for it, or write it into leaves of this Service where nobody uses it",
        )
    if (change := change_of(found, names.balancer_labels(taking.name), taking.ports)) is not None:
        with told(f"leading the Service {taking.service} to the balancer", taking.place.namespace):
            await api.send(taking.place, "PATCH", f"services/{taking.service}", change)
    return unserved


async def leads_here(taking: Taking) -> bool:
    """Whether it leads to the balancer; whoever made it may have put it back."""
    return change_of(await _found(taking), names.balancer_labels(taking.name), taking.ports) is None


async def _found(taking: Taking) -> Mapping[str, Any]:
    with told(f"looking at the Service {taking.service}", taking.place.namespace):
        found = await api.or_none(api.get(taking.place, f"services/{taking.service}"))
    if found is None:
        todo = "give the name of a Service in the balancer's namespace (emqx:balancer.kubernetes.takes)"
        raise Refused(f"looking at the Service {taking.service}", node=taking.place.namespace, seen="none", todo=todo)
    return found


def change_of(found: Mapping[str, Any], labels: Mapping[str, str], ports: Collection[int]) -> dict[str, Any] | None:
    """The merge patch by which a Service leads to pods with these labels at these ports; None where it does."""
    spec = found["spec"]
    now = [one | {"targetPort": one["port"]} if one["port"] in ports else one for one in spec["ports"]]
    before = spec.get("selector") or {}
    if before == labels and now == spec["ports"]:
        return None
    was = json.dumps({"selector": before, "ports": spec["ports"]}, sort_keys=True)
    kept = (found["metadata"].get("annotations") or {}).get(BEFORE, was)
    selector: dict[str, str | None] = {**dict.fromkeys(before), **labels}
    return {"metadata": {"annotations": {BEFORE: kept}}, "spec": {"selector": selector, "ports": now}}
