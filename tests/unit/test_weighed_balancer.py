"""The weights are the cutover's: what somebody else has set is drift, which a preview shows and an update takes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.aws import clients
from components.cutover.words import COLOURS, Colour
from components.emqx.models import BalancerHandle, ClusterHandle, Credentials, Endpoint, Node
from components.ledger.dynamodb import DynamodbLedger
from components.resources import fronted
from components.resources.weighed_balancer import WeighedBalancerProvider
from components.resources.weighed_inputs import WeighedBalancerInputs
from components.routers import network_load_balancer
from components.system.aside import aside
from tests.aws_bed import REGION, make_table
from tests.nlb_bed import PORTS, Cloud, balancer

pytestmark = pytest.mark.unit
TABLE = "emqx-prod-cutover"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(network_load_balancer, "POLL_SECONDS", 0.0)
    with balancer() as made:
        yield made


@pytest.fixture
def declared(cloud: Cloud) -> WeighedBalancerInputs:
    """The balancer as the stack has it, with green's share of 10 % in its ledger and on its listeners."""
    make_table(TABLE)

    async def begin() -> None:
        async with DynamodbLedger(REGION, TABLE).held(None) as writing:
            await writing.write(share=1_000)
        await cloud.router().set_share(1_000)

    aside(begin())
    clusters: dict[Colour, ClusterHandle] = {
        colour: ClusterHandle(
            colour=colour, version="5.8.9", nodes=(Node(name=name, api=f"http://{at}:18083", mqtt=f"{at}:1883"),)
        )
        for colour, nodes in cloud.weighed.nodes.items()
        for at, name in nodes.items()
    }
    return WeighedBalancerInputs(
        name="emqx-prod",
        kind="network_load_balancer",
        region=REGION,
        table=TABLE,
        group="sg-1",
        host="lb",
        stack="prod",
        live="blue",
        clusters=clusters,
        listeners=cloud.weighed.listeners,
        groups=cloud.weighed.groups,
        doors=[Endpoint(protocol="mqtt", address=f"*:{port}") for port in PORTS],
        soak_seconds=0,
        ready_seconds=0,
    )


@pytest.mark.parametrize(
    ("changed", "drifted"),
    [
        ({}, False),
        ({0: {"blue": 90, "green": 10}, 1: {"blue": 90, "green": 10}}, False),  # the same share by other numbers
        ({1: {"blue": 1, "green": 1}}, True),
        ({0: {"blue": 0, "green": 1}, 1: {"blue": 0, "green": 1}}, True),
        ({0: {"blue": 0, "green": 0}}, True),
    ],
)
def test_weights_that_somebody_else_has_set_are_shown_as_an_update_which_sets_them_back(
    cloud: Cloud, declared: WeighedBalancerInputs, changed: dict[int, dict[str, int]], drifted: bool
) -> None:
    for number, weights in changed.items():
        cloud.by_hand(number, **weights)
    provider, state = WeighedBalancerProvider(), declared.model_dump(mode="json")
    assert provider.diff("emqx-prod", state, state).changes is drifted
    if drifted:
        provider.credentials = dict.fromkeys(COLOURS, Credentials(api_key="key", api_secret="secret"))
        provider.act(declared, state)
        assert cloud.weights() == [{"blue": 9, "green": 1}] * 2
        assert provider.diff("emqx-prod", state, state).changes is False


def test_a_balancer_that_cannot_be_asked_is_no_reason_for_an_update(
    declared: WeighedBalancerInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "Throttling", "Message": "slower"}}, "DescribeListeners")

    monkeypatch.setattr(clients.client(REGION, "elbv2"), "describe_listeners", throttled)
    state = declared.model_dump(mode="json")
    assert WeighedBalancerProvider().diff("emqx-prod", state, state).changes is False


def test_a_colour_that_leaves_is_judged_by_the_balancer_that_there_is_also_in_a_check_which_has_no_outputs(
    declared: WeighedBalancerInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[BalancerHandle] = []

    async def judged(_: Any, balancer: BalancerHandle, __: float) -> None:
        asked.append(balancer)

    monkeypatch.setattr(fronted, "refuse_leaving", judged)
    provider = WeighedBalancerProvider()
    provider.credentials = dict.fromkeys(COLOURS, Credentials(api_key="key", api_secret="secret"))
    alone = declared.model_copy(update={"clusters": {"blue": declared.clusters["blue"]}})
    assert provider.check(declared.model_dump(mode="json"), alone.model_dump(mode="json")).failures == []
    assert asked == [declared.handle]
