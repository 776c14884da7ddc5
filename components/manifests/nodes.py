"""A colour's nodes as manifests: StatefulSet, Services, configuration, budget, and who may reach them; pure, and nothing secret.

The rule: a declared version restarts nothing (OnDelete). A node is found by the name of its pod below a headless Service, which has it before it is ready: nodes
find each other by it, and only the balancer decides who gets clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from components.cutover.words import Colour, Edition
from components.emqx.registry import dialect_of
from components.kubernetes import names
from components.manifests.pod import CONFINED, Manifest, environment, template
from components.manifests.words import Pods, Storage
from components.value import Value

MQTT, WEBSOCKET, API, DISTRIBUTION, RPC = 1883, 8083, 18083, 4370, 5369
USER = 1000
"""``emqx`` in the images of EMQX."""
HOME = "/opt/emqx"
CLAIM = "data"
"""Of a node, with the name of its pod behind it; its directory below HOME too."""
BORN, BASE = f"{HOME}/born", "base.hocon"
KEYS, COOKIE, USERNAME, PASSWORD, LICENCE = "api-keys", "cookie", "username", "password", "license"
VERSION, EDITION = "emqx-upgrade/version", "emqx-upgrade/edition"
"""The annotations of a pod by which is known what it was made to run."""
REPOSITORIES: Mapping[Edition, str] = {"ce": "docker.io/emqx/emqx", "ee": "docker.io/emqx/emqx-enterprise"}
HOLD, HOLDS, LET = "hold", "/etc/emqx-upgrade/hold", "/etc/emqx-upgrade/let"
GO = f"{LET}/go"
"""The container that waits where its pod is named in a ConfigMap, where that is mounted, and a directory of its own with the file by which it is told to let the node begin."""
WAIT_WHILE_HELD = (
    f"trap 'exit 1' TERM; while [ -e \"{HOLDS}/$POD_NAME\" ] && [ ! -e {GO} ]; do sleep 1; done; rm -f {GO}"
)
POD_NAME: Manifest = {"fieldRef": {"fieldPath": "metadata.name"}}
WAIT_FOR_EVACUATION = (
    f"while {HOME}/bin/emqx ctl rebalance node-status 2>/dev/null | grep -qE 'evicting|waiting'; do sleep 1; done"
)


class NodePods(Pods):
    """What a colour's pods are declared with; ``grace_seconds`` is how long an ending node may go on evacuating, ``config`` is HOCON that is added to ``emqx.conf``."""

    storage: Storage = Storage()
    config: str = Field(default="", max_length=500_000)
    grace_seconds: int = Field(default=3_600, ge=1, le=604_800)
    startup_seconds: int = Field(default=300, ge=10, le=7_200)
    read_only_root: bool = False


class Declared(Value):
    """One colour: its pods, what they run, and the colour whose cluster they join (its own where it has one); ``direct`` is whether devices connect to them without a proxy."""

    colour: Colour
    version: str
    edition: Edition
    nodes: int
    proxy_protocol: bool
    environment: str
    joins: Colour
    login: bool = False
    licence: bool = False
    direct: bool = False

    def labels(self, name: str) -> dict[str, str]:
        """Of its pods."""
        return names.cluster_labels(name, self.colour)

    def all_labels(self, name: str) -> dict[str, str]:
        """Of its objects: what is not for finding pods too."""
        own = {"app.kubernetes.io/managed-by": names.MANAGED, "colour": self.colour}
        return {**self.labels(name), **own, **({"environment": self.environment} if self.environment else {})}


def image(pods: Pods, declared: Declared) -> str:
    """By digest where one is given, else by the exact version."""
    repository = pods.repository or REPOSITORIES[declared.edition]
    return f"{repository}@{pods.digest}" if pods.digest else f"{repository}:{declared.version}"


def stateful_set(pods: NodePods, declared: Declared) -> Manifest:
    """The spec of the StatefulSet."""
    labels = declared.labels(pods.name)
    storage = pods.storage
    claim: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
        **({"storageClassName": storage.class_name} if storage.class_name else {}),
    }
    return {
        "serviceName": names.headless(pods.name, declared.colour),
        "replicas": declared.nodes,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "persistentVolumeClaimRetentionPolicy": {
            "whenDeleted": storage.when_deleted,
            "whenScaled": storage.when_scaled,
        },
        "selector": {"matchLabels": labels},
        "template": template(
            pods,
            {**declared.all_labels(pods.name), names.SERVES: names.YES},
            _annotations(declared),
            _spec(pods, declared),
        ),
        "volumeClaimTemplates": [{"metadata": {"name": CLAIM, "labels": labels}, "spec": claim}],
    }


def _annotations(declared: Declared) -> dict[str, str]:
    return {VERSION: declared.version, EDITION: declared.edition}


def _spec(pods: NodePods, declared: Declared) -> Manifest:
    secret, config = f"{names.cluster(pods.name, declared.colour)}", names.cluster(pods.name, declared.colour)
    return {
        "serviceAccountName": pods.service_account or names.cluster(pods.name, declared.colour),
        "terminationGracePeriodSeconds": pods.grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_hold(pods, declared)],
        "containers": [_container(pods, declared)],
        "volumes": [
            {"name": "hold", "configMap": {"name": names.holds(config), "optional": True}},
            {"name": "config", "configMap": {"name": config}},
            {"name": "born", "configMap": {"name": names.born(pods.name, declared.colour), "optional": True}},
            {
                "name": "keys",
                "secret": {"secretName": secret, "items": [{"key": KEYS, "path": KEYS}], "defaultMode": 0o440},
            },
            {"name": "let", "emptyDir": {}},
            {"name": "log", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _container(pods: NodePods, declared: Declared) -> Manifest:
    health = dialect_of(declared.version).health_check(declared.edition)
    every = {"periodSeconds": 5, "timeoutSeconds": 3}
    container: Manifest = {
        "name": names.NODE_CONTAINER,
        "image": image(pods, declared),
        "imagePullPolicy": pods.image_pull_policy,
        "env": _environment(pods, declared),
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in (("mqtt", MQTT), ("ws", WEBSOCKET), ("dashboard", API), ("ekka", DISTRIBUTION))
        ],
        "resources": pods.resources.manifest,
        "securityContext": {**CONFINED, "readOnlyRootFilesystem": pods.read_only_root},
        "startupProbe": {**_asks("/status"), **every, "failureThreshold": max(1, pods.startup_seconds // 5)},
        "livenessProbe": {**_asks("/status"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        # a node that is evacuated, or that boots and still lets everybody in, is not ready (docs/emqx/cluster.md#fresh-start)
        "readinessProbe": {**_asks(health), **every, "failureThreshold": 2},
        "volumeMounts": [
            {"name": CLAIM, "mountPath": f"{HOME}/{CLAIM}"},
            {"name": "config", "mountPath": f"{HOME}/etc/emqx.conf", "subPath": "emqx.conf", "readOnly": True},
            {"name": "born", "mountPath": BORN, "readOnly": True},
            {"name": "keys", "mountPath": f"{HOME}/secrets", "readOnly": True},
            {"name": "log", "mountPath": f"{HOME}/log"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  -- a volume of the pod
        ],
    }
    if declared.edition == "ee":
        container["lifecycle"] = {"preStop": {"exec": {"command": ["/bin/sh", "-c", WAIT_FOR_EVACUATION]}}}
    return container


def _hold(pods: NodePods, declared: Declared) -> Manifest:
    """What a node keeper stops a node by: the pod is there with its volume, and the node does not run."""
    return {
        "name": HOLD,
        "image": image(pods, declared),
        "imagePullPolicy": pods.image_pull_policy,
        "command": ["/bin/sh", "-c", WAIT_WHILE_HELD],
        "env": environment({"POD_NAME": POD_NAME}),
        "resources": pods.resources.manifest,
        "securityContext": {**CONFINED, "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": CLAIM, "mountPath": f"{HOME}/{CLAIM}"},
            {"name": "hold", "mountPath": HOLDS, "readOnly": True},
            {"name": "let", "mountPath": LET},
        ],
    }


def _asks(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": API, "scheme": "HTTP"}}


def _environment(pods: NodePods, declared: Declared) -> list[Manifest]:
    host = f"$(POD_NAME).{names.headless(pods.name, declared.colour)}.{pods.namespace}.svc.cluster.local"
    own, joined = names.cluster(pods.name, declared.colour), names.headless(pods.name, declared.joins)
    values: dict[str, str | Mapping[str, Any]] = {
        "POD_NAME": POD_NAME,
        "EMQX_NODE__NAME": f"emqx@{host}",
        "EMQX_NODE__COOKIE": _secret(names.cookie(pods.name, declared.colour), COOKIE),
        "EMQX_CLUSTER__NAME": f"{pods.name}-{declared.joins}",
        "EMQX_CLUSTER__DISCOVERY_STRATEGY": "dns",
        "EMQX_CLUSTER__DNS__NAME": f"{joined}.{pods.namespace}.svc.cluster.local",
        "EMQX_CLUSTER__DNS__RECORD_TYPE": "srv",
        "EMQX_RPC__PORT_DISCOVERY": "manual",
        "EMQX_API_KEY__BOOTSTRAP_FILE": f"{HOME}/secrets/{KEYS}",
    }
    if declared.proxy_protocol:
        for listener in ("TCP", "WS"):
            values[f"EMQX_LISTENERS__{listener}__DEFAULT__PROXY_PROTOCOL"] = "true"
    if declared.login:
        values["EMQX_DASHBOARD__DEFAULT_USERNAME"] = _secret(own, USERNAME)
        values["EMQX_DASHBOARD__DEFAULT_PASSWORD"] = _secret(own, PASSWORD)
    if declared.licence:
        values["EMQX_LICENSE__KEY"] = _secret(own, LICENCE)
    return environment({**values, **pods.env})


def _secret(name: str, key: str) -> Manifest:
    return {"secretKeyRef": {"name": name, "key": key}}


def configuration(pods: NodePods) -> str:
    """``emqx.conf``: what every node needs, and what the stack file adds; names and secrets come by the environment."""
    born = f'include "{BORN}/{BASE}"\n'  # EMQX passes over a file that is not there; what stands behind it wins
    ours = f'{born}node {{ data_dir = "data" }}\ndashboard {{ listeners.http {{ bind = 18083 }} }}\n'
    return ours + (pods.config.rstrip() + "\n" if pods.config.strip() else "")


def headless_service(pods: NodePods, declared: Declared) -> Manifest:
    """The spec of the Service below which the nodes have their names, ready or not: they find each other by it when none is."""
    ports = (("mqtt", MQTT), ("ws", WEBSOCKET), ("dashboard", API), ("ekka", DISTRIBUTION), ("rpc", RPC))
    return {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": declared.labels(pods.name),
        "ports": [{"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in ports],
    }


def service(pods: NodePods, declared: Declared) -> Manifest:
    """The spec of the colour's own Service, of nodes that are ready: for who looks at one colour alone."""
    return {
        "type": "ClusterIP",
        "selector": declared.labels(pods.name),
        "ports": [
            {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}
            for name, port in (("mqtt", MQTT), ("ws", WEBSOCKET))
        ],
    }


def budget(pods: Pods, labels: Mapping[str, str]) -> Manifest:
    """The spec of the PodDisruptionBudget."""
    return {"maxUnavailable": pods.max_unavailable, "selector": {"matchLabels": dict(labels)}}


def network_policy(pods: NodePods, declared: Declared) -> Manifest:
    """The spec of the NetworkPolicy: clients come through the balancer, nodes reach each other, and nobody else the management."""
    nodes = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": names.NODE_CONTAINER, **_instance(pods)}},
    }
    balancer = {"podSelector": {"matchLabels": names.balancer_labels(pods.name)}}
    doors = [{"port": port, "protocol": "TCP"} for port in (MQTT, WEBSOCKET)]
    return {
        "podSelector": {"matchLabels": declared.labels(pods.name)},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [nodes]},
            {"from": [balancer], "ports": [*doors, {"port": API, "protocol": "TCP"}]},
            *([{"ports": doors}] if declared.direct else []),
        ],
    }


def _instance(pods: Pods) -> dict[str, str]:
    return {"app.kubernetes.io/instance": pods.name}
