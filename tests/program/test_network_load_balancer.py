"""A Network Load Balancer under Pulumi's mocks: what is declared of it, and whose the weights are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from components.balancer import BALANCERS, nlb_objects
from components.balancer.network_load_balancer import NetworkLoadBalancer
from components.ledger.dynamodb import DynamodbLedger
from components.system.aside import aside
from components.targets import TARGETS
from components.targets.aws import Aws
from tests.aws_bed import REGION, account, make_image, make_subnets, make_table
from tests.policy.asking import ask_all, tokens
from tests.program.conftest import Recorder
from tests.program.declaring import VERSIONS, declare, of_type, protected, tell
from tests.program.test_kubernetes_policies import plain

pytestmark = [pytest.mark.program, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ACM = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b"


@pytest.fixture(scope="module")
def network() -> Iterator[list[str]]:
    """An account with two subnets, in which nothing is made."""
    with account():
        make_table("again-prod-cutover")
        yield make_subnets()


@pytest.fixture
def subnets(recorder: Recorder, network: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Target and balancer, on these subnets."""
    monkeypatch.setitem(TARGETS, "aws", Aws())
    monkeypatch.setitem(BALANCERS, "network_load_balancer", NetworkLoadBalancer())
    return network


def configure(
    subnets: list[str],
    live: str,
    *colours: str,
    listeners: list[dict[str, Any]] | None = None,
    proxied: bool = True,
    **front: Any,
) -> None:
    cluster = {
        "target": "aws",
        "edition": "ee",
        "nodes": 1,
        "proxyProtocol": proxied,
        "region": REGION,
        "subnets": subnets,
        "image": make_image(),
        "management": {"ranges": ["10.0.0.0/16"]},
    }
    clusters = {colour: {**cluster, "version": VERSIONS[colour]} for colour in colours}
    balancer = {"target": "network_load_balancer", "aws": {"region": REGION, "subnets": subnets, **front}}
    tell(
        live,
        clusters,
        balancer={**balancer, "listeners": listeners or []},
        cutover={"steps": [{"share": 10}, {"share": 100}]},
    )


AVAILABILITY = {
    "protocol": "HTTP",
    "port": "18083",
    "path": "/api/v5/load_rebalance/availability_check",
    "matcher": "200",
}
BOUNDS = {"enabled": True, "interval": 10, "healthyThreshold": 2, "unhealthyThreshold": 2}


@pytest.mark.parametrize(
    ("proxied", "check"), [(True, {"protocol": "TCP", "port": "traffic-port"}), (False, AVAILABILITY)]
)
def test_each_listener_has_a_group_for_each_colour_whose_check_is_one_that_nodes_can_answer(
    recorder: Recorder, subnets: list[str], proxied: bool, check: dict[str, str]
) -> None:
    configure(subnets, "green", "blue", "green", proxied=proxied)
    declare()
    groups = of_type(recorder, "TargetGroup")
    assert set(groups) == {"balancer-blue-1883", "balancer-green-1883"}
    one = groups["balancer-blue-1883"]
    assert one["healthCheck"] == {**BOUNDS, **check}
    assert one["targetHealthStates"] == [{"enableUnhealthyConnectionTermination": False}]
    assert (one["proxyProtocolV2"], one["targetType"], one["port"]) == (proxied, "ip", 1883)
    assert (one["deregistrationDelay"], one["connectionTermination"]) == (3_599, False)
    (balancer,) = of_type(recorder, "LoadBalancer").values()
    assert (balancer["loadBalancerType"], balancer["enableCrossZoneLoadBalancing"]) == ("network", True)
    assert {name: one["targetId"] for name, one in of_type(recorder, "TargetGroupAttachment").items()} == {
        "balancer-blue-1883-0": "10.9.0.1",
        "balancer-green-1883-0": "10.9.0.1",
    }


def test_a_listener_begins_with_the_colour_that_was_there_and_the_order_is_table_balancer_weights_cutover(
    recorder: Recorder, subnets: list[str]
) -> None:
    configure(subnets, "blue", "blue", "green")
    declare()
    (listener,) = of_type(recorder, "Listener").values()
    forward = listener["defaultActions"][0]["forward"]["targetGroups"]
    assert {one["arn"]: one["weight"] for one in forward} == {
        "arn-of-balancer-blue-1883": 1,
        "arn-of-balancer-green-1883": 0,
    }
    order = [one.name for one in recorder.seen]
    wanted = ["balancer-ledger", "balancer-nlb", "balancer-1883", "balancer-weights", "cutover"]
    assert [name for name in order if name in wanted] == wanted


def test_listeners_that_are_declared_end_their_tls_here_or_pass_it_on(recorder: Recorder, subnets: list[str]) -> None:
    listeners: list[dict[str, Any]] = [
        {"port": 1883, "protocol": "mqtt"},
        {"port": 8883, "protocol": "mqtts", "certificate": {"acm": ACM}},
        {"port": 8884, "protocol": "mqtts", "nodePort": 8883},
        {"port": 8083, "protocol": "ws"},
    ]
    configure(subnets, "blue", "blue", listeners=listeners, sources=["10.0.0.0/8"])
    declare()
    found = of_type(recorder, "Listener")
    told = {
        name: (one["protocol"], one.get("certificateArn"), one.get("tcpIdleTimeoutSeconds"))
        for name, one in found.items()
    }
    assert told == {
        "balancer-1883": ("TCP", None, 3_600),
        "balancer-8883": ("TLS", ACM, None),
        "balancer-8884": ("TCP", None, 3_600),
        "balancer-8083": ("TCP", None, 3_600),
    }
    ports = {name: one["port"] for name, one in of_type(recorder, "TargetGroup").items()}
    assert (ports["balancer-blue-8883"], ports["balancer-blue-8884"]) == (1883, 8883)


def test_only_the_declared_sources_reach_it_and_it_alone_is_let_into_the_nodes(
    recorder: Recorder, subnets: list[str]
) -> None:
    configure(subnets, "blue", "blue", sources=["10.0.0.0/8", "fd00::/8"])
    declare()
    rules = {
        name: one for name, one in of_type(recorder, "SecurityGroupIngressRule").items() if name.startswith("balancer-")
    }
    sources = {one.get("cidrIpv4") or one.get("cidrIpv6") for name, one in rules.items() if "-to-" not in name}
    assert sources == {"10.0.0.0/8", "fd00::/8"}
    inward = {name: (one["securityGroupId"], one["fromPort"]) for name, one in rules.items() if "-to-" in name}
    assert inward == {"balancer-to-blue-api": ("sg-of-blue", 18083), "balancer-to-blue-mqtt": ("sg-of-blue", 1883)}
    assert {one["referencedSecurityGroupId"] for name, one in rules.items() if "-to-" in name} == {"balancer-group-id"}


async def _begin(table: str, share: int) -> None:
    async with DynamodbLedger(REGION, table).held(None) as writing:
        await writing.write(share=share)


def test_with_a_share_in_the_table_a_listener_that_is_made_anew_begins_with_that(
    recorder: Recorder, subnets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    aside(_begin("again-prod-cutover", 2_500))
    configure(subnets, "green", "blue", "green", name="again")
    declare()
    (listener,) = of_type(recorder, "Listener").values()
    weights = [one["weight"] for one in listener["defaultActions"][0]["forward"]["targetGroups"]]
    assert weights == [3, 1]


@pytest.mark.parametrize("proxied", [True, False])
def test_what_the_balancer_declares_passes_every_policy(recorder: Recorder, subnets: list[str], proxied: bool) -> None:
    listeners = [{"port": 1883, "protocol": "mqtt"}, {"port": 8883, "protocol": "mqtts", "certificate": {"acm": ACM}}]
    configure(subnets, "green", "blue", "green", listeners=listeners, proxied=proxied)
    declare()
    declared = [(one.type, plain(one.inputs)) for one in recorder.seen if one.name.startswith("balancer-")]
    assert {token for token, _ in declared} >= {
        tokens.LOAD_BALANCER,
        tokens.TARGET_GROUP,
        tokens.SECURITY_GROUP,
        tokens.INGRESS_RULE,
        tokens.TABLE,
        tokens.WEIGHED_BALANCER,
    }
    assert [said for token, inputs in declared for said in ask_all(token, inputs)] == []


def test_what_is_of_a_colour_is_not_protected_so_that_a_finalize_can_take_it_away(
    recorder: Recorder, subnets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("TargetGroup", "TargetGroupAttachment", "SecurityGroupIngressRule", "LoadBalancer")
    kept = protected(monkeypatch, nlb_objects, *words)
    configure(subnets, "green", "blue", "green")
    declare()
    assert kept.pop("balancer-nlb") is not False
    of_colours = {name: protect for name, protect in kept.items() if "blue" in name or "green" in name}
    assert len(of_colours) == 8
    assert set(of_colours.values()) == {False}
