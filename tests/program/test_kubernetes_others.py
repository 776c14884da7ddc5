"""What a stack on Kubernetes takes over of somebody's, and what it does without a proxy."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.emqx.errors import BadInput
from tests.lab.kubernetes_bed import FakeKubernetes, pod
from tests.program.conftest import Recorder
from tests.program.declaring import declare
from tests.program.test_kubernetes import configure, world

pytestmark = [pytest.mark.program, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
__all__ = ["world"]


def adopt(**more: Any) -> None:
    configure("blue", "blue")
    found = {"namespace": "mqtt", "selector": {"app.kubernetes.io/instance": "fleet"}}
    blue = {"target": "external", "edition": "ce", "version": "5.8.6", "kubernetes": found, **more}
    pulumi.runtime.set_config("emqx:clusters", json.dumps({"blue": blue}))


def test_pods_of_somebodys_are_the_nodes_of_a_colour_that_is_not_ours(
    recorder: Recorder, world: FakeKubernetes
) -> None:
    labels = {"app.kubernetes.io/instance": "fleet"}
    world.pods = [pod(f"fleet-emqx-{number}", labels, container="emqx") for number in (10, 9)]
    for one in world.pods:
        one["spec"]["subdomain"] = "fleet-emqx-headless"
    adopt()
    declare()
    hosts = [f"fleet-emqx-{number}.fleet-emqx-headless.mqtt.svc.cluster.local" for number in (9, 10)]
    handle = recorder.named("balancer-share").inputs["clusters"]["blue"]
    assert [node["name"] for node in handle["nodes"]] == [f"emqx@{host}" for host in hosts]
    assert handle["pods"]["namespace"] == "mqtt"
    assert handle.get("keeper") is None
    assert recorder.named("balancer-share").inputs["external"] == ["blue"]


@pytest.mark.parametrize(
    ("pods", "more", "line"),
    [
        (
            [],
            {},
            r"kubernetes\.selector: app.kubernetes.io/instance=fleet in namespace mqtt; allowed: labels that pods",
        ),
        (["replicant"], {}, r"kubernetes\.selector: replicant by app.*the Operator's replicants..cannot be followed"),
        ([], {"kubernetes": None}, "blue.nodes: missing"),
    ],
)
def test_where_no_nodes_are_found_that_is_said(
    recorder: Recorder, world: FakeKubernetes, pods: list[str], more: dict[str, Any], line: str
) -> None:
    world.pods = [pod(one, {"app.kubernetes.io/instance": "fleet"}, container="emqx") for one in pods]
    adopt(**more)
    with pytest.raises(BadInput, match=line):
        declare()


def test_a_service_of_somebodys_leads_to_the_balancer_where_the_stack_asks_for_it(
    recorder: Recorder, world: FakeKubernetes
) -> None:
    configure("blue", "blue")
    takes = {"namespace": "mqtt", "takes": [{"service": "fleet-emqx", "leaves": [8883]}]}
    pulumi.runtime.set_config("emqx:balancer", json.dumps({"target": "kubernetes", "kubernetes": takes}))
    declare()
    taken = recorder.named("balancer-takes-fleet-emqx").inputs
    assert (taken["service"], taken["ports"], taken["leaves"]) == ("fleet-emqx", [1883], [8883])


def behind_a_service(*colours: str, **more: Any) -> None:
    configure(colours[-1], *colours, **{"proxyProtocol": False, **more})
    place = {"target": "service", "kubernetes": {"namespace": "mqtt"}}
    pulumi.runtime.set_config("emqx:balancer", json.dumps(place))


def test_without_a_proxy_there_is_one_service_whose_selector_pulumi_leaves_alone(
    recorder: Recorder, world: FakeKubernetes
) -> None:
    behind_a_service("blue", "green")
    declare()
    entrance = recorder.named("balancer-entrance").inputs
    assert entrance["metadata"]["name"] == "emqx-mqtt"
    assert entrance["metadata"]["annotations"]["emqx-upgrade/colours"] == "blue green"
    assert entrance["spec"]["selector"]["emqx-upgrade/colour"] == "nobody", "until the router has led it to somebody"
    pod = recorder.named("blue-pods").inputs["spec"]["template"]["metadata"]["labels"]
    assert (entrance["spec"]["selector"].items() - pod.items()) == {("emqx-upgrade/colour", "nobody")}
    assert not any(one.name == "balancer-pods" for one in recorder.seen)
    assert {"ports": [{"port": 1883, "protocol": "TCP"}, {"port": 8083, "protocol": "TCP"}]} in recorder.named(
        "blue-network"
    ).inputs["spec"]["ingress"]
    assert recorder.named("balancer-share").inputs["router"] == "service"


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"proxyProtocol": True}, "blue.proxyProtocol: true; allowed: false"),
        ({"name": "other"}, r"blue.namespace: mqtt; allowed: namespace mqtt and name emqx"),
        ({"strategy": "rolling"}, "cutover.strategy: rolling; allowed: a strategy with two colours"),
    ],
)
def test_what_a_service_cannot_do_is_refused(
    recorder: Recorder, world: FakeKubernetes, more: dict[str, Any], line: str
) -> None:
    behind_a_service("blue", **{"proxyProtocol": False, **more})
    with pytest.raises(BadInput, match=line):
        declare()
