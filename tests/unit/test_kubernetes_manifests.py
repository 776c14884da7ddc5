"""What we declare on Kubernetes: the API's own schema takes it, Pod Security `restricted` lets it run, and each property that an upgrade counts on is there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes_validate import utils

from components.cutover.words import COLOURS, Edition
from components.emqx.models import ClusterHandle
from components.kubernetes import names
from components.kubernetes.place import Place
from components.manifests import haproxy, nodes
from components.manifests.haproxy import BalancerPods, Fronting, ServiceWords
from components.manifests.nodes import Declared, NodePods
from components.manifests.pod import merged
from components.manifests.words import Storage
from components.routers.listeners import Certificate, Listener
from components.workloads.nodes import Running, handle_of

pytestmark = pytest.mark.unit

VERSION = "1.35"
PODS = NodePods(namespace="mqtt", image_pull_secrets=("registry",), storage=Storage(class_name="fast", size="20Gi"))
BALANCER = BalancerPods(namespace="mqtt", service=ServiceWords(source_ranges=("10.0.0.0/8",)))
FRONTING = Fronting(
    listeners=(
        Listener(port=1883, protocol="mqtt"),
        Listener(port=8883, protocol="mqtts", certificate=Certificate(secret="front"), client_ca_secret="devices"),
    ),
    replicas=2,
    max_connections=9_000,
    environment="prod",
)


def declared(edition: Edition = "ee", **more: Any) -> Declared:
    known: dict[str, Any] = {
        "colour": "green",
        "version": "5.8.9",
        "edition": edition,
        "nodes": 3,
        "proxy_protocol": True,
        "environment": "prod",
        "joins": "green",
        "login": True,
        "licence": edition == "ee",
    }
    return Declared(**{**known, **more})


def whole(api: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "x", "namespace": "mqtt"}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def stateful_set(pods: NodePods = PODS, **more: Any) -> dict[str, Any]:
    return nodes.stateful_set(pods, declared(**more))


def deployment(pods: BalancerPods = BALANCER) -> dict[str, Any]:
    return haproxy.deployment(pods, FRONTING, "digest")


ALL = {
    "stateful set": whole("apps/v1", "StatefulSet", stateful_set()),
    "stateful set of open source": whole("apps/v1", "StatefulSet", stateful_set(edition="ce")),
    "deployment": whole("apps/v1", "Deployment", deployment()),
    "headless service": whole("v1", "Service", nodes.headless_service(PODS, declared())),
    "service of a colour": whole("v1", "Service", nodes.service(PODS, declared())),
    "service of the balancer": whole("v1", "Service", haproxy.service(BALANCER, FRONTING)),
    "budget": whole("policy/v1", "PodDisruptionBudget", nodes.budget(PODS, declared().labels("emqx"))),
    "network of nodes": whole("networking.k8s.io/v1", "NetworkPolicy", nodes.network_policy(PODS, declared())),
    "network of the balancer": whole(
        "networking.k8s.io/v1", "NetworkPolicy", haproxy.network_policy(BALANCER, FRONTING)
    ),
}


@pytest.mark.parametrize("manifest", ALL.values(), ids=ALL)
def test_the_schema_of_the_api_takes_it(manifest: dict[str, Any]) -> None:
    utils.validate(json.loads(json.dumps(manifest)), VERSION, strict=True)


def test_a_manifest_that_is_wrong_is_not_taken() -> None:
    wrong = whole("apps/v1", "StatefulSet", {**stateful_set(), "podManagement": "Parallel"})
    with pytest.raises(utils.ValidationError):
        utils.validate(wrong, VERSION, strict=True)


def restricted(template: dict[str, Any]) -> list[str]:
    """What Pod Security `restricted` has against a pod, by its published controls."""
    spec, found = template["spec"], []
    pod = spec.get("securityContext", {})
    found += [f"{key}" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    found += [f"volume {one['name']}" for one in spec["volumes"] if not (one.keys() - {"name"}) <= allowed]
    for one in (*spec.get("initContainers", ()), *spec["containers"]):
        own = one.get("securityContext", {})
        found += ["hostPort" for port in one.get("ports", ()) if "hostPort" in port]
        found += [] if own.get("allowPrivilegeEscalation") is False else ["allowPrivilegeEscalation"]
        found += [] if own.get("runAsNonRoot", pod.get("runAsNonRoot")) else ["runAsNonRoot"]
        found += ["runAsUser"] if own.get("runAsUser", pod.get("runAsUser", 1)) == 0 else []
        found += [] if own.get("capabilities", {}).get("drop") == ["ALL"] else ["capabilities"]
        seccomp = own.get("seccompProfile", pod.get("seccompProfile", {})).get("type")
        found += [] if seccomp in {"RuntimeDefault", "Localhost"} else ["seccompProfile"]
        found += ["privileged"] if own.get("privileged") else []
    return found


@pytest.mark.parametrize("spec", [stateful_set(), stateful_set(edition="ce"), deployment()])
def test_pod_security_restricted_lets_it_run(spec: dict[str, Any]) -> None:
    assert restricted(spec["template"]) == []


def test_pod_security_has_something_against_a_pod_with_privileges() -> None:
    bad = {"spec": {"containers": [{"name": "emqx", "securityContext": {"privileged": True}}]}}
    template = stateful_set(PODS.model_copy(update={"pod_template": bad}))["template"]
    assert restricted(template) == ["privileged"]


def test_a_declared_version_restarts_nothing_and_no_volume_goes_with_a_pod() -> None:
    spec = stateful_set()
    assert spec["updateStrategy"] == {"type": "OnDelete"}
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert nodes.headless_service(PODS, declared())["publishNotReadyAddresses"] is True


@pytest.mark.parametrize(("edition", "path"), [("ee", "/api/v5/load_rebalance/availability_check"), ("ce", "/status")])
def test_a_node_that_is_evacuated_is_not_ready_and_none_is_by_a_connection_alone(edition: Edition, path: str) -> None:
    (container,) = stateful_set(edition=edition)["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == path
    assert {"startupProbe", "livenessProbe"} <= container.keys()


def test_no_secret_stands_in_a_manifest_and_each_comes_from_the_secret() -> None:
    (container,) = stateful_set()["template"]["spec"]["containers"]
    sources = {one["name"]: one.get("valueFrom", {}).get("secretKeyRef", {}).get("key") for one in container["env"]}
    assert sources["EMQX_NODE__COOKIE"] == "cookie"
    assert sources["EMQX_LICENSE__KEY"] == "license"
    assert sources["EMQX_DASHBOARD__DEFAULT_PASSWORD"] == "password"
    assert "cookie" not in nodes.configuration(PODS)


def test_an_ending_node_is_given_time_for_its_evacuation() -> None:
    spec = stateful_set()["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 3_600
    assert "rebalance node-status" in spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2]


def test_nodes_that_join_have_the_name_and_the_seeds_of_the_other_colours_cluster() -> None:
    values = {
        one["name"]: one.get("value") for one in stateful_set(joins="blue")["template"]["spec"]["containers"][0]["env"]
    }
    assert values["EMQX_CLUSTER__DNS__NAME"] == "emqx-blue-nodes.mqtt.svc.cluster.local"
    assert values["EMQX_CLUSTER__NAME"] == "emqx-blue"
    assert values["EMQX_NODE__NAME"] == "emqx@$(POD_NAME).emqx-green-nodes.mqtt.svc.cluster.local"


def test_without_a_proxy_clients_reach_the_doors_of_the_nodes_and_nothing_else() -> None:
    (everywhere,) = [
        rule for rule in nodes.network_policy(PODS, declared(direct=True))["ingress"] if not rule.get("from")
    ]
    assert [one["port"] for one in everywhere["ports"]] == [1883, 8083]


def test_management_distribution_and_admin_ports_are_closed_to_clients() -> None:
    ingress = nodes.network_policy(PODS, declared())["ingress"]
    assert all(rule.get("from") for rule in ingress), "nobody from everywhere"
    assert ingress[1]["from"] == [{"podSelector": {"matchLabels": names.balancer_labels("emqx")}}]
    front = haproxy.network_policy(BALANCER, FRONTING)["ingress"]
    assert [one["port"] for one in front[0]["ports"]] == [1883, 8883, names.READY_PORT]
    ports = [one["port"] for one in haproxy.service(BALANCER, FRONTING)["ports"]]
    assert ports == [1883, 8883]


def test_another_configuration_is_other_pods_beside_those_of_before() -> None:
    spec = deployment()
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "100%"}
    assert spec["template"]["metadata"]["annotations"] == {haproxy.CONFIGURATION: "digest"}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 86_400


def test_the_balancers_configuration_has_its_admin_sockets_on_the_loopback_and_nothing_to_write_to() -> None:
    running = Running(
        place=Place(namespace="mqtt"),
        name="emqx",
        colour="blue",
        version="5.8.9",
        edition="ce",
        nodes=2,
        proxy_protocol=True,
    )
    clusters: dict[Any, ClusterHandle] = {
        colour: handle_of(running.model_copy(update={"colour": colour})) for colour in COLOURS
    }
    text = haproxy.configuration(FRONTING, clusters, {"blue": "ce", "green": "ce"})
    sockets = [line.strip() for line in text.splitlines() if "stats socket" in line]
    assert sockets == ["stats socket 127.0.0.1:9777 level admin"]
    assert "server-state-file /etc/emqx-upgrade/share/memory.server_states" in text, "of the ledger, only read"
    assert (
        "bind *:8883 ssl crt /etc/emqx-upgrade/tls/front/tls.crt ca-file /etc/emqx-upgrade/tls/devices/ca.crt" in text
    )
    assert "map_str_int(/etc/emqx-upgrade/share/share.map,0)" in text
    assert "emqx-green-1.emqx-green-nodes.mqtt.svc.cluster.local:1883" in text
    assert "resolvers system" in text


def test_an_image_is_by_exact_version_or_by_digest() -> None:
    digest = "sha256:" + "0" * 64
    assert nodes.image(PODS, declared()) == "docker.io/emqx/emqx-enterprise:5.8.9"
    own = PODS.model_copy(update={"repository": "registry.example.com/emqx", "digest": digest})
    assert nodes.image(own, declared()) == f"registry.example.com/emqx@{digest}"


def test_what_we_did_not_think_of_is_merged_last_and_by_name() -> None:
    override = {
        "spec": {
            "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["auth"]}],
            "containers": [
                {"name": "emqx", "env": [{"name": "EXTRA", "value": "1"}]},
                {"name": "side", "image": "s:1.0"},
            ],
        }
    }
    spec = stateful_set(PODS.model_copy(update={"pod_template": override}))["template"]["spec"]
    assert [one["name"] for one in spec["containers"]] == ["emqx", "side"]
    assert spec["containers"][0]["env"][-1] == {"name": "EXTRA", "value": "1"}
    assert spec["containers"][0]["image"] == "docker.io/emqx/emqx-enterprise:5.8.9", "what is not named stays"
    assert spec["hostAliases"] == override["spec"]["hostAliases"]
    assert merged({"a": [1]}, {"a": [2]}) == {"a": [2]}
