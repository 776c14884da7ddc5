"""What is said of acl.conf and of `enable_acl`: how a comment begins, and one wording for every zone."""

from __future__ import annotations

import pytest

from components.migration.permissions.erlang import TermError, parse
from tests.unit.hop_44_5_bed import how, run

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("text", ["# mine\n{allow, all}.\n", "{allow, all}.\n  # mine\n", "{allow, all}. # mine\n"])
def test_a_hash_is_no_comment_and_the_refusal_says_what_is(text: str) -> None:
    with pytest.raises(TermError, match="%% begins a comment") as caught:
        parse(text)
    assert caught.value.line == 1 + text[: text.index("#")].count("\n")


def test_a_switch_that_is_off_has_one_wording_whichever_zone_it_is_in() -> None:
    zones = ("external", "internal", "mine")
    listeners = {f"listener.tcp.{zone}": f"{at}" for at, zone in enumerate(zones, 1883)}
    used = {f"listener.tcp.{zone}.zone": zone for zone in zones}
    conversion = run({}, {**listeners, **used, **{f"zone.{zone}.enable_acl": "off" for zone in zones}})
    said = {(item.verdict, item.how, item.todo) for item in conversion.account.items if "enable_acl" in item.label}
    assert len(said) == 1
    assert {str(verdict) for verdict, _, _ in said} == {"changed"}


def test_a_zone_without_a_listener_needs_no_reading() -> None:
    conversion = run({}, {"zone.mine.enable_acl": "off", "listener.tcp.external": "1883"})
    assert "no listener is in this zone nothing" in how(conversion, "emqx.conf", 0)


def test_the_action_on_a_denial_is_one_for_all_zones_and_another_one_is_said() -> None:
    settings = {"acl_deny_action": "ignore", "zone.a.acl_deny_action": "ignore", "zone.b.acl_deny_action": "disconnect"}
    verdicts = {item.label: str(item.verdict) for item in run({}, settings).account.items}
    assert [verdicts[key] for key in settings] == ["carried", "carried", "changed"]
