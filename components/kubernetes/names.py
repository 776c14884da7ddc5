"""What our objects in a namespace are called, and the labels by which pods are found; public, since they stand in the state of every stack."""

from __future__ import annotations

MANAGED = "emqx-upgrade"
NODE_CONTAINER, BALANCER_CONTAINER = "emqx", "haproxy"
ADMIN_PORT, MASTER_PORT, READY_PORT = 9777, 9778, 8404
"""HAProxy's sockets for its worker and for its master, on the loopback of its pod; where it says that it is ready."""
SHARE_DIRECTORY = "/etc/emqx-upgrade/share"
"""Where its pod has the map of the share."""

COLOUR, SERVES, YES = "emqx-upgrade/colour", "emqx-upgrade/serves", "yes"
"""The labels of a node's pod: whose it is, and whether a Service of ours may lead to it."""
COLOURS = "emqx-upgrade/colours"
"""The annotation of the Service of router `service`: who is behind it."""


def ledger(name: str) -> str:
    """The ConfigMap with share and memory."""
    return f"{name}-cutover"


def balancer(name: str) -> str:
    """Deployment, Service and the rest of the balancer."""
    return f"{name}-haproxy"


def entrance(name: str) -> str:
    """The Service of router `service`."""
    return f"{name}-mqtt"


def cluster(name: str, colour: str) -> str:
    """StatefulSet and Services of a colour; its pods are called by it, with their number."""
    return f"{name}-{colour}"


def headless(name: str, colour: str) -> str:
    """The Service below which the nodes of a colour have their names."""
    return f"{name}-{colour}-nodes"


def cookie(name: str, colour: str) -> str:
    """The Secret with a colour's cookie."""
    return f"{name}-{colour}-cookie"


def born(name: str, colour: str) -> str:
    """The ConfigMap with what a colour's nodes take over from the configuration of the one whose data they have."""
    return f"{name}-{colour}-born"


def holds(workload: str) -> str:
    """The ConfigMap that names the pods of a StatefulSet which are held before their node begins."""
    return f"{workload}-hold"


def balancer_labels(name: str) -> dict[str, str]:
    """Of the balancer's pods."""
    return {"app.kubernetes.io/name": BALANCER_CONTAINER, "app.kubernetes.io/instance": name}


def cluster_labels(name: str, colour: str) -> dict[str, str]:
    """Of a colour's pods."""
    return {"app.kubernetes.io/name": NODE_CONTAINER, "app.kubernetes.io/instance": name, COLOUR: colour}


def node(name: str, colour: str, number: int, namespace: str) -> str:
    """The host of a node: that of its pod below the headless Service, which stays when the pod gets another address."""
    return f"{cluster(name, colour)}-{number}.{headless(name, colour)}.{namespace}.svc.cluster.local"
