"""A balancer that is a name, held against its colours before anything is asked; and the lab's name servers, which answer as Route 53 does."""

from __future__ import annotations

from collections import Counter
from random import Random
from types import SimpleNamespace
from typing import Any

import dns.message
import dns.rcode
import pytest
from pydantic import ValidationError

from components.balancer import BALANCERS, listeners, placed, weighed
from components.balancer.able import can_of
from components.balancer.route53 import Route53
from components.emqx.models import ClusterHandle, Node
from components.intent import declared, replace_steps
from components.lasting import limits, weighed_of
from components.machines.front import Records
from components.resources.weighed_inputs import WeighedBalancerInputs
from components.settings import Settings
from components.targets import TARGETS
from components.targets.aws import Aws
from lab.aws.names import Names
from tests.unit.settings_bed import NODE

pytestmark = pytest.mark.unit

RECORDS = {"zone": "Z0123456789", "name": "mqtt.example.com", "ttlSeconds": 30, "waitTtls": 4}
PUBLIC = {"name": "emqx@1", "api": "http://198.51.100.1:18083", "mqtt": "198.51.100.1:1883"}
INSTANCES = {
    "target": "aws",
    "proxyProtocol": False,
    "region": "eu-central-1",
    "nodes": 2,
    "subnets": ["subnet-0123456789abcdef0"],
    "management": {"ranges": ["10.0.0.0/8"]},
    "clients": {"ranges": ["10.0.0.0/8"]},
}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "aws", Aws())
    monkeypatch.setitem(BALANCERS, "route53", Route53())


def stack(
    *doors: dict[str, Any], records: Any = RECORDS, cutover: Any = None, node: Any = PUBLIC, **cluster: Any
) -> Settings:
    given = {"target": "external", "version": "5.8.6", "edition": "ce", "nodes": [node], **cluster}
    balancer = {"target": "route53", "listeners": list(doors), "aws": {"records": records} if records else {}}
    raw: dict[str, Any] = {"live": "blue", "clusters": {"blue": given}, "balancer": balancer, "workDirectory": "w"}
    raw["cutover"] = cutover or {}
    assert replace_steps(raw) == []
    return declared(raw)


def wrong(settings: Settings) -> list[str]:
    found = [*placed.problems(settings), *listeners.problems(settings, {}, 0.0)]
    return [one.path.removeprefix("emqx:") for one in found]


def test_nodes_with_public_addresses_are_told_by_name_and_instances_without_checks() -> None:
    assert wrong(stack()) == []
    assert wrong(stack({"port": 8883, "protocol": "mqtts"}, {"port": 1883, "protocol": "mqtt"})) == []
    assert wrong(stack(records={**RECORDS, "checks": False}, node=NODE)) == []
    assert wrong(stack(records={**RECORDS, "checks": False}, **INSTANCES)) == []


@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        ({"records": None}, ["balancer.aws.records"]),
        ({"node": NODE}, ["clusters.blue.nodes[0].mqtt"]),
        ({"node": {**PUBLIC, "mqtt": "node.example.com:1883"}}, ["clusters.blue.nodes[0].mqtt"]),
        ({"node": {**PUBLIC, "mqtt": "[2001:db8::1]:1883"}}, ["clusters.blue.nodes[0].mqtt"]),
        ({"node": {**PUBLIC, "mqtt": "198.51.100.1:1884"}}, ["clusters.blue.nodes[0].mqtt"]),
        ({"proxyProtocol": True}, ["clusters.blue.proxyProtocol"]),
        ({"target": "local", "nodes": 1, "proxyProtocol": False}, ["clusters.blue.target"]),
        ({**INSTANCES}, ["balancer.aws.records.checks"]),
        ({**INSTANCES, "records": {**RECORDS, "checks": False}, "clients": {}}, ["clusters.blue.clients"]),
        ({"cutover": {"strategy": "rolling"}}, ["cutover.strategy"]),
    ],
)
def test_what_a_name_cannot_do_is_refused_before_anything_is_touched(settings: Any, paths: list[str]) -> None:
    assert wrong(stack(**settings)) == paths


def test_a_strategy_that_a_name_cannot_serve_is_refused_with_the_reason() -> None:
    refused = {
        word: placed.problems(stack(cutover={"strategy": word}))[0].allowed for word in ("rolling", "same-cluster")
    }
    assert "a name keeps nobody from a single node" in refused["rolling"]
    assert "same-cluster is not yet built there" in refused["same-cluster"]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"host": "127.0.0.1"}, "host"),
        ({"acceptProxy": True}, "acceptProxy"),
        ({"nodePort": 8884}, "nodePort"),
        ({"certificate": {"acm": "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b"}}, "certificate"),
    ],
)
def test_a_listener_is_the_nodes_own(given: dict[str, Any], word: str) -> None:
    assert wrong(stack({"port": 8883, "protocol": "mqtts", **given})) == [f"balancer.listeners[0].{word}"]


def test_instances_are_told_at_their_own_ports() -> None:
    door = {"port": 1884, "protocol": "mqtt"}
    assert wrong(stack(door, records={**RECORDS, "checks": False}, **INSTANCES)) == ["balancer.listeners"]


def test_elsewhere_there_is_no_name() -> None:
    settings = stack()
    other = settings.balancer.model_copy(update={"target": "network_load_balancer"})
    found = placed.problems(settings.model_copy(update={"balancer": other}))
    assert "emqx:balancer.aws.records" in [one.path for one in found]


@pytest.mark.parametrize("name", ["example", "example.com", "MQTT.example.com", "mqtt..example.com", "-m.example.com"])
def test_a_name_is_one_below_a_zone_in_small_letters(name: str) -> None:
    with pytest.raises(ValidationError):
        Records(zone="Z0123456789", name=name)


def test_the_plan_counts_the_waits_and_says_what_is_not_seen() -> None:
    settings = stack(cutover={"steps": [{"share": 10}, {"share": 100}], "portions": [100]})
    assert can_of(settings).spread_seconds == 120.0
    quick = stack(
        records={**RECORDS, "waitTtls": 1}, cutover={"steps": [{"share": 10}, {"share": 100}], "portions": [100]}
    )
    long, short = (weighed_of(one) for one in (settings, quick))
    assert long is not None
    assert short is not None
    assert long.most_seconds(10) - short.most_seconds(10) == 2 * 90.0
    told = limits(settings, 10)
    assert told is not None
    assert told.keeps_seconds is None
    assert (
        "after each change of the share it waits 120 s, until nobody is told the one of before any more" in told.cannot
    )
    assert any("resolvers that keep an answer for longer than its TTL" in one for one in told.cannot)


def test_shares_are_those_that_weights_up_to_255_have_exactly() -> None:
    fine = stack(cutover={"steps": [{"share": 0.5}, {"share": 33.5}, {"share": 100}]})
    assert weighed.problems(fine) == []
    assert [one.path for one in weighed.problems(stack(cutover={"steps": [{"share": 0.1}, {"share": 100}]}))] == [
        "emqx:cutover.steps[0].share"
    ]


def test_the_handle_has_the_check_of_each_node_or_where_it_is_asked_itself() -> None:
    nodes = tuple(Node(name=f"n{number}", api=f"http://198.51.100.{number}:18083", mqtt="m:1883") for number in (1, 2))
    inputs = WeighedBalancerInputs.model_validate(
        {
            "name": "emqx-prod",
            "kind": "route53",
            "region": "eu-central-1",
            "table": "t",
            "host": "mqtt.example.com",
            "stack": "prod",
            "live": "blue",
            "clusters": {"blue": ClusterHandle(colour="blue", nodes=nodes, version="5.8.6", edition="ee")},
            "doors": [{"protocol": "mqtt", "address": "*:1883"}],
            "soakSeconds": 0,
            "readySeconds": 5,
            "told": {"records": RECORDS, "checks": {"blue": ["a", "b"]}},
        }
    )
    named = inputs.handle.named
    assert named is not None
    assert (inputs.handle.mqtt, inputs.handle.weighed) == ("mqtt.example.com:1883", None)
    assert named.colours == {"blue": "blue.mqtt.example.com"}
    assert named.nodes == {"blue": {"n1": "a", "n2": "b"}}
    assert inputs.told is not None
    asked = inputs.told.model_copy(update={"checks": {}}).named(inputs.clusters).nodes["blue"]
    assert asked["n1"] == "http://198.51.100.1:18083/api/v5/load_rebalance/availability_check"


def record(name: str, kind: str, value: str, **more: Any) -> Any:
    fields = {"weight": None, "multi_value_answer": None, "health_check_id": None, "ttl": 30, **more}
    return SimpleNamespace(name=name, type=kind, records=[value], **fields)


def asked(records: list[Any], name: str = "mqtt.lab.test", *, sick: str = "", seed: int = 1) -> dns.message.Message:
    names = Names(lambda: records, lambda check: check != sick, Random(seed))
    return dns.message.from_wire(names.answered(dns.message.make_query(name, "A").to_wire()))


def addresses(answer: dns.message.Message) -> set[str]:
    return {one.to_text() for rrset in answer.answer for one in rrset if rrset.rdtype.name == "A"}


NODES = [
    record(
        f"{colour}.mqtt.lab.test.",
        "A",
        f"127.9.{number}.{node}",
        multi_value_answer=True,
        health_check_id=f"{colour}{node}",
    )
    for number, colour in enumerate(("blue", "green"))
    for node in (1, 2)
]


def weighted(blue: int, green: int) -> list[Any]:
    pair = (("blue", blue), ("green", green))
    return [record("mqtt.lab.test.", "CNAME", f"{one}.mqtt.lab.test", weight=weight) for one, weight in pair]


def test_a_name_is_answered_by_weight_and_leads_to_the_nodes_of_one_colour() -> None:
    found = Counter(min(addresses(asked([*weighted(1, 3), *NODES], seed=seed))) for seed in range(200))
    assert set(found) == {"127.9.0.1", "127.9.1.1"}
    assert found["127.9.1.1"] > found["127.9.0.1"]
    answer = asked([*weighted(0, 1), *NODES])
    assert addresses(answer) == {"127.9.1.1", "127.9.1.2"}
    assert [one.ttl for one in answer.answer] == [30, 30]


def test_a_node_that_is_not_well_is_left_out_unless_no_one_is() -> None:
    assert addresses(asked([*weighted(0, 1), *NODES], sick="green1")) == {"127.9.1.2"}
    alone = [NODES[2]]
    assert addresses(asked([*weighted(0, 1), *alone], sick="green1")) == {"127.9.1.1"}


def test_a_name_that_is_not_there_does_not_exist() -> None:
    assert asked(NODES, "other.lab.test").rcode() == dns.rcode.NXDOMAIN
