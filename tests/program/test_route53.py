"""A balancer that is a name under Pulumi's mocks: its records, its checks, whose the weights are, and a name that its zone cannot have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from components.aws.clients import client
from components.balancer import BALANCERS
from components.balancer.route53 import Route53
from components.emqx.errors import BadInput
from tests.aws_bed import REGION, account
from tests.policy.asking import ask_all
from tests.program.conftest import Recorder
from tests.program.declaring import VERSIONS, declare, of_type, tell
from tests.program.test_kubernetes_policies import plain

pytestmark = [pytest.mark.program, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
NAME = "mqtt.lab.test"


@pytest.fixture(scope="module")
def zone() -> Iterator[str]:
    """An account with a hosted zone, in which nothing is made."""
    with account():
        made = client(REGION, "route53").create_hosted_zone(Name="lab.test", CallerReference="x")
        yield made["HostedZone"]["Id"].rpartition("/")[2]


@pytest.fixture
def records(recorder: Recorder, zone: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The balancer, in this zone."""
    monkeypatch.setitem(BALANCERS, "route53", Route53())
    return {"zone": zone, "name": NAME, "ttlSeconds": 30}


def configure(records: dict[str, Any], live: str, *colours: str) -> None:
    clusters = {}
    for number, colour in enumerate(colours):
        nodes = [
            {
                "name": f"emqx@198.51.10{number}.{node}",
                "api": f"http://198.51.10{number}.{node}:18083",
                "mqtt": f"198.51.10{number}.{node}:1883",
            }
            for node in (1, 2)
        ]
        clusters[colour] = {"target": "external", "edition": "ee", "version": VERSIONS[colour], "nodes": nodes}
    tell(
        live,
        clusters,
        balancer={"target": "route53", "aws": {"region": REGION, "records": records}},
        cutover={"steps": [{"share": 10}, {"share": 100}]},
    )


def test_the_name_leads_to_colours_by_weight_and_these_to_their_nodes_as_long_as_they_take_clients(
    recorder: Recorder, records: dict[str, Any]
) -> None:
    configure(records, "blue", "blue", "green")
    declare()
    made = of_type(recorder, "Record")
    weighted = {name: one for name, one in made.items() if "weightedRoutingPolicies" in one}
    assert {
        name: (one["name"], one["type"], one["records"], one["weightedRoutingPolicies"])
        for name, one in weighted.items()
    } == {
        "balancer-blue": (NAME, "CNAME", [f"blue.{NAME}"], [{"weight": 1}]),
        "balancer-green": (NAME, "CNAME", [f"green.{NAME}"], [{"weight": 0}]),
    }
    node = made["balancer-green-1"]
    assert (node["name"], node["type"], node["records"]) == (f"green.{NAME}", "A", ["198.51.101.2"])
    assert (node["multivalueAnswerRoutingPolicy"], node["healthCheckId"]) == (True, "balancer-green-1-check-id")
    assert {one["ttl"] for one in made.values()} == {30}
    check = of_type(recorder, "HealthCheck")["balancer-blue-0-check"]
    assert (check["type"], check["ipAddress"], check["port"]) == ("HTTP", "198.51.100.1", 18083)
    assert check["resourcePath"] == "/api/v5/load_rebalance/availability_check"
    order = [one.name for one in recorder.seen]
    wanted = ["balancer-ledger", "balancer-blue-0", "balancer-blue", "balancer-weights", "cutover"]
    assert [name for name in order if name in wanted] == wanted


def test_what_it_declares_passes_every_policy(recorder: Recorder, records: dict[str, Any]) -> None:
    configure(records, "green", "blue", "green")
    declare()
    declared = [(one.type, plain(one.inputs)) for one in recorder.seen if one.name.startswith("balancer-")]
    assert [said for token, inputs in declared for said in ask_all(token, inputs)] == []


@pytest.mark.parametrize("wrong", [{"name": "mqtt.example.com"}, {"zone": "Z0000000000"}])
def test_a_name_that_its_zone_cannot_have_is_refused_before_anything_is_made(
    recorder: Recorder, records: dict[str, Any], wrong: dict[str, str]
) -> None:
    configure({**records, **wrong}, "blue", "blue")
    with pytest.raises(BadInput, match=r"the zone is lab\.test|there is no such zone"):
        declare()
    assert of_type(recorder, "Record") == {}
