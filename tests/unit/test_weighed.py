"""What a stack may ask of a balancer that does not know clients, refused before anything is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components.balancer import BALANCERS, weighed
from components.cutover.capabilities import Capabilities
from components.cutover.portions import Weighed
from components.cutover.steps import parse_steps
from components.emqx.errors import Refused
from components.intent import declared, mover_of, replace_steps
from components.lasting import weighed_of
from components.links.opening import open_run
from components.routers.registry import ROUTERS, Kind
from components.settings import Settings
from tests.unit.fake_world import UNFINISHED, fleet
from tests.unit.settings_bed import config

pytestmark = [pytest.mark.unit, *UNFINISHED]

NLB = Capabilities("new-connections", finest_parts=10, keeps_seconds=3_600.0)
Declare = Callable[..., Settings]


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """A stack whose balancer can do no more than that."""

    def declare(can: Capabilities = NLB, **changes: Any) -> Settings:
        monkeypatch.setitem(ROUTERS, BALANCERS["local"].router, Kind(lambda _: None, can))  # type: ignore[arg-type, return-value]  # nobody makes one
        raw = {**config(**changes), "workDirectory": "w"}
        assert replace_steps(raw) == []
        return declared(raw)

    return declare


def wrong(settings: Settings) -> dict[str, str]:
    return {one.path: one.allowed for one in weighed.problems(settings)}


def test_shares_that_the_balancer_cannot_have_are_refused(blind: Declare) -> None:
    assert wrong(blind(cutover__steps=[{"share": 0.25}, {"share": 100}])) == {
        "emqx:cutover.steps[0].share": "a multiple of 0.1 percent"
    }
    assert wrong(blind(cutover__steps=[{"share": 0.5}, {"share": 100}])) == {}
    alone = Capabilities("all-or-nothing", finest_parts=10_000)
    assert "all or nothing" in wrong(blind(alone))["emqx:cutover.steps[0].share"]
    assert wrong(blind(alone, cutover__steps=[{"share": 100}])) == {}


def test_holds_that_outlast_the_connections_are_refused_without_a_client(blind: Declare) -> None:
    long = [{"hold": 86_400}, {"share": 10}, {"hold": 3_600}, {"share": 100}]
    assert "less than 3600 s between" in wrong(blind(cutover__steps=long))["emqx:cutover.steps"]
    assert wrong(blind(Capabilities("new-connections"), cutover__steps=long)) == {}
    assert wrong(blind(cutover__steps=[{"hold": 86_400}, {"share": 100}, {"hold": 86_400}])) == {}


def test_portions_that_do_not_rise_to_a_hundred_are_refused(blind: Declare) -> None:
    assert "emqx:cutover.portions[1]" in wrong(blind(cutover__portions=[50, 20, 100]))


def test_in_one_cluster_open_source_nodes_have_no_mover_behind_it(blind: Declare) -> None:
    ce = {"clusters__blue__edition": "ce", "clusters__green__edition": "ce"}
    assert "emqx:cutover.strategy" in wrong(blind(cutover__strategy="same-cluster", **ce))
    assert wrong(blind(cutover__strategy="same-cluster")) == {}
    assert wrong(blind(**ce)) == {}


def test_behind_a_balancer_that_hides_the_clients_from_ours_nobody_is_closed_one_by_one() -> None:
    """docs/emqx/balancer.md#behind-another-balancer: unless the nodes know them by our balancer's own address."""
    ce = {"clusters__blue__edition": "ce", "clusters__green__edition": "ce"}
    plain, hidden = {"port": 1883, "protocol": "mqtt"}, {"port": 1884, "protocol": "mqtt", "acceptProxy": True}
    own = {"clusters__blue__proxyProtocol": False, "clusters__green__proxyProtocol": False}

    def stack(*listeners: dict[str, Any], **changes: Any) -> Settings:
        raw = {**config(**ce, **changes, balancer__listeners=list(listeners)), "workDirectory": "w"}
        assert replace_steps(raw) == []
        return declared(raw)

    assert mover_of(stack(hidden)).mover == "kick"
    assert "emqx:cutover.strategy" in wrong(stack(hidden, cutover__strategy="same-cluster"))
    for found in (stack(plain, hidden), stack(hidden, **own)):
        assert mover_of(found).mover == "close"
    assert wrong(stack(hidden, cutover__strategy="same-cluster", **own)) == {}


def test_on_enterprise_the_nodes_move_their_clients_and_on_open_source_a_kick_does_both_in_portions(
    blind: Declare,
) -> None:
    assert mover_of(blind()).mover == "evacuation"
    settings = blind(clusters__blue__edition="ce", cutover__portions=[20, 100])
    assert (mover_of(settings).mover, mover_of(settings).portions) == ("kick", (20.0, 100.0))
    assert weighed_of(settings) is not None


async def test_an_update_that_nobody_previewed_refuses_a_drain_that_outlasts_connections_before_it_takes_the_lease() -> (
    None
):
    world = fleet(300)
    world.router.can = NLB
    slow = Weighed(
        steps=parse_steps([{"share": 10}, {"hold": 3_590}, {"share": 100}]),
        portions=(100.0,),
        mover="kick",
        budget_per_second=20,
    )
    opening: dict[str, Any] = {"budget_per_second": 20, "keep_stale": False}
    with pytest.raises(Refused, match="300 clients at 20/s"):
        await open_run(world.run("a"), "green", ("blue", "green"), (), weighed=slow, **opening)
    assert world.ledger.memory == {}
    fast = slow.model_copy(update={"budget_per_second": 100})
    opened = await open_run(world.run("a"), "green", ("blue", "green"), (), weighed=fast, **opening)
    assert opened.direction == "forward"
