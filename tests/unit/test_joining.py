"""Green's nodes are members that are right, seen twice by every node, before the balancer may reach them; or the update ends and blue serves on."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from components.cutover.words import Colour
from components.emqx.account import Account
from components.emqx.errors import GaveUp, NotNow, Refused, VerificationFailed
from components.emqx.models import KeeperHandle, Node
from components.emqx.probes import Answer
from components.ledger.base import LEASE
from components.links import joining, readiness
from components.links.joining import join
from components.migration.inventory import Inventory, Section
from tests.unit.fake_world import UNFINISHED
from tests.unit.one_cluster_bed import USERS, OneCluster

pytestmark = [pytest.mark.unit, *UNFINISHED]


class Door:
    """What the MQTT ports answer; ``open_for`` is how many questions a colour lets everybody in for (recording A1: twice, at a join)."""

    def __init__(self) -> None:
        self.open_for = {"blue": 0, "green": 0}
        self.asked = 0

    def prober(self, node: Node, **_: Any) -> At:
        return At(self, node)


class At:
    """The port of one node."""

    def __init__(self, door: Door, node: Node) -> None:
        self.door, self.node = door, node

    async def connects(self, _level: int, account: Account | None, password: str | None) -> Answer:
        self.door.asked += 1
        colour = self.node.name.partition("@")[2]
        everybody = self.door.open_for[colour] > 0
        self.door.open_for[colour] -= everybody
        right = account is not None and password == account.password
        return Answer(accepted=right or everybody, seen="CONNACK 0x00" if right or everybody else "CONNACK 0x87")


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    found = Door()
    monkeypatch.setattr(readiness, "Prober", found.prober)

    async def probe(*_: Any) -> Any:
        return "blue", {}, []

    monkeypatch.setattr(joining, "probe", probe)
    return found


def world(*, keeper: bool = True) -> OneCluster:
    found = OneCluster([f"dev-{number}" for number in range(5)], evacuates=False)
    found.ledger.memory[LEASE] = "a"
    if keeper:
        for api in found.apis.values():
            api.handle = api.handle.model_copy(update={"keeper": KeeperHandle(kind="local", place="/x")})
    return found


async def test_members_that_are_right_are_verified_and_compared_node_by_node(door: Door) -> None:
    here = world()
    node = here.member("green").node
    here.ledger.memory["servers"] = f"green/{quote(node)}=maint"
    here.router.states["green", node] = "maint"
    facts = await join(here.run("a"), "green", limit_seconds=60)
    assert facts["nodes"] == [node]
    assert here.router.states["green", node] == "ready"
    assert "servers" not in here.ledger.memory
    assert facts["unlike"] == []
    assert here.invited == []


async def test_a_new_node_that_keeps_no_durable_storage_is_found_before_it_gets_a_client(door: Door) -> None:
    here = world()

    class Kept:
        async def sites(self) -> dict[str, str]:
            return {"B2A7": here.member("blue").node}

    for api in here.apis.values():
        api.storage = Kept()
    with pytest.raises(VerificationFailed, match=r"durable storage: expected a site, found no site"):
        await join(here.run("a"), "green", limit_seconds=60)
    assert set(here.at.values()) == {"blue"}
    assert door.asked


async def test_a_node_that_lets_everybody_in_for_a_moment_is_looked_at_until_it_does_not_twice(door: Door) -> None:
    here = world()
    door.open_for["green"] = 7
    await join(here.run("a"), "green", limit_seconds=60)
    assert door.open_for["green"] == 0


async def test_a_node_that_never_joins_ends_it_within_its_time_with_the_reason_and_what_to_do(door: Door) -> None:
    here = world()
    here.apart = {"green"}
    began = here.clock.now()
    with pytest.raises(GaveUp) as late:
        await join(here.run("a"), "green", limit_seconds=60)
    assert here.clock.now() - began < 65
    assert f"{here.member('green').node} is a cluster of its own" in late.value.seen
    assert "cookie of blue" in late.value.todo
    assert door.asked == 0, "it would let anybody in: nothing is to be learned from a probe"
    assert here.journal == [], "nothing was opened"
    here.apart = set()
    await join(here.run("a"), "green", limit_seconds=60)


@pytest.mark.parametrize("why", ["lets everybody in", "dead", "answers 500"])
async def test_a_node_that_never_is_ready_ends_it_within_its_time_and_is_named_and_corrected_the_next_run_lets_it_in(
    door: Door, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    here = world()
    green = here.member("green")
    last = {
        "lets everybody in": f"{green.node}: a wrong password got CONNACK 0x00",
        "dead": "asking on emqx@green: nothing",
        "answers 500": "500 noproc",
    }
    door.open_for["green"] = 1_000_000 if why == "lets everybody in" else 0
    green.dead = why == "dead"

    async def noproc(node: str) -> None:
        raise NotNow("GET users", node=node, seen="500 noproc", todo="wait")

    began = here.clock.now()
    with monkeypatch.context() as patch:
        if why == "answers 500":
            patch.setattr(green, "ask_authenticators", noproc)
        with pytest.raises(GaveUp, match=last[why]) as late:
            await join(here.run("a"), "green", limit_seconds=60)
    assert here.clock.now() - began < 65
    assert "not ready after 60 s" in late.value.seen
    assert here.journal == [], "nothing was opened"
    assert set(here.at.values()) == {"blue"}
    door.open_for["green"], green.dead = 0, False
    await join(here.run("a"), "green", limit_seconds=60)


async def test_nodes_that_are_not_ours_are_invited(door: Door) -> None:
    here = world(keeper=False)
    here.apart, here.at = {"green"}, {}
    await join(here.run("a"), "green", limit_seconds=60)
    assert here.invited == [here.member("green").node]


async def test_an_invitation_that_fails_is_told_with_its_reason(door: Door) -> None:
    here = world(keeper=False)
    here.apart, here.at, here.refuses_invitation = {"green"}, {}, "nodedown"
    with pytest.raises(GaveUp, match="invited, emqx@green did not join: nodedown"):
        await join(here.run("a"), "green", limit_seconds=20)


async def test_a_node_with_clients_of_its_own_is_not_invited(door: Door) -> None:
    here = world(keeper=False)
    here.apart = {"green"}
    here.at["somebody"] = "green"
    with pytest.raises(Refused, match="1 clients are connected to it"):
        await join(here.run("a"), "green", limit_seconds=20)
    assert here.invited == []


async def test_a_healthy_node_that_answers_500_for_a_moment_is_unknown_and_not_failed(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, times = world(), iter(range(100))
    blue = here.member("blue")
    real = blue.cluster_members

    async def cluster_members(node: str, **more: Any) -> tuple[str, ...]:
        if next(times) < 4:
            raise NotNow("GET /cluster", node=node, seen="500 INTERNAL_ERROR", todo="wait")
        return await real(node, **more)

    monkeypatch.setattr(blue, "cluster_members", cluster_members)
    await join(here.run("a"), "green", limit_seconds=60)


async def test_a_node_whose_tables_or_permissions_are_others_is_not_verified(door: Door) -> None:
    here = world()
    green = here.member("green")
    green.inventories[green.node] = Inventory(
        {"users:password_based:built_in_database": Section({}), "retained": Section({})}
    )
    with pytest.raises(VerificationFailed, match="emqx@green: users:password_based:built_in_database"):
        await join(here.run("a"), "green", limit_seconds=60)
    green.inventories.clear()
    green.text = "authentication = [{ mechanism = password_based, backend = http }]"
    with pytest.raises(VerificationFailed, match="authenticator"):
        await join(here.run("a"), "green", limit_seconds=60)
    green.text = "mqtt { max_inflight = 7 }"
    assert len((await join(here.run("a"), "green", limit_seconds=60))["unlike"]) == 1


@pytest.mark.parametrize("colour", ["blue", "green"])
async def test_a_list_that_is_empty_for_a_moment_is_no_difference(
    door: Door, monkeypatch: pytest.MonkeyPatch, colour: Colour
) -> None:
    here, asked = world(), iter(range(100))
    one = here.member(colour)
    whole = Inventory({**USERS.sections, "connectors": Section({"http:hook": 1})})
    for api in (here.member("blue"), here.member("green")):
        api.inventories[api.node] = whole
    empty = Inventory({**USERS.sections, "connectors": Section({})})

    async def inventory(*, node: str = "") -> Inventory:
        return empty if next(asked) < (2 if colour == "blue" else 1) else whole

    monkeypatch.setattr(one, "inventory", inventory)
    await join(here.run("a"), "green", limit_seconds=60)
    assert next(asked) >= 2, "it was asked again"


async def test_a_first_licence_that_is_too_small_is_refused_before_it_holds(door: Door) -> None:
    here = world()
    green = here.member("green")
    green.licensed = 4
    with pytest.raises(VerificationFailed, match=r"licence: .*room for 5 sessions.*a licence for 4, which holds once"):
        await join(here.run("a"), "green", limit_seconds=60)
    assert set(here.at.values()) == {"blue"}
    here.member(
        "blue"
    ).licensed = 4  # Enterprise already: the cluster's sessions are counted, and a move makes none more
    await join(here.run("a"), "green", limit_seconds=60)
    here.member("blue").licensed, green.licensed = None, 5
    await join(here.run("a"), "green", limit_seconds=60)


async def test_what_clients_write_between_two_looks_is_no_difference(door: Door) -> None:
    here = world()
    green = here.member("green")
    green.inventories[green.node] = Inventory({**USERS.sections, "retained": Section({"r/2": 1})})
    await join(here.run("a"), "green", limit_seconds=60)
