"""Router network_load_balancer over moto: weights on every listener, who is healthy, and how often AWS is asked."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from components.aws import clients
from components.emqx.errors import BadInput, NotNow, Refused
from components.emqx.models import BalancerHandle
from components.routers import network_load_balancer
from components.routers.listed import listed
from components.routers.network_load_balancer import NetworkLoadBalancerRouter
from tests.aws_bed import REGION
from tests.nlb_bed import Cloud, balancer

pytestmark = pytest.mark.unit


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(network_load_balancer, "POLL_SECONDS", 0.0)
    with balancer() as made:
        yield made


async def test_a_share_is_set_on_every_listener_and_read_back(cloud: Cloud) -> None:
    router = cloud.router()
    assert await router.share() == 0
    await router.set_share(1_000)
    assert cloud.weights() == [{"blue": 9, "green": 1}] * 2
    assert await router.share() == 1_000
    await router.set_share(10_000)
    assert cloud.weights() == [{"blue": 0, "green": 1}] * 2
    assert await cloud.router().share() == 10_000


async def test_a_listener_that_is_as_it_should_be_is_not_touched_since_each_change_starts_the_hour(
    cloud: Cloud,
) -> None:
    router = cloud.router()
    await router.set_share(1_000)
    cloud.by_hand(1, blue=5, green=5)
    cloud.calls.clear()
    await router.set_share(1_000)
    assert cloud.calls["ModifyListener"] == 1
    cloud.calls.clear()
    await router.set_share(1_000)
    assert cloud.calls["ModifyListener"] == 0


async def test_a_colour_that_is_new_gets_its_group_even_where_its_share_is_nothing(cloud: Cloud) -> None:
    """Without it AWS would never look whether its nodes are healthy."""
    await cloud.router().set_share(0)
    assert cloud.weights() == [{"blue": 1, "green": 0}] * 2


async def test_listeners_that_disagree_are_refused_and_named(cloud: Cloud) -> None:
    await cloud.router().set_share(1_000)
    cloud.by_hand(1, blue=1, green=1)
    with pytest.raises(Refused, match=r"listeners disagree: .* has 1000, .* has 5000"):
        await cloud.router().share()


async def test_a_colour_that_left_is_taken_out_of_the_action_so_that_its_group_can_go(cloud: Cloud) -> None:
    await cloud.router().set_share(10_000)
    cloud.weighed = cloud.weighed.model_copy(update={"groups": {"green": cloud.weighed.groups["green"]}})
    router = cloud.router()
    await router.set_share(10_000)
    found = cloud.api.describe_listeners(ListenerArns=list(cloud.weighed.listeners))["Listeners"]
    groups = [one["DefaultActions"][0]["ForwardConfig"]["TargetGroups"] for one in found]
    assert [[group["TargetGroupArn"] for group in some] for some in groups] == [
        [arn] for arn in cloud.weighed.groups["green"]
    ]
    with pytest.raises(BadInput, match="give it to a colour of green"):
        await router.set_share(0)


async def test_however_often_a_run_asks_aws_is_asked_once_in_a_while(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    router, now = cloud.router(), [1.0]
    monkeypatch.setattr("components.routers.asking.time", SimpleNamespace(monotonic=lambda: now[0]))
    for _ in range(200):
        await router.share()
        await router.health()
    assert cloud.calls == {"DescribeListeners": 1, "DescribeTargetHealth": 4}
    now[0] += network_load_balancer.FRESH_SECONDS
    await router.share()
    assert cloud.calls["DescribeListeners"] == 2


async def test_a_group_that_a_cutover_has_brought_in_is_known_before_the_next_update(cloud: Cloud) -> None:
    await cloud.router().set_share(10_000)
    found = listed(REGION, "nlb", "table")
    assert found is not None
    assert found.weighed is not None
    assert found.weighed.groups == cloud.weighed.groups
    assert await NetworkLoadBalancerRouter(found).share() == 10_000


async def test_what_was_set_is_what_is_told_next_whatever_was_seen_before(cloud: Cloud) -> None:
    router = cloud.router()
    assert await router.share() == 0
    await router.set_share(5_000)
    assert await router.share() == 5_000


async def test_a_node_is_healthy_when_it_is_for_every_listener(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await cloud.router().health() == {"blue": {"emqx@10.0.1.1": True}, "green": {"emqx@10.0.1.2": True}}
    worse = cloud.weighed.groups["green"][1]
    clean = clients.client(REGION, "elbv2").describe_target_health

    def unwell(**asked: Any) -> Any:
        found = clean(**asked)
        if asked["TargetGroupArn"] == worse:
            found["TargetHealthDescriptions"][0]["TargetHealth"]["State"] = "unhealthy"
        return found

    monkeypatch.setattr(clients.client(REGION, "elbv2"), "describe_target_health", unwell)
    assert await cloud.router().health() == {"blue": {"emqx@10.0.1.1": True}, "green": {"emqx@10.0.1.2": False}}


async def test_a_node_that_is_taken_out_gets_no_new_connections_and_comes_back(cloud: Cloud) -> None:
    router = cloud.router()
    await router.set_server("green", "emqx@10.0.1.2", "drain")
    await router.set_server("green", "emqx@10.0.1.2", "maint")  # which it is already
    servers = await router.servers()
    assert (servers["green"]["emqx@10.0.1.2"].state, servers["blue"]["emqx@10.0.1.1"].state) == ("drain", "ready")
    assert (await router.health())["green"] == {"emqx@10.0.1.2": False}
    await router.set_server("green", "emqx@10.0.1.2", "ready")
    assert (await router.servers())["green"]["emqx@10.0.1.2"].state == "ready"
    with pytest.raises(Refused, match="has none of green"):
        await router.set_server("green", "emqx@10.9.9.9", "drain")


async def test_a_node_that_its_groups_still_have_is_not_taken_for_out(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients.client(REGION, "elbv2"), "deregister_targets", lambda **_: None)
    with pytest.raises(NotNow, match="say otherwise"):
        await cloud.router(read_back_seconds=0.05).set_server("green", "emqx@10.0.1.2", "drain")


async def test_a_change_that_is_not_read_in_time_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients.client(REGION, "elbv2"), "modify_listener", lambda **_: None)
    with pytest.raises(NotNow, match="shows other weights than"):
        await cloud.router(read_back_seconds=0.05).set_share(1_000)


async def test_it_says_how_it_is_ended_and_knows_no_connection(cloud: Cloud) -> None:
    router = cloud.router()
    assert "delete-load-balancer" in router.end_command
    assert ":loadbalancer/" in router.end_command
    assert await router.connections() == {}
    assert await router.find("blue", ["10.0.0.1:5"]) == {}
    assert await router.close("blue", {"10.0.0.1:5": "x"}) == frozenset()
    assert await router.mark() == {}
    assert router.replicas() == [router]


def test_a_handle_without_listeners_is_refused() -> None:
    with pytest.raises(BadInput, match="no listeners"):
        NetworkLoadBalancerRouter(BalancerHandle(mqtt="m:1", admin=(), maps="t"))
