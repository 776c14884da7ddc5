"""HAProxy on instances of its own, its listeners and what is behind it, held against each other before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from components.balancer import listeners, placed
from components.balancer.aws import replicas_of
from components.intent import declared
from components.settings import Settings
from tests.unit.settings_bed import NODE

pytestmark = pytest.mark.unit
SUBNETS = ["subnet-0123456789abcdef0"]


def stack(
    *doors: dict[str, Any],
    target: str = "aws",
    strategy: str = "two-cluster",
    front: dict[str, Any] | None = None,
    **cluster: Any,
) -> Settings:
    external = {"target": "external", "version": "5.8.6", "nodes": [NODE], "proxyProtocol": True, **cluster}
    balancer = {"target": target, "listeners": list(doors), "aws": {"subnets": SUBNETS, **(front or {})}}
    cutover = {"strategy": strategy}
    stack_file = {"live": "blue", "clusters": {"blue": external}, "balancer": balancer, "cutover": cutover}
    return declared({**stack_file, "workDirectory": "w"})


@pytest.mark.parametrize("strategy", ["two-cluster", "same-cluster", "rolling"])
def test_every_strategy_may_be_declared_since_it_knows_clients(strategy: str) -> None:
    assert placed.problems(stack(strategy=strategy)) == []


def test_names_of_nodes_are_looked_up_and_nodes_have_to_be_told_who_a_client_is() -> None:
    named = stack(nodes=[{**NODE, "mqtt": "emqx-1.internal:1883"}])
    assert placed.problems(named) == []
    silent = placed.problems(stack(proxyProtocol=False))
    assert [one.path for one in silent] == ["emqx:clusters.blue.proxyProtocol"]


def test_its_instances_are_no_setting_of_another_balancer() -> None:
    instances = {"instances": {"instanceType": "c7i.xlarge"}}
    assert placed.problems(stack(front=instances)) == []
    other = placed.problems(stack(front=instances, target="network_load_balancer"))
    assert [one.path for one in other] == ["emqx:balancer.aws.instances"]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"host": "127.0.0.1"}, "host"),
        ({"acceptProxy": True}, "acceptProxy"),
        ({"certificate": {"named": "a"}}, "certificate"),
    ],
)
def test_what_a_listener_behind_a_network_load_balancer_does_not_have_is_refused(
    given: dict[str, Any], path: str
) -> None:
    found = listeners.problems(stack({"port": 1883, "protocol": "mqtt", **given}), {}, 0.0)
    assert f"emqx:balancer.listeners[0].{path}" in {one.path for one in found}


def test_two_instances_are_made_where_nothing_is_declared() -> None:
    one = stack()
    assert replicas_of(one) == 2
    more = one.balancer.model_copy(update={"replicas": 3})
    assert replicas_of(one.model_copy(update={"balancer": more})) == 3
