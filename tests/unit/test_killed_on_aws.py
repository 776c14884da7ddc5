"""Killed at any call of AWS, and run again: the nodes' keeper, the balancer's weights and its ledger end as if nothing had been, and what a killed update leaves is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.aws.clients import client
from components.aws.place import AwsPlace
from components.emqx.models import BalancerHandle, Credentials
from components.instances import nodes as instances
from components.instances.nodes import Running, Watching, complete, found, handle_of, strays, wait_for
from components.instances.volumes import kept
from components.keepers import aws
from components.keepers.base import Running as Runs
from components.keepers.registry import keeper_of
from components.ledger import versioned
from components.ledger.base import Record
from components.ledger.dynamodb import DynamodbLedger
from components.machines.parameters import DECLARED, NODES
from components.routers import network_load_balancer
from components.routers.network_load_balancer import NetworkLoadBalancerRouter
from components.routers.share import set_share, settle
from tests.aws_bed import REGION, account, make_instances, make_subnets, make_table
from tests.nlb_bed import Cloud, balancer

pytestmark = pytest.mark.unit
KEY = Credentials(api_key="key", api_secret="secret")
BLUE = Running(
    region=REGION, prefix="emqx-prod", colour="blue", version="5.8.9", edition="ee", nodes=2, proxy_protocol=True
)
OLD, NEW = Runs("5.8.6", "ee"), Runs("5.8.9", "ee")
TABLE = "emqx-prod-cutover"
MOST_CALLS = 60


class Killed(BaseException):
    """As after SIGKILL: nothing catches it."""


@contextmanager
def killed_after(number: int, *services: str) -> Iterator[list[str]]:
    """The call of that number is made and its answer never seen, which is also to be killed before the next one; the calls until then."""
    calls: list[str] = []

    def done(model: Any, **_: Any) -> None:
        calls.append(model.name)
        if len(calls) == number:
            raise Killed

    clients = [client(REGION, one) for one in services]  # type: ignore[call-overload]  # words of its overloads
    for one in clients:
        one.meta.events.register("after-call.*.*", done)
    try:
        yield calls
    except Killed:
        pass
    finally:
        for one in clients:
            one.meta.events.unregister("after-call.*.*", done)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(network_load_balancer, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(versioned, "POLL_SECONDS", 0.0)
    with balancer() as made:
        make_table(TABLE)
        yield made


def parts_of(cloud: Cloud) -> tuple[NetworkLoadBalancerRouter, DynamodbLedger]:
    place = AwsPlace(region=REGION)
    handle = BalancerHandle(
        router="network_load_balancer", mqtt="lb:1883", admin=(), maps=TABLE, aws=place, weighed=cloud.weighed
    )
    return NetworkLoadBalancerRouter(handle), DynamodbLedger(REGION, TABLE, stale_seconds=0.0)


async def test_a_share_that_was_set_half_is_settled_by_the_next_run(cloud: Cloud) -> None:
    for number in range(1, MOST_CALLS):
        router, ledger = parts_of(cloud)
        await set_share(router, ledger, 1_000, holder=None)
        with killed_after(number, "elbv2", "dynamodb") as calls:
            await set_share(*parts_of(cloud), 5_000, holder=None)
        router, ledger = parts_of(cloud)
        await settle(router, ledger)
        share = (await ledger.read()).share
        assert share in {1_000, 5_000}, calls
        assert await router.share() == share, calls
        await set_share(router, ledger, 5_000, holder=None)
        assert (await ledger.read(), await router.share()) == (Record(5_000, {}), 5_000)
        if len(calls) < number:
            break
    assert 5 <= number < MOST_CALLS
    assert {"PutItem", "ModifyListener", "DescribeListeners"} <= set(calls)


class Node:
    """The first node of a colour, and what it says that it runs."""

    def __init__(self, blue: Running, place: Path) -> None:
        self.blue, self.handle, self.place = blue, handle_of(blue, found(blue)), place
        self.name, self.runs = self.handle.nodes[0].name, OLD

    def told(self) -> tuple[str, bool]:
        """The state of its instance, and whether a keeper has it."""
        first = found(self.blue)[0]
        return first.state, first.kept

    async def says(self, *_: Any) -> Runs | None:
        return self.runs if self.told()[0] == "running" else None

    async def roll(self) -> None:
        keeper = keeper_of(self.handle, KEY)
        assert keeper is not None
        if await keeper.runs(self.name) != NEW:
            await keeper.stop(self.name)
            await keeper.back_up(self.name, self.place)
            self.runs = NEW
        await keeper.start(self.name, "5.8.9", "ee")


async def test_a_node_whose_roll_is_killed_anywhere_is_stopped_copied_once_and_started_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "POLL_SECONDS", 0)
    with account():
        subnets = make_subnets()
        for number in range(1, MOST_CALLS):
            blue = BLUE.model_copy(update={"prefix": f"emqx-{number}", "nodes": 1})
            make_instances(blue, subnets)
            node = Node(blue, tmp_path / str(number) / "copy")
            monkeypatch.setattr(aws, "says", node.says)
            name, value = f"/{blue.prefix}/blue/{DECLARED}", "5.8.9 ee repository"
            client(REGION, "ssm").put_parameter(Name=name, Value=value, Type="String")
            with killed_after(number, "ec2", "ssm") as calls:
                await node.roll()
            made = len(calls)
            await node.roll()
            assert node.told() == ("running", False), calls
            assert len([one for one in kept(blue) if "delete-snapshot" in one]) == 1, calls
            if made < number:
                break
    assert 10 <= number < MOST_CALLS


@pytest.fixture
def doubled() -> Iterator[tuple[str, list[str]]]:
    """A colour of two whose first instance is there twice: an update was killed before it knew of the first one; that one, and the colour's own."""
    with account():
        subnets = make_subnets()
        left = make_instances(BLUE.model_copy(update={"nodes": 1}), subnets)
        yield left[0], make_instances(BLUE, subnets)


def name_nodes(ids: list[str]) -> None:
    there = {one.id: one.address for one in instances._tagged(BLUE)}
    named = "\n".join(f"emqx@{there[one]}" for one in ids)
    client(REGION, "ssm").put_parameter(Name=f"/emqx-prod/blue/{NODES}", Value=named, Type="String", Overwrite=True)


async def test_an_instance_that_a_killed_update_has_left_is_waited_for_by_nobody_and_told(
    doubled: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, ours = doubled
    name_nodes(ours)
    assert [one.id for one in found(BLUE)] == ours
    assert strays(BLUE) == [f"aws ec2 terminate-instances --region {REGION} --instance-ids {left}  # emqx-prod-blue-0"]
    assert complete(BLUE)

    async def nobody(*_: Any) -> list[str]:
        return []

    monkeypatch.setattr(instances, "_silent", nobody)
    handle = await wait_for(BLUE, KEY, Watching(0, lambda: None, lambda _: None))
    assert handle.aws is not None
    assert sorted(handle.aws.instances.values()) == sorted(ours)


def test_before_the_nodes_are_named_all_of_them_are_the_colours(doubled: tuple[str, list[str]]) -> None:
    left, ours = doubled
    assert sorted(one.id for one in found(BLUE)) == sorted([left, *ours])
    assert strays(BLUE) == []
