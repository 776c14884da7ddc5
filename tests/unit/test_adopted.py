"""Pods of a Helm chart's and of the Operator's are nodes by what stands in them, whatever they are called."""

from __future__ import annotations

from typing import Any

import pytest

from components.targets.adopted import Adopted, node_of

HELM = {
    "metadata": {"name": "fleet-emqx-0", "namespace": "mqtt"},
    "spec": {
        "subdomain": "fleet-emqx-headless",
        "containers": [{"name": "emqx", "env": [{"name": "EMQX_NAME", "value": "fleet"}]}],
    },
}
OPERATOR = {
    "metadata": {"name": "emqx-core-557c8b7684-1", "namespace": "mqtt"},
    "spec": {
        "subdomain": "emqx-headless",
        "containers": [
            {"name": "side", "env": [{"name": "EMQX_NAME", "value": "other"}]},
            {
                "name": "emqx",
                "env": [
                    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "EMQX_CLUSTER__DNS__NAME", "value": "emqx-headless.mqtt.svc.example.org"},
                    {"name": "EMQX_HOST", "value": "$(POD_NAME).$(EMQX_CLUSTER__DNS__NAME)"},
                    {"name": "EMQX_NODE__COOKIE", "valueFrom": {"secretKeyRef": {"name": "c", "key": "node_cookie"}}},
                ],
            },
        ],
    },
}
pytestmark = pytest.mark.unit
WHERE = {"namespace": "mqtt", "selector": {"a": "b"}}


def found(pod: dict[str, Any], **more: Any) -> tuple[str, str, str] | None:
    node = node_of(pod, Adopted.model_validate({**WHERE, **more}))
    return None if node is None else (node.name, node.api, node.mqtt)


def test_a_node_of_the_chart_has_the_releases_name_and_its_pods_host() -> None:
    host = "fleet-emqx-0.fleet-emqx-headless.mqtt.svc.cluster.local"
    assert found(HELM) == (f"fleet@{host}", f"http://{host}:18083", f"{host}:1883")


def test_a_node_of_the_operator_has_the_host_that_its_variables_say() -> None:
    host = "emqx-core-557c8b7684-1.emqx-headless.mqtt.svc.example.org"
    assert found(OPERATOR, api=8081, mqtt=1884) == (f"emqx@{host}", f"http://{host}:8081", f"{host}:1884")


def test_a_whole_name_goes_before_its_parts_and_what_the_stack_says_before_both() -> None:
    env = [{"name": "EMQX_NODE__NAME", "value": "whole@10.0.0.9"}, {"name": "EMQX_NAME", "value": "part"}]
    pod = {**HELM, "spec": {"subdomain": "nodes", "containers": [{"name": "emqx", "env": env}]}}
    assert found(pod) == (
        "whole@10.0.0.9",
        "http://fleet-emqx-0.nodes.mqtt.svc.cluster.local:18083",
        "fleet-emqx-0.nodes.mqtt.svc.cluster.local:1883",
    )
    said = found(pod, node="said@{pod}.nodes.mqtt")
    assert said is not None
    assert said[0] == "said@fleet-emqx-0.nodes.mqtt"


@pytest.mark.parametrize("change", [{"subdomain": None}, {"containers": [{"name": "another"}]}])
def test_a_pod_that_gets_another_name_with_each_start_or_has_no_emqx_is_no_node(change: dict[str, Any]) -> None:
    assert found({**HELM, "spec": {**HELM["spec"], **change}}) is None  # type: ignore[dict-item]
