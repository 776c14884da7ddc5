"""Each rule on Kubernetes resources: hit, missed, and refusing what it cannot see."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_ARRAY_VALUE, UNKNOWN_OBJECT_VALUE, UNKNOWN_STRING_VALUE

from tests.policy.asking import BLIND, ask, ask_all, ask_stack, changed, tokens, without
from tests.policy.cases import Cases

pytestmark = pytest.mark.policy

LABELS = {"app": "emqx", "environment": "prod", "colour": "blue"}
SAFE = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER = {
    "name": "emqx",
    "image": "emqx/emqx-enterprise:5.8.9",
    "securityContext": SAFE,
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    "startupProbe": {"httpGet": {"path": "/status"}},
    "readinessProbe": {"httpGet": {"path": "/api/v5/load_rebalance/availability_check"}},
    "livenessProbe": {"tcpSocket": {"port": 1883.0}},
    "env": [
        {"name": "EMQX_NODE__COOKIE", "valueFrom": {"secretKeyRef": {"name": "emqx", "key": "cookie"}}},
        {"name": "EMQX_NODE__NAME", "value": "emqx@x"},
    ],
}
SPREAD = [{"maxSkew": 1.0, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}]
METADATA = {"name": "blue", "namespace": "mqtt", "labels": LABELS}
STATEFUL: dict[str, Any] = {
    "metadata": METADATA,
    "spec": {
        "replicas": 3.0,
        "updateStrategy": {"type": "OnDelete"},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [CONTAINER], "topologySpreadConstraints": SPREAD},
        },
    },
}
SERVICE = {
    "metadata": METADATA,
    "spec": {"type": "LoadBalancer", "ports": [{"name": "mqtt", "port": 1883.0, "targetPort": 1883.0}]},
}
HEADLESS = {"metadata": METADATA, "spec": {"clusterIP": "None", "ports": [{"name": "dashboard", "port": 18083.0}]}}
CONFIG = {"metadata": METADATA, "data": {"emqx.conf": 'node.cookie = "${COOKIE}"\nlog.level = warning\n'}}
SECRET = {"metadata": METADATA, "type": "Opaque", "stringData": {"cookie": "a-long-one"}}
BUDGET: dict[str, Any] = {"metadata": METADATA, "spec": {"selector": {"matchLabels": {"app": "emqx"}}}}
POLICY: dict[str, Any] = {"metadata": METADATA, "spec": {"podSelector": {"matchLabels": {"app": "emqx"}}}}
POD = "spec.template.spec"
FIRST = f"{POD}.containers.0"
SET = tokens.STATEFUL_SET


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def pod(path: str, value: Any) -> dict[str, Any]:
    return changed(STATEFUL, f"{FIRST}.{path}", value)


CASES = Cases(
    good=[
        (SET, STATEFUL),
        (SET, changed(STATEFUL, f"{FIRST}.image", f"registry:5000/emqx@sha256:{'0' * 64}")),
        (tokens.DEPLOYMENT, STATEFUL),
        (tokens.SERVICE, SERVICE),
        (tokens.SERVICE, HEADLESS),
        (tokens.CONFIG_MAP, CONFIG),
        (tokens.SECRET, SECRET),
        (tokens.SECRET, {"metadata": METADATA, "data": {"cookie": coded("a-long-one")}}),
        (tokens.DISRUPTION_BUDGET, BUDGET),
        (tokens.NETWORK_POLICY, POLICY),
    ],
    hits=[
        ("kubernetes-exact-image", SET, pod("image", "emqx/emqx:latest"), "has image emqx/emqx:latest, an exact tag"),
        ("kubernetes-exact-image", SET, pod("image", "emqx/emqx"), "has image emqx/emqx"),
        ("kubernetes-restricted", SET, pod("securityContext", {**SAFE, "runAsNonRoot": False}), "may run as root"),
        ("kubernetes-restricted", SET, pod("securityContext", {**SAFE, "runAsUser": 0.0}), "may run as root"),
        ("kubernetes-restricted", SET, pod("securityContext", {**SAFE, "privileged": True}), "may gain privileges"),
        ("kubernetes-restricted", SET, pod("securityContext", without(SAFE, "capabilities")), "keeps capabilities"),
        ("kubernetes-restricted", SET, pod("securityContext", without(SAFE, "seccompProfile")), "no seccomp profile"),
        ("kubernetes-sized", SET, pod("resources", {"requests": {"cpu": "1"}}), "no requests of memory"),
        ("kubernetes-probed", SET, without(STATEFUL, f"{FIRST}.livenessProbe"), "has no livenessProbe"),
        (
            "kubernetes-probed",
            SET,
            pod("readinessProbe", {"tcpSocket": {"port": 1883.0}}),
            "asks neither HTTP nor a command",
        ),
        ("kubernetes-apart", SET, without(STATEFUL, f"{POD}.topologySpreadConstraints"), "may all be on one machine"),
        ("kubernetes-data-kept", SET, without(STATEFUL, "spec.volumeClaimTemplates"), "on no volume of their own"),
        (
            "kubernetes-data-kept",
            SET,
            changed(STATEFUL, "spec.persistentVolumeClaimRetentionPolicy", {"whenScaled": "Delete"}),
            "whenScaled: Retain",
        ),
        ("kubernetes-on-delete", SET, without(STATEFUL, "spec.updateStrategy"), "updateStrategy is RollingUpdate"),
        (
            "kubernetes-management-inside",
            tokens.SERVICE,
            changed(SERVICE, "spec.ports", [{"port": 80.0, "targetPort": 18083.0}]),
            "has port 18083 (dashboard)",
        ),
        (
            "kubernetes-management-inside",
            tokens.SERVICE,
            changed(SERVICE, "spec.ports", [{"port": 80.0, "targetPort": "dashboard"}]),
            "has port dashboard",
        ),
        ("kubernetes-disruption-budget", SET, STATEFUL, "no PodDisruptionBudget selects its pods"),
        ("kubernetes-network-policy", SET, STATEFUL, "no NetworkPolicy selects its pods"),
        (
            "kubernetes-secrets-from-secrets",
            SET,
            pod("env", [{"name": "EMQX_DASHBOARD__DEFAULT_PASSWORD", "value": "hunter2"}]),
            "has EMQX_DASHBOARD__DEFAULT_PASSWORD in clear",
        ),
        (
            "kubernetes-secrets-from-secrets",
            tokens.CONFIG_MAP,
            changed(CONFIG, "data", {"emqx.conf": 'node.cookie = "hunter2"'}),
            "sets cookie in clear",
        ),
        (
            "kubernetes-no-default-password",
            SET,
            pod("env", [{"name": "EMQX_DASHBOARD__DEFAULT_PASSWORD", "value": "public"}]),
            "has EMQX's default in EMQX_DASHBOARD__DEFAULT_PASSWORD",
        ),
        (
            "kubernetes-no-default-password",
            tokens.SECRET,
            changed(SECRET, "stringData", {"cookie": "emqxsecretcookie"}),
            "cookie has EMQX's default",
        ),
        (
            "kubernetes-no-default-password",
            tokens.SECRET,
            {"metadata": METADATA, "data": {"emqx.conf": coded("dashboard { default_password = public }")}},
            "has EMQX's default in default_password",
        ),
        ("tagged", SET, without(STATEFUL, "metadata.labels.colour"), "it has no colour (metadata.labels.colour)"),
        ("tagged", tokens.SERVICE, without(SERVICE, "metadata.labels"), "it has no environment"),
    ],
    unknown=[
        ("kubernetes-exact-image", SET, pod("image", UNKNOWN_STRING_VALUE)),
        ("kubernetes-restricted", SET, changed(STATEFUL, f"{POD}.containers", UNKNOWN_ARRAY_VALUE)),
        ("kubernetes-restricted", SET, pod("securityContext", UNKNOWN_OBJECT_VALUE)),
        ("kubernetes-sized", SET, pod("resources", UNKNOWN_OBJECT_VALUE)),
        ("kubernetes-probed", SET, pod("readinessProbe", UNKNOWN_OBJECT_VALUE)),
        ("kubernetes-apart", SET, changed(STATEFUL, "spec.replicas", UNKNOWN_STRING_VALUE)),
        ("kubernetes-data-kept", SET, changed(STATEFUL, "spec.volumeClaimTemplates", UNKNOWN_ARRAY_VALUE)),
        ("kubernetes-on-delete", SET, changed(STATEFUL, "spec", UNKNOWN_OBJECT_VALUE)),
        ("kubernetes-management-inside", tokens.SERVICE, changed(SERVICE, "spec.type", UNKNOWN_STRING_VALUE)),
        ("kubernetes-disruption-budget", SET, changed(STATEFUL, "spec.template.metadata", UNKNOWN_OBJECT_VALUE)),
        ("kubernetes-network-policy", SET, changed(STATEFUL, "spec.template.metadata.labels", UNKNOWN_OBJECT_VALUE)),
        ("kubernetes-secrets-from-secrets", SET, pod("env", UNKNOWN_ARRAY_VALUE)),
        (
            "kubernetes-secrets-from-secrets",
            tokens.CONFIG_MAP,
            changed(CONFIG, "data", {"a.conf": UNKNOWN_STRING_VALUE}),
        ),
        ("kubernetes-no-default-password", tokens.SECRET, changed(SECRET, "stringData", UNKNOWN_OBJECT_VALUE)),
        ("tagged", SET, changed(STATEFUL, "metadata.labels", UNKNOWN_OBJECT_VALUE)),
    ],
)


@pytest.mark.parametrize(("token", "inputs"), CASES.good)
def test_what_is_right_passes_every_rule(token: str, inputs: dict[str, Any]) -> None:
    assert ask_all(token, inputs) == []


@pytest.mark.parametrize(("name", "token", "inputs", "part"), CASES.hits)
def test_a_violation_says_what_was_seen_and_which_property(
    name: str, token: str, inputs: dict[str, Any], part: str
) -> None:
    said = ask(name, token, inputs)
    assert any(part in one for one in said), said
    assert "hunter2" not in "".join(said)


@pytest.mark.parametrize(("name", "token", "inputs"), CASES.unknown)
def test_a_rule_that_cannot_see_its_value_refuses(name: str, token: str, inputs: dict[str, Any]) -> None:
    said = ask(name, token, inputs)
    assert len(said) == 1, said
    assert BLIND in said[0]


def test_pods_are_covered_by_what_selects_them_in_their_namespace() -> None:
    for name, token, inputs in (
        ("kubernetes-disruption-budget", tokens.DISRUPTION_BUDGET, BUDGET),
        ("kubernetes-network-policy", tokens.NETWORK_POLICY, POLICY),
    ):
        assert ask_stack(name, [(SET, STATEFUL), (token, inputs)]) == []
        elsewhere = changed(inputs, "metadata.namespace", "default")
        assert len(ask_stack(name, [(SET, STATEFUL), (token, elsewhere)])) == 1
        selector = "selector" if "selector" in inputs["spec"] else "podSelector"
        others = changed(inputs, f"spec.{selector}.matchLabels", {"app": "haproxy"})
        assert len(ask_stack(name, [(SET, STATEFUL), (token, others)])) == 1
