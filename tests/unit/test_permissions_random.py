"""No deny becomes an allow, on random sources and in every corner that one was found in; and an equal decision is the rule."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import Options, Source, convert
from components.migration.hop_44_5.source import patch
from components.migration.permissions.after import dialects
from components.migration.permissions.client import Access, Action, Client
from components.migration.permissions.compare import compare
from components.migration.prove import after_of, before_of
from tools.bench_proof import TARGETS, is_reported, prove_one

pytestmark = pytest.mark.unit


def test_ten_thousand_random_decisions_are_equal_or_narrower_and_then_reported() -> None:
    rng, decisions, equal = random.Random(7), 0, 0
    while decisions < 10_000:
        proof, conversion, _, source = prove_one(rng, 100)
        if proof is None or conversion is None:
            continue
        assert proof.widened == 0, (source, proof.differences)
        assert not proof.narrowed or is_reported(conversion), (source, proof.differences)
        decisions += proof.decisions
        equal += proof.decisions - proof.narrowed
    assert equal > decisions * 0.6


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_no_seed_finds_a_deny_that_became_an_allow(seed: int) -> None:
    proof, conversion, _, source = prove_one(random.Random(seed), 60)
    if proof is not None and conversion is not None:
        assert proof.widened == 0, (source, proof.differences)
        assert not proof.narrowed or is_reported(conversion), (source, proof.differences)


def decide(source: Source, target: str, client: Client, action: Action, topic: str) -> tuple[Access, set[Access]]:
    """The decision before, and those of every dialect that the target may speak."""
    conversion = convert(source, "4.4.19", target, Options(credential="username"))
    after = {after_of(conversion, dialect).decide(client, action, topic) for dialect in dialects(patch(target))}
    return before_of(source).decide(client, action, topic), after


def rows(*given: tuple[str, str, str, int]) -> Source:
    """A built-in ACL for everybody: (access, action, topic, created_at), and acl.conf that allows the rest."""
    listed = [
        {"type": "all", "topic": topic, "action": action, "access": access, "created_at": at}
        for access, action, topic, at in given
    ]
    return Source({"version": "4.4", "acl_mnesia": listed}, "e.json", KNOWN, {**ON, "acl.conf": "{allow, all}."})


KNOWN = (Setting("emqx.conf", 1, "acl_nomatch", "allow"), Setting("emqx.conf", 2, "allow_anonymous", "true"))
ON = {"loaded_plugins": "{emqx_auth_mnesia, true}.\n", "loaded_modules": "{emqx_mod_acl_internal, true}.\n"}
DEV = Client("dev", "user")


def file(text: str, no_match: str = "allow") -> Source:
    return Source(None, "", (Setting("emqx.conf", 1, "acl_nomatch", no_match),), {**ON, "acl.conf": text})


@pytest.mark.parametrize("target", TARGETS)
def test_a_newer_deny_under_a_wider_allow_stays_a_deny(target: str) -> None:
    source = rows(("allow", "pub", "cmd/#", 1), ("deny", "pub", "cmd/secret", 2))
    assert decide(source, target, DEV, Action.PUBLISH, "cmd/secret") == (Access.DENY, {Access.DENY})
    assert decide(source, target, DEV, Action.PUBLISH, "cmd/open") == (Access.ALLOW, {Access.ALLOW})


@pytest.mark.parametrize("target", TARGETS)
def test_an_older_deny_under_a_newer_allow_stays_an_allow(target: str) -> None:
    source = rows(("deny", "pub", "cmd/secret", 1), ("allow", "pub", "cmd/+", 2))
    assert decide(source, target, DEV, Action.PUBLISH, "cmd/secret") == (Access.ALLOW, {Access.ALLOW})


@pytest.mark.parametrize("target", TARGETS)
def test_of_one_millisecond_the_deny_of_the_longer_topic_decides(target: str) -> None:
    source = rows(("allow", "pub", "cmd/#", 5), ("deny", "pub", "cmd/secret", 5))
    assert decide(source, target, DEV, Action.PUBLISH, "cmd/secret") == (Access.DENY, {Access.DENY})


@pytest.mark.parametrize("target", TARGETS)
def test_rules_of_the_client_come_before_those_of_the_user_and_those_before_everybodys(target: str) -> None:
    listed = [
        {"type": "all", "topic": "t", "action": "pub", "access": "deny", "created_at": 3},
        {"type": "username", "type_value": "user", "topic": "t", "action": "pub", "access": "allow", "created_at": 1},
        {"type": "clientid", "type_value": "other", "topic": "t", "action": "pub", "access": "deny", "created_at": 1},
    ]
    source = Source({"version": "4.4", "acl_mnesia": listed}, "e.json", KNOWN, ON)
    assert decide(source, target, DEV, Action.PUBLISH, "t") == (Access.ALLOW, {Access.ALLOW})
    assert decide(source, target, Client("other", "user"), Action.PUBLISH, "t") == (Access.DENY, {Access.DENY})
    assert decide(source, target, Client("x", "y"), Action.PUBLISH, "t") == (Access.DENY, {Access.DENY})


@pytest.mark.parametrize("target", TARGETS)
def test_a_client_named_like_a_wildcard_gets_no_topic_of_others(target: str) -> None:
    source = file('{allow, all, pubsub, ["dev/%c/#"]}.\n{deny, all}.')
    for name in ("+", "#", "a/b", "dev"):
        before, after = decide(source, target, Client(name), Action.PUBLISH, "dev/victim/x")
        assert after == {before} == {Access.DENY}
    assert decide(source, target, Client("victim"), Action.PUBLISH, "dev/victim/x") == (Access.ALLOW, {Access.ALLOW})


@pytest.mark.parametrize("target", TARGETS)
def test_deny_all_is_for_dollar_topics_too(target: str) -> None:
    source = file('{allow, all, publish, ["a"]}.\n{deny, all}.', "allow")
    assert decide(source, target, DEV, Action.SUBSCRIBE, "$testtopic/1") == (Access.DENY, {Access.DENY})


@pytest.mark.parametrize("target", TARGETS)
def test_plain_text_that_5_x_would_read_as_a_template_allows_nobody_more(target: str) -> None:
    source = file('{allow, all, publish, ["p/${clientid}", "eq q/#"]}.\n{deny, all}.')
    for topic in ("p/dev", "q/#", "q/x"):
        before, after = decide(source, target, DEV, Action.PUBLISH, topic)
        assert after == {before} == {Access.DENY}


@pytest.mark.parametrize("target", TARGETS)
def test_without_a_user_name_nobody_is_called_undefined(target: str) -> None:
    source = rows(("allow", "pub", "u/%u", 1))
    closed = Source(source.export, "e", KNOWN, {**ON, "acl.conf": "{deny, all}."})
    assert decide(closed, target, Client("dev"), Action.PUBLISH, "u/undefined") == (Access.DENY, {Access.DENY})
    assert decide(closed, target, DEV, Action.PUBLISH, "u/user") == (Access.ALLOW, {Access.ALLOW})


def test_rules_that_44_did_not_ask_allow_nothing_on_5_x() -> None:
    row = {"type": "all", "topic": "t", "action": "pub", "access": "allow", "created_at": 1}
    for export, files in (
        ({"modules": []}, {}),
        ({}, {"loaded_plugins": "{emqx_retainer, true}.\n", "loaded_modules": ""}),
    ):
        source = Source({"version": "4.4", "acl_mnesia": [row], **export}, "e", (), files)
        assert decide(source, "5.8.11", DEV, Action.PUBLISH, "t") == (Access.DENY, {Access.DENY})


def test_the_model_is_not_blind_a_converter_that_loses_the_order_is_found_out() -> None:
    source = rows(("allow", "pub", "cmd/#", 1), ("deny", "pub", "cmd/secret", 2))
    wrong = rows(("allow", "pub", "cmd/#", 2), ("deny", "pub", "cmd/secret", 1))
    lost = after_of(convert(wrong, "4.4.19", "5.8.11"), dialects((5, 8, 11))[0])
    proof = compare(before_of(source), [lost], [(DEV, Action.PUBLISH, "cmd/secret")])
    assert proof.widened == 1
    assert "WIDER" in str(proof)
