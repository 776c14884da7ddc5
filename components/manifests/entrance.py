"""The Service of router `service`, which leads straight to the nodes' pods: its selector has a colour, which the router changes and Pulumi leaves alone; pure."""

from __future__ import annotations

from collections.abc import Sequence

from components.kubernetes import names
from components.manifests.haproxy import DEFAULT_PORT, BalancerPods
from components.manifests.nodes import MQTT, WEBSOCKET
from components.manifests.pod import Manifest
from components.routers.listeners import Listener

TARGETS = {"mqtt": MQTT, "ws": WEBSOCKET}
"""What a node listens for, and where; nothing in front of it ends TLS."""
NOBODY = "nobody"


def service(pods: BalancerPods, listeners: Sequence[Listener]) -> Manifest:
    """The spec as it is made: it leads to nobody until the router has led it to a colour."""
    words, doors = pods.service, [(one.protocol, one.port) for one in listeners] or [("mqtt", DEFAULT_PORT)]
    spec: Manifest = {
        "type": words.type,
        "selector": {**names.cluster_labels(pods.name, NOBODY), names.SERVES: names.YES},
        "ports": [
            {"name": f"{protocol}-{port}", "port": port, "targetPort": TARGETS[protocol], "protocol": "TCP"}
            for protocol, port in doors
        ],
    }
    return {**spec, **words.outside}
