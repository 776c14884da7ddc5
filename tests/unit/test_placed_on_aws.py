"""A balancer on AWS, its listeners and what is behind it, held against each other before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from components.balancer import BALANCERS, listeners, placed
from components.balancer.network_load_balancer import NetworkLoadBalancer
from components.intent import declared
from components.settings import Settings
from components.strategies import STRATEGIES
from components.targets import TARGETS
from components.targets.aws import Aws
from tests.unit.settings_bed import NODE

pytestmark = pytest.mark.unit

ACM = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b"
SUBNETS = ["subnet-0123456789abcdef0"]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "aws", Aws())
    monkeypatch.setitem(BALANCERS, "network_load_balancer", NetworkLoadBalancer())


def stack(
    *doors: dict[str, Any],
    subnets: list[str] = SUBNETS,
    strategy: str = "two-cluster",
    blue: dict[str, Any] | None = None,
    **cluster: Any,
) -> Settings:
    external = blue or {"target": "external", "version": "5.8.6", "nodes": [NODE], **cluster}
    balancer = {"target": "network_load_balancer", "listeners": list(doors), "aws": {"subnets": subnets}}
    return declared(
        {
            "live": "blue",
            "clusters": {"blue": external},
            "balancer": balancer,
            "cutover": {"strategy": strategy},
            "workDirectory": "w",
        }
    )


def wrong(*doors: dict[str, Any]) -> list[str]:
    found = listeners.problems(stack(*doors), {}, 0.0)
    return [one.path.removeprefix("emqx:balancer.listeners") for one in found]


def test_tls_ends_with_a_certificate_of_certificate_manager_or_is_passed_on() -> None:
    assert wrong({"port": 8883, "protocol": "mqtts", "certificate": {"acm": ACM}}) == []
    assert wrong({"port": 8883, "protocol": "mqtts", "nodePort": 8883}) == []
    assert wrong({"port": 8883, "protocol": "mqtts", "certificate": {"named": "front"}}) == ["[0].certificate"]
    assert wrong({"port": 1883, "protocol": "mqtt", "certificate": {"acm": ACM}}) == ["[0].certificate"]
    assert wrong({"port": 1883, "protocol": "mqtt", "nodePort": 1884}) == ["[0].nodePort"]


@pytest.mark.parametrize(
    ("given", "path"),
    [({"host": "127.0.0.1"}, "host"), ({"acceptProxy": True}, "acceptProxy"), ({"clientCa": "a.pem"}, "clientCa")],
)
def test_what_a_network_load_balancer_does_not_have_is_refused(given: dict[str, Any], path: str) -> None:
    assert wrong({"port": 1883, "protocol": "mqtt", **given}) == [f"[0].{path}"]


def test_elsewhere_its_words_are_refused() -> None:
    raw = {"port": 8883, "protocol": "mqtts", "certificate": {"acm": ACM}}
    blue = {"target": "local", "version": "5.8.6", "nodes": 1, "proxyProtocol": True}
    local = declared(
        {"live": "blue", "clusters": {"blue": blue}, "balancer": {"listeners": [raw]}, "workDirectory": "w"}
    )
    assert "for a balancer on AWS" in " ".join(one.allowed for one in listeners.problems(local, {}, 0.0))


def test_nodes_behind_it_are_reached_by_addresses_in_its_vpc() -> None:
    assert placed.problems(stack()) == []
    named = placed.problems(stack(nodes=[{**NODE, "mqtt": "emqx-1.internal:1883"}]))
    assert [one.path for one in named] == ["emqx:clusters.blue.nodes[0].mqtt"]
    local = placed.problems(stack(target="local", nodes=1))
    assert [one.path for one in local] == ["emqx:clusters.blue.target"]
    assert [one.path for one in placed.problems(stack(subnets=[]))] == ["emqx:balancer.aws.subnets"]


def test_nodes_are_in_the_region_of_their_balancer_which_is_that_of_pulumis_provider() -> None:
    def instances(region: str) -> Settings:
        where = {"region": region, "subnets": SUBNETS, "management": {"ranges": ["10.0.0.0/8"]}}
        return stack(blue={"target": "aws", "version": "5.8.6", "edition": "ee", "nodes": 1, **where})

    assert placed.problems(instances("eu-central-1")) == []
    (problem,) = placed.problems(instances("eu-west-1"))
    assert (problem.path, problem.value) == ("emqx:clusters.blue.region", "eu-west-1")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_offered_behind_it(strategy: str) -> None:
    assert placed.problems(stack(strategy=strategy)) == []
