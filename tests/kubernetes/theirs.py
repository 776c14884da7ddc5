"""EMQX as others make it: with the labels, names and Services of its Helm chart and of its Operator 2.x, from their sources, in as few words as that needs."""

from __future__ import annotations

from typing import Any, NamedTuple

from components.manifests.pod import CONFINED
from tests.kubernetes.manifests import Object, claim, config

VERSION = "5.8.6"
PORTS = (("mqtt", 1883), ("mqttssl", 8883), ("dashboard", 18083))


class Theirs(NamedTuple):
    """A cluster of somebody's: what it is called, its pods' labels, the variables that make its nodes' names, and whether an authority put a template's hash into its name."""

    workload: str
    headless: str
    labels: dict[str, str]
    node: str
    service: str
    env: dict[str, str]
    version: str = VERSION
    api: int = 18083

    @property
    def old(self) -> bool:
        """Whether it is of 4.x, whose key and password are its own variables."""
        return self.version.startswith("4.")

    def host(self, namespace: str, number: int) -> str:
        """Of a node."""
        return f"{self.workload}-{number}.{self.headless}.{namespace}.svc.cluster.local"

    def objects(self, namespace: str, replicas: int, key: str, password: str) -> list[Object]:
        """All that it is made of; ``key`` is an API key with its secret, ``key:secret``, ``password`` that of the dashboard's ``admin``."""
        secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{self.workload}-keys"}}
        return [
            config(f"{self.workload}-configs", emqx_conf="node.data_dir = data\n"),
            {**secret, "stringData": {"bootstrap_api_key": f"{key}\n"}},
            self._service(self.headless, clusterIP="None", publishNotReadyAddresses=True),
            self._service(self.service, type="LoadBalancer"),
            self._stateful_set(namespace, replicas, self._accounts(key, password)),
        ]

    def _accounts(self, key: str, password: str) -> dict[str, str]:
        if not self.old:
            return {"EMQX_DASHBOARD__DEFAULT_PASSWORD": password}
        name, secret, _ = key.split(":")
        application = "EMQX_MANAGEMENT__DEFAULT_APPLICATION__"
        return {
            f"{application}ID": name,
            f"{application}SECRET": secret,
            "EMQX_DASHBOARD__DEFAULT_USER__PASSWORD": password,
            "EMQX_ALLOW_ANONYMOUS": "false",
        }

    def _service(self, name: str, **more: Any) -> Object:
        listed = [{"name": port, "port": number, "targetPort": port} for port, number in PORTS]
        spec = {"selector": self.labels, "ports": listed, **more}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": self.labels}, "spec": spec}

    def _stateful_set(self, namespace: str, replicas: int, more: dict[str, str]) -> Object:
        own = self.host(namespace, 0).partition(".")[2]
        discovery = {
            "EMQX_NODE__COOKIE": f"theirs-{namespace}-{self.workload}",
            "EMQX_CLUSTER__DISCOVERY_STRATEGY": "dns",
            "EMQX_CLUSTER__DNS__RECORD_TYPE": "srv",
            "EMQX_CLUSTER__DNS__NAME": own,
            "EMQX_API_KEY__BOOTSTRAP_FILE": "/opt/emqx/keys/bootstrap_api_key",
        }
        values = {"EMQX_HOST": f"$(POD_NAME).{own}", **({} if self.old else discovery), **self.env, **more}
        spec = {
            "securityContext": {"runAsUser": 1000, "fsGroup": 1000},
            "terminationGracePeriodSeconds": 10,
            "containers": [self._container(values)],
            "volumes": [
                {"name": "configs", "configMap": {"name": f"{self.workload}-configs"}},
                {"name": "keys", "secret": {"secretName": f"{self.workload}-keys"}},
            ],
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": self.workload, "labels": self.labels},
            "spec": {
                "serviceName": self.headless,
                "replicas": replicas,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": self.labels},
                "template": {"metadata": {"labels": self.labels}, "spec": spec},
                "volumeClaimTemplates": [{**claim("data", "16Mi"), "metadata": {"name": "data"}}],
            },
        }

    def _container(self, values: dict[str, str]) -> Object:
        pod_name = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        return {
            "name": "emqx",
            "image": f"emqx/emqx:{self.version}",
            "env": [pod_name, *({"name": name, "value": value} for name, value in values.items())],
            "ports": [{"name": name, "containerPort": port} for name, port in PORTS],
            "securityContext": CONFINED,
            "readinessProbe": {"httpGet": {"path": "/status", "port": self.api}, "periodSeconds": 1},
            "volumeMounts": [
                {"name": "data", "mountPath": "/opt/emqx/data"},
                {"name": "configs", "mountPath": "/opt/emqx/etc/emqx.conf", "subPath": "emqx.conf"},
                {"name": "keys", "mountPath": "/opt/emqx/keys"},
            ],
        }


HELM = Theirs(
    workload="fleet-emqx",
    headless="fleet-emqx-headless",
    labels={"app.kubernetes.io/name": "emqx", "app.kubernetes.io/instance": "fleet"},
    node="fleet",
    service="fleet-emqx",
    env={"EMQX_NAME": "fleet"},
    version="4.4.19",
    api=8081,
)
OPERATOR = Theirs(
    workload="sensors-core-557c8b7684",
    headless="sensors-headless",
    labels={
        "apps.emqx.io/instance": "sensors",
        "apps.emqx.io/managed-by": "emqx-operator",
        "apps.emqx.io/db-role": "core",
        "apps.emqx.io/pod-template-hash": "557c8b7684",
    },
    node="emqx",
    service="sensors-listeners",
    env={"EMQX_NODE__ROLE": "core"},
)
