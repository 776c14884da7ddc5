"""A cluster's addresses as this machine reaches them: nodes that are pods have addresses of their own cluster, which are forwarded where that is somewhere else.

The rule: what is reached is a handle like any other, so that nothing behind it knows of pods; whatever is configured for the cluster itself takes the handle as it was.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from components.emqx.errors import Unreachable
from components.emqx.models import ClusterHandle, Node
from components.kubernetes import forward
from components.kubernetes.place import Place, pod_of
from components.system.address import bracketed, parsed

HERE = "127.0.0.1"


def reached(handle: ClusterHandle) -> ClusterHandle:
    """The handle with addresses that can be connected to from here.

    Raises:
        Unreachable: nothing can be forwarded.

    """
    place = handle.pods
    if place is None or not place.forwards:
        return handle
    try:
        nodes = tuple(_node(place, node) for node in handle.nodes)
    except (OSError, TimeoutError) as failure:
        todo = "see that this machine may listen on 127.0.0.1, then run it again"
        raise Unreachable("forwarding ports", node=handle.colour, seen=str(failure) or "no answer", todo=todo) from None
    return handle.model_copy(update={"nodes": nodes, "pods": None})


def host_there(node: Node) -> str:
    """The host of a node for a command that runs elsewhere: a pod that is reached by a forward is called by its name."""
    host, called = parsed(node.mqtt).host, node.name.partition("@")[2]
    return called if host == HERE and pod_of(called) is not None else host


def _node(place: Place, node: Node) -> Node:
    api = urlsplit(node.api)
    near = _near(place, f"{bracketed(api.hostname or '')}:{api.port or 80}")
    ws = None if node.ws is None else _near(place, node.ws)
    return Node(name=node.name, api=f"{api.scheme}://{near}", mqtt=_near(place, node.mqtt), ws=ws)


def _near(place: Place, address: str) -> str:
    host, number = parsed(address)
    pod = pod_of(host)
    return address if pod is None else f"{HERE}:{forward.port(place, pod, number)}"
