"""What the tests of the lab's cluster declare: as few words as the invariant needs."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
CONFIGURATION = "listeners.tcp.default.max_connections = 4096\n"


def shell(name: str, script: str, **container: Any) -> Object:
    """A pod of one container that runs a script."""
    box = {"name": "sh", "image": "busybox:1.36", "command": ["/bin/sh", "-c", script], **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "restartPolicy": "Never", "containers": [box]},
    }


def service(name: str, port: int, **spec: Any) -> Object:
    """A Service for the pods with the label ``app: NAME``."""
    spec = {"selector": {"app": name}, "ports": [{"name": "p", "port": port}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def config(name: str, **data: str) -> Object:
    """A ConfigMap; ``_`` in a key is a dot."""
    values = {key.replace("_", "."): value for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}


def claim(name: str, size: str) -> Object:
    """Storage of the default class."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def fleet(namespace: str, replicas: int) -> list[Object]:
    """EMQX as a StatefulSet that finds itself by DNS, with the key ``key:secret``."""
    volumes = [
        {"name": "configuration", "configMap": {"name": "configuration"}},
        {"name": "keys", "secret": {"secretName": "keys"}},
    ]
    spec = {
        "serviceName": "emqx",
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": {"app": "emqx"}},
        "template": {
            "metadata": {"labels": {"app": "emqx"}},
            "spec": {"terminationGracePeriodSeconds": 10, "containers": [_node(namespace)], "volumes": volumes},
        },
        "volumeClaimTemplates": [{**claim("data", "16Mi"), "metadata": {"name": "data"}}],
    }
    held = {"api-keys": "key:secret\n"}
    return [
        config("configuration", emqx_conf=CONFIGURATION),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": held},
        service("emqx", 1883, clusterIP="None", publishNotReadyAddresses=True),
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "emqx"}, "spec": spec},
    ]


def _node(namespace: str) -> Object:
    """The container."""
    seeds = f"emqx.{namespace}.svc.cluster.local"
    variables = {
        "EMQX_NODE__NAME": f"emqx@$(POD_NAME).{seeds}",
        "EMQX_NODE__COOKIE": namespace,
        "EMQX_CLUSTER__DISCOVERY_STRATEGY": "dns",
        "EMQX_CLUSTER__DNS__NAME": seeds,
        "EMQX_CLUSTER__DNS__RECORD_TYPE": "srv",
        "EMQX_API_KEY__BOOTSTRAP_FILE": "/opt/emqx/secrets/api-keys",
    }
    named = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    available = "/api/v5/load_rebalance/availability_check"
    return {
        "name": "emqx",
        "image": "docker.io/emqx/emqx-enterprise:5.8.8",
        "env": [named, *({"name": name, "value": value} for name, value in variables.items())],
        "startupProbe": {"httpGet": {"path": "/status", "port": 18083}, "periodSeconds": 1, "failureThreshold": 60},
        "readinessProbe": {"httpGet": {"path": available, "port": 18083}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "data", "mountPath": "/opt/emqx/data"},
            {"name": "configuration", "mountPath": "/opt/emqx/etc/emqx.conf", "subPath": "emqx.conf"},
            {"name": "keys", "mountPath": "/opt/emqx/secrets"},
        ],
    }
