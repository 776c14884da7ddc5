"""A colour's own manifests without an engine: what Pulumi would declare, applied as a person applies things, so that a fault of it costs seconds."""

from __future__ import annotations

import time
from typing import Any

from components.emqx.errors import GaveUp
from components.kubernetes import names
from components.kubernetes.place import Place
from components.manifests import nodes as manifests
from components.manifests.nodes import COOKIE, KEYS, Declared, NodePods
from components.workloads.nodes import Running, Watching, wait_for
from lab.kubernetes.cluster import Cluster
from tests.kubernetes.manifests import Object, config

SMALL = {"cpu": "10m", "memory": "16Mi", "memory_limit": "1Gi"}
SEEN_SECONDS = 180.0
DECLARED = Declared(
    colour="blue", version="5.8.9", edition="ce", nodes=1, proxy_protocol=False, environment="", joins="blue"
)


class Colour:
    """One in a namespace, by its name; ``pods`` are the settings of a stack file."""

    def __init__(self, cluster: Cluster, namespace: str, name: str, **pods: Any) -> None:
        """Declared, and not waited for."""
        self.cluster, self.namespace, self.name = cluster, namespace, name
        self.declare(**pods)

    @property
    def workload(self) -> str:
        """Its StatefulSet."""
        return names.cluster(self.name, "blue")

    @property
    def running(self) -> Running:
        """As our resource knows it."""
        place = Place(namespace=self.namespace)
        known = DECLARED.model_dump(include={*Running.model_fields})
        return Running.model_validate({"place": place, "name": self.name, **known})

    def declare(self, **pods: Any) -> None:
        """Declare it, or declare it anew."""
        known = {"namespace": self.namespace, "name": self.name, "resources": SMALL, "service_account": "default"}
        settings = NodePods.model_validate({**known, "storage": {"size": "16Mi"}, **pods})
        objects = [
            self._object("apps/v1", "StatefulSet", self.workload, spec=manifests.stateful_set(settings, DECLARED)),
            self._object(
                "v1",
                "Service",
                names.headless(self.name, "blue"),
                spec=manifests.headless_service(settings, DECLARED),
            ),
            self._object("v1", "Secret", self.workload, stringData={KEYS: "key:secret\n"}),
            self._object("v1", "Secret", names.cookie(self.name, "blue"), stringData={COOKIE: self.name}),
            config(self.workload, emqx_conf=manifests.configuration(settings)),
        ]
        self.cluster.apply(self.namespace, *objects)

    def _object(self, api: str, kind: str, name: str, **more: Any) -> Object:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **more}

    async def waited(self, seconds: float = SEEN_SECONDS) -> None:
        """As an update waits for it."""
        await wait_for(self.running, Watching(seconds, lambda: None, lambda _line: None), replace_stuck=True)

    async def gives_up(self, *words: str) -> str:
        """What an update says that gives up now, as soon as it has these words in it."""
        end = time.monotonic() + SEEN_SECONDS
        while True:
            try:
                await self.waited(0.1)
            except GaveUp as gave_up:
                if all(word in str(gave_up) for word in words):
                    return str(gave_up)
                if time.monotonic() > end:
                    raise AssertionError(f"{words} not seen; last: {gave_up}") from gave_up
            else:
                raise AssertionError(f"{self.workload} is ready")
