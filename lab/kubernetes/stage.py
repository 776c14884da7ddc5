"""A fleet on the cluster of the lab: the real engine and its own Kubernetes plugin declare it, real HAProxy and lab nodes run in its pods.

The rule: what a person would have is all that is used: the stack file, the kubeconfig, the address that devices connect to.
"""

from __future__ import annotations

import base64
import contextlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from components.kubernetes import forward
from components.kubernetes.names import ADMIN_PORT
from components.kubernetes.place import Place, pod_of
from components.system.trusted import authorities
from components.workloads.nodes import Running, handle_of
from lab import filling
from lab.kubernetes.cluster import Cluster
from lab.kubernetes.outside import ROOT, plugin
from lab.stage import Scene, Stage

SMALL = {"cpu": "10m", "memory": "16Mi", "memoryLimit": "1Gi"}


def link_plugin(directory: Path) -> None:
    """Give a workspace Pulumi's Kubernetes plugin."""
    found = plugin()
    # Pulumi passes by a directory that is a link
    place = directory / "home" / "plugins" / found.name
    place.mkdir(parents=True, exist_ok=True)
    for one in found.iterdir():
        (place / one.name).unlink(missing_ok=True)
        (place / one.name).symlink_to(one)


class PodStage(Stage):
    """A stage whose clusters and balancer are pods of a namespace."""

    def __init__(self, directory: Path, scene: Scene, cluster: Cluster, namespace: str) -> None:
        """Make the workspace, with the plugin in its Pulumi home."""
        super().__init__(directory, scene)
        self.cluster, self.namespace = cluster, namespace
        self.place = Place(namespace=namespace, access="port-forward")
        self.pods: dict[str, Any] = {"namespace": namespace, "resources": SMALL, "readySeconds": 240}
        link_plugin(directory)

    @contextlib.contextmanager
    def elsewhere(self, directory: Path) -> Iterator[PodStage]:
        """The same stack from a fresh clone in an empty directory: backend, passphrase, stack file, kubeconfig, and nothing else of ours."""
        self.workspace.clone(directory, ROOT)
        with PodStage(directory, self.scene, self.cluster, self.namespace) as there:
            there.secrets, there.nodes, there.pods = self.secrets, self.nodes, self.pods
            there._configured = True
            yield there

    def configure(self, live: str, *colours: str, **more: Any) -> None:
        """The same stack file, with other targets."""
        scene = self.scene
        super().configure(live, *colours, **more)
        versions = {"blue": scene.blue, "green": scene.green}
        nodes = {**self.pods, "target": "kubernetes", "edition": scene.edition, "storage": {"size": "64Mi"}}
        self.workspace.set_config(
            {
                "clusters": {one: {**nodes, "version": versions[one], "nodes": self.nodes[one]} for one in colours},
                "balancer": {"target": "kubernetes", "replicas": 2, "kubernetes": self.pods, **scene.balancer},
            }
        )

    @property
    def mqtt(self) -> str:
        """The address of the balancer's Service."""
        return str(self.workspace.outputs()["mqtt"])

    def api(self, colour: str, number: int = 0) -> httpx.Client:
        """The management API of a node, as a person reaches it: by port-forward."""
        url = urlsplit(self.handle(colour).nodes[number].api)
        pod = pod_of(url.hostname or "")
        near = f"http://127.0.0.1:{forward.port(self.place, str(pod), url.port or 80)}"
        key = self.key_of(colour)
        return httpx.Client(
            base_url=f"{near}{filling.api_path(self.handle(colour).version)}",
            auth=(f"upgrade-{key}", self.secrets[key]),
            timeout=60,
            trust_env=False,
            verify=authorities(),
        )

    def ready(self, colour: str) -> dict[str, Any]:
        """Version and nodes, as the ready file of a cluster on this machine has them."""
        found: dict[str, Any] = self.handle(colour).model_dump(mode="json")
        return found

    def handle(self, colour: str) -> Any:
        """Where its nodes are."""
        declared = {"colour": colour, "version": getattr(self.scene, colour), "edition": self.scene.edition}
        return handle_of(
            Running.model_validate(
                {
                    **declared,
                    "place": self.place,
                    "name": "emqx",
                    "nodes": self.nodes[colour],
                    "proxy_protocol": True,
                }
            )
        )

    def live(self) -> dict[str, int]:
        """Live connections by colour, as the brokers say."""
        counts = {}
        for colour in ("blue", "green"):
            with contextlib.suppress(httpx.HTTPError), self.api(colour) as api:
                handle = self.handle(colour)
                counts[colour] = filling.live(api, handle.version, (node.name for node in handle.nodes))
        return counts

    def pod_names(self, name: str) -> dict[str, str]:
        """The pods of a workload and their phase."""
        found: Mapping[str, Any] = self.cluster.get(self.namespace, "pods", "-l", f"app.kubernetes.io/name={name}")
        return {one["metadata"]["name"]: one["status"]["phase"] for one in found["items"]}

    def claims(self) -> dict[str, str]:
        """The volumes that nodes have, by their claims."""
        found = self.cluster.get(self.namespace, "pvc")["items"]
        return {one["metadata"]["name"]: one["spec"]["volumeName"] for one in found}

    def shares(self) -> dict[str, str]:
        """What the pods of the balancer that are ready, stay and answer go by now, as their admin sockets say: ``green 5000``."""
        found = {}
        for pod in self.cluster.get(self.namespace, "pods", "-l", "app.kubernetes.io/name=haproxy")["items"]:
            conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
            if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
                name = pod["metadata"]["name"]
                found[name] = self._share(forward.port(self.place, name, ADMIN_PORT))
        return {name: share for name, share in found.items() if share}

    def _share(self, port: int) -> str:
        """Empty where nobody answers."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 60) as asked:
            asked.sendall(b"show map /etc/emqx-upgrade/share/share.map\n")
            with asked.makefile() as answer:
                return " ".join(answer.read().split()[1:])
        return ""

    def ledger(self) -> dict[str, str]:
        """What a person sees of it."""
        return dict(self.cluster.get(self.namespace, "configmap", "emqx-cutover")["data"])

    def cookie(self, colour: str = "blue") -> str:
        """A colour's cookie, as its Secret has it."""
        found = self.cluster.get(self.namespace, "secret", f"emqx-{colour}-cookie")
        return base64.b64decode(found["data"]["cookie"]).decode()
