"""A deny that a conversion would lose is found by the account alone, and by the proof alone; a retained message by its count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.cutover.versions import parse
from components.emqx.errors import Refused
from components.emqx.models import MqttAccount
from components.links.conversion import Summary, summary, told, unacknowledged
from components.links.retained import count_or_refuse, unread
from components.migration.facts import Facts, Plan
from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.hop_44_5.acl import RULES
from components.migration.loading import add
from components.migration.moving import moving
from components.migration.prove import before_of, prove_conversion, used
from tests.unit.fake_world import World
from tests.unit.hop_44_5_bed import LOADED, NOW, user

pytestmark = pytest.mark.unit

NOTHING = Summary(
    tally={}, not_given=(), losses=(), losses_left_out=0, decisions=9, wider=0, narrower=0, unknown=0, proof=()
)


def test_the_account_alone_stops_it() -> None:
    lossy = NOTHING.model_copy(update={"losses": ("acl_mnesia a: dropped, no rule",)})
    assert list(unacknowledged(lossy, ["permissions"])) == ["conversion"]
    assert unacknowledged(lossy, ["conversion"]) == {}


@pytest.mark.parametrize("found", [{"wider": 1}, {"unknown": 1}])
def test_the_proof_alone_stops_it(found: dict[str, int]) -> None:
    wider = NOTHING.model_copy(update=found)
    assert list(unacknowledged(wider, ["conversion"])) == ["permissions"]
    assert unacknowledged(wider, ["conversion", "permissions"]) == {}


ROWS = [
    {"type": "username", "type_value": "user-0", "topic": topic, "action": "pubsub", "access": access, "created_at": at}
    for at, (topic, access) in enumerate((("plant/#", "allow"), ("plant/secret", "deny")), 1)
]
DENY = Source({"version": "4.4", "auth_mnesia": [user("user-0")], "acl_mnesia": ROWS}, "e.json", (), LOADED)


def test_a_deny_that_was_not_written_is_found_by_the_proof_though_the_account_says_that_it_was_carried() -> None:
    made = convert(DENY, "4.4.19", "5.8.9", Options(now=NOW))
    assert widened(DENY, made) == 0
    lost = [replace(one, body=without_denies(one.body)) if one.path.startswith(RULES) else one for one in made.requests]
    assert lost != list(made.requests)
    assert widened(DENY, replace(made, requests=tuple(lost))) > 0
    assert not [one for one in made.account.losses() if one.section == "acl_mnesia"]


def widened(source: Source, made: Conversion) -> int:
    """How many decisions the proof finds wider."""
    return prove_conversion(made, before_of(source), used(source.export or {}), 10_000).widened


def without_denies(body: Any) -> Any:
    """Rules as a conversion would send them that forgets what is denied."""
    if isinstance(body, list):
        return [without_denies(one) for one in body]
    return {**body, "rules": [one for one in body["rules"] if one["permission"] != "deny"]}


def test_what_only_a_hook_denied_is_found_by_the_account_alone() -> None:
    hooked = replace(
        DENY, export={**(DENY.export or {}), "modules": [{"type": "exhook", "enabled": True, "config": {}}]}
    )
    made = convert(hooked, "4.4.19", "5.8.9", Options(now=NOW))
    assert widened(hooked, made) == 0, "a proof on the data cannot see it"
    assert any("what they denied is not denied" in one.how for one in made.account.losses())


def test_what_is_proven_and_whole_needs_no_word() -> None:
    assert unacknowledged(NOTHING, []) == {}
    assert told(NOTHING, "here") == ["conversion: 0 items, 0 carried, 0 changed, 0 dropped; here"]


def test_retained_messages_are_lost_only_when_nobody_may_read_them_and_somebody_said_so() -> None:
    account = MqttAccount(username="reader", password="x")
    assert unread(0, None, acknowledged=False) == {}
    assert unread(3, account, acknowledged=False) == {}
    assert unread(3, None, acknowledged=True) == {}
    assert "3 retained messages" in unread(3, None, acknowledged=False)["retained"]
    assert "an unknown number" in unread(None, None, acknowledged=False)["retained"]


async def test_a_retained_message_that_nobody_may_read_ends_the_update_before_green_is_touched() -> None:
    world = World(["dev"])
    api: Any = world.apis["blue"]

    async def five() -> int:
        return 5

    api.retained_messages = five
    with pytest.raises(Refused, match=r"emqx:credentials\.blue\.retained.*acknowledge: \[retained\]"):
        await count_or_refuse(world.run("a"), "blue", None, acknowledged=False)
    await count_or_refuse(world.run("a"), "blue", None, acknowledged=True)


def test_of_a_conversion_the_first_losses_are_told_and_the_others_counted() -> None:
    plan = Plan(parse("4.4.19"), parse("5.8.9"), "ce", "ce", strategy="two-cluster")
    rows = "".join(f"zone.external.strange_{number} = 1\n" for number in range(30))
    facts = add(Facts(plan), "etc/emqx.conf", f"allow_anonymous = false\n{rows}".encode())
    short = summary(moving(facts, now=0.0))
    assert len(short.losses) == 20
    assert short.losses_left_out >= 10
    assert short.not_given
