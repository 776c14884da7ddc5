"""Delayed publish: 4.4 asks for `$delayed/N/topic`, 5.x for the topic behind it; what was denied is denied, or delayed publish is off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.migration.hop_44_5 import Options, Source, convert
from components.migration.permissions.after import dialects
from components.migration.permissions.client import Access, Action, Client
from components.migration.prove import after_of, before_of, prove

pytestmark = pytest.mark.unit
ON = {"loaded_plugins": "{emqx_auth_mnesia, true}.\n", "loaded_modules": "{emqx_mod_acl_internal, true}.\n"}
EVERYBODY = {"type": "all", "topic": "#", "action": "pub", "access": "allow", "created_at": 1}
TOPIC = "$delayed/5/secret/x"


def rows(topic: str, access: str) -> Source:
    row = {**EVERYBODY, "topic": topic, "access": access, "created_at": 9}
    delayed = {**EVERYBODY, "topic": "$delayed/#", "created_at": 2}
    return Source({"version": "4.4", "acl_mnesia": [row, delayed, EVERYBODY]}, "e.json", (), ON)


def file(text: str) -> Source:
    return Source({"version": "4.4"}, "e.json", (), {**ON, "acl.conf": text})


def decisions(source: Source, to: str = "5.8.11") -> tuple[Access, set[Access]]:
    conversion = convert(source, "4.4.19", to, Options(now=1.0))
    numbers = tuple(map(int, to.split(".")))
    new = {
        after_of(conversion, one).decide(Client("c"), Action.PUBLISH, TOPIC)
        for one in dialects((numbers[0], numbers[1], numbers[2]))
    }
    return before_of(source).decide(Client("c"), Action.PUBLISH, TOPIC), new


@pytest.mark.parametrize("topic", ["$delayed/#", "$delayed/+/#", "$delayed/+/secret/#", "$delayed/5/secret/x"])
@pytest.mark.parametrize("to", ["5.8.0", "5.8.11", "5.9.1", "6.3.1"])
def test_a_delayed_message_that_was_denied_is_denied(topic: str, to: str) -> None:
    exact = f'{{deny, all, publish, [{{eq, "{topic}"}}]}}.\n{{allow, all}}.\n'
    sources = [rows(topic, "deny"), file(f'{{deny, all, publish, ["{topic}"]}}.\n{{allow, all}}.\n'), file(exact)]
    for source in sources:
        was, is_now = decisions(source, to)
        assert was is Access.ALLOW or is_now == {Access.DENY}
        assert prove(source, "4.4.19", to, topics=[TOPIC]).widened == 0


def test_the_delay_that_was_denied_is_off_and_said_to_be() -> None:
    conversion = convert(rows("$delayed/#", "deny"), "4.4.19", "5.8.11", Options(now=1.0))
    assert conversion.config["delayed"]["enable"] is False
    said = [one.how for one in conversion.account.items if one.section == "acl_mnesia" and one.at == 0]
    assert "delayed publish is off" in said[0]


def test_an_allow_for_the_delay_alone_allows_nothing_more() -> None:
    source = Source({"version": "4.4", "acl_mnesia": [{**EVERYBODY, "topic": "$delayed/+/secret/x"}]}, "e.json", (), ON)
    assert decisions(source) == (Access.ALLOW, {Access.DENY})
    conversion = convert(source, "4.4.19", "5.8.11", Options(now=1.0))
    assert [str(one.verdict) for one in conversion.account.items if one.section == "acl_mnesia"] == ["changed"]


def test_the_model_sees_a_deny_that_would_be_lost() -> None:
    on = {**ON, "loaded_modules": "{emqx_mod_acl_internal, true}.\n{emqx_mod_delayed, true}.\n"}
    source: Any = replace(rows("$delayed/+/secret/#", "deny"), files=on)
    conversion = convert(source, "4.4.19", "5.8.11", Options(now=1.0))
    for request in conversion.requests:
        if request.path.endswith("rules/all"):
            request.body["rules"][0]["topic"] = "$delayed/+/secret/#"
    new = after_of(conversion, dialects((5, 8, 11))[0])
    assert new.decide(Client("c"), Action.PUBLISH, TOPIC) is Access.ALLOW
