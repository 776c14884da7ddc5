"""EMQX and HAProxy as pods: a StatefulSet of lab nodes that find each other by DNS, and Services that lead to what is ready."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from lab.kubernetes.cluster import Cluster
from tests.kubernetes.manifests import Object, config, fleet, service

pytestmark = pytest.mark.kubernetes
HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend mqtt
  bind :1883
  default_backend nodes
frontend admin
  mode http
  bind 127.0.0.1:9777
  http-request return status 200 content-type text/plain lf-string "%H"
backend nodes
  server one emqx-0.emqx.NAMESPACE.svc.cluster.local:1883 check
"""


@contextlib.contextmanager
def forwarded(cluster: Cluster, namespace: str, pod: str, port: int) -> Iterator[str]:
    """The local address of a pod's port, as `kubectl port-forward` gives it."""
    words = ["port-forward", "-n", namespace, pod, f":{port}"]
    command = [cluster.program, f"--kubeconfig={cluster.kubeconfig}", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        try:
            yield found[0]
        finally:
            process.terminate()


def members(cluster: Cluster, namespace: str, pod: str) -> list[str]:
    with forwarded(cluster, namespace, pod, 18083) as address:
        answer = httpx.get(f"http://{address}/api/v5/nodes", auth=("key", "secret"), timeout=60)
    assert answer.status_code == httpx.codes.OK, answer.text
    return sorted(node["node"] for node in answer.json() if node["node_status"] == "running")


def proxy(namespace: str) -> list[Object]:
    box = {
        "name": "haproxy",
        "image": "docker.io/library/haproxy:2.8.10",
        "readinessProbe": {"tcpSocket": {"port": 1883}, "periodSeconds": 1},
        "volumeMounts": [{"name": "c", "mountPath": "/usr/local/etc/haproxy"}],
    }
    template = {
        "metadata": {"labels": {"app": "proxy"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [box],
            "volumes": [{"name": "c", "configMap": {"name": "proxy"}}],
        },
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "proxy"}}, "template": template}
    return [
        config("proxy", haproxy_cfg=HAPROXY.replace("NAMESPACE", namespace)),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "proxy"}, "spec": spec},
        service("proxy", 1883, type="LoadBalancer"),
    ]


def greeted(host: str, port: int) -> bool:
    """Whether an MQTT client is let in there."""
    try:
        with socket.create_connection((host, port), 10) as client:
            client.sendall(bytes.fromhex("100d00044d5154540402003c000161"))
            return client.recv(4)[:2] == b"\x20\x02"
    except OSError:
        return False


def test_nodes_find_each_other_serve_through_a_balancer_and_a_deleted_one_comes_back(
    cluster: Cluster, namespace: str
) -> None:
    cluster.apply(namespace, *fleet(namespace, 2), *proxy(namespace))
    names = [f"emqx@emqx-{number}.emqx.{namespace}.svc.cluster.local" for number in range(2)]
    ready(cluster, namespace, 2)
    cluster.until(lambda: str(members(cluster, namespace, "emqx-1")), str(names))
    address = cluster.until(lambda: balancer(cluster, namespace), "127.")
    ready(cluster, namespace, 2, "deployment/proxy")
    cluster.until(lambda: str(greeted(address, 1883)), "True")
    proxies = cluster.get(namespace, "pods", "-l", "app=proxy")["items"]
    with forwarded(cluster, namespace, proxies[0]["metadata"]["name"], 9777) as admin:
        assert httpx.get(f"http://{admin}/", timeout=60).text == proxies[0]["metadata"]["name"]

    before = cluster.get(namespace, "pod", "emqx-1")
    cluster.kubectl("delete", "pod", "-n", namespace, "emqx-1")
    ready(cluster, namespace, 2)
    cluster.until(lambda: str(members(cluster, namespace, "emqx-0")), str(names))
    after = cluster.get(namespace, "pod", "emqx-1")
    assert after["status"]["podIP"] != before["status"]["podIP"]
    assert after["spec"]["volumes"][0] == before["spec"]["volumes"][0]

    cluster.kubectl("scale", "deployment/proxy", "-n", namespace, "--replicas=0")
    cluster.until(lambda: str(refused(address)), "True")


def ready(cluster: Cluster, namespace: str, count: int, what: str = "statefulset/emqx") -> None:
    cluster.until(lambda: cluster.kubectl("get", what, "-n", namespace), f"{count}/{count}")


def balancer(cluster: Cluster, namespace: str) -> str:
    found = cluster.get(namespace, "service", "proxy")["status"]["loadBalancer"].get("ingress", [{}])
    return str(found[0].get("ip", json.dumps(found)))


def refused(address: str) -> bool:
    try:
        socket.create_connection((address, 1883), 10).close()
    except ConnectionRefusedError:
        return True
    return False
