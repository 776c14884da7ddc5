"""The balancer of target `service`: no proxy, one Service whose selector is switched from the pods of one colour to those of the other."""

from __future__ import annotations

import json
from typing import Any

import pulumi

from components.balancer.base import Fronted, handle_from
from components.balancer.kubernetes import KubernetesBalancer, endpoints_of, place_of, share_of
from components.cutover.words import COLOURS
from components.kubernetes import names
from components.manifests import entrance
from components.manifests.haproxy import digest
from components.resources.kubernetes_balancer import KubernetesBalancer as Ready
from components.settings import Settings

NO_LIMIT = 1_000_000_000
"""Of connections: nothing holds any but the nodes."""


class ServiceBalancer(KubernetesBalancer):
    """Found by its name; what it remembers is where that of HAProxy is."""

    router = "service"

    def declare(
        self, name: str, settings: Settings, fronted: Fronted, opts: pulumi.ResourceOptions
    ) -> pulumi.Output[dict[str, Any]]:
        """Declare the ledger, then the Service, then that it leads where the ledger says."""
        from components.balancer.kubernetes_objects import declare_entrance

        pods, place = settings.balancer.kubernetes, place_of(settings)
        at = {"place": place.model_dump(mode="json"), "name": pods.name, "clusters": dict(fronted.clusters)}
        mine = {"router": self.router, "max_connections": NO_LIMIT, "replicas": 1}
        share = share_of(name, settings, fronted, at, opts, **mine)
        colours = [colour for colour in COLOURS if colour in fronted.clusters]
        spec = entrance.service(pods, settings.balancer.listeners)
        labels = {"app.kubernetes.io/managed-by": names.MANAGED, "environment": settings.environment}
        made = declare_entrance(name, pods, spec, labels, colours, share, opts)
        waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[share, made]))
        ready = Ready(
            f"{name}-service-ready",
            {
                **at,
                "endpoints": [one.model_dump(mode="json") for one in endpoints_of(settings)],
                "replicas": 0,
                "router": self.router,
                "configuration": " ".join(colours),
                "service": digest(json.dumps(spec, sort_keys=True)),
                "ready_seconds": pods.ready_seconds,
            },
            waits,
        )
        return handle_from(ready, "pods")
