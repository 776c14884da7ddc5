"""4.2 -> 4.3, rules of the built-in database: sent one after the other they give 4.2's decisions, or the account says which are others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.migration import loading
from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts
from components.migration.hop_42_43.convert import convert
from components.migration.manifest import Verdict
from components.migration.permissions.client import Access, Action, Client
from components.migration.rules import Clear
from tests.unit.hop_42_43_bed import PASSWORD, PLAN
from tests.unit.hop_42_43_rules_bed import ON, OPEN, bodies, facts_of, items_of, rule

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"login": "u", "topic": "t", "action": "x", "allow": True},
        {"login": "u", "topic": 1, "action": "pub", "allow": True},
        {"login": "u", "topic": "t", "action": "pub", "allow": "maybe"},
        {"type": "all", "type_value": "u", "topic": "t", "action": "sub", "access": "allow"},
    ],
)
def test_a_rule_that_is_none_is_named(row: dict[str, Any]) -> None:
    result = convert(facts_of([row]))
    assert result.requests == ()
    assert [item.verdict for item in items_of(result)] == [Verdict.DROPPED]


def test_the_newest_of_the_export_is_sent_first_and_the_archive_has_none() -> None:
    rows = [rule("u", "b/secret", False), rule("u", "b/#", True), rule("$all", "z/#", False, "pubsub")]
    result = convert(facts_of(rows))
    assert bodies(result) == [
        {"username": "u", "topic": "b/secret", "action": "pub", "access": "deny"},
        {"username": "u", "topic": "b/#", "action": "pub", "access": "allow"},
        {"topic": "z/#", "action": "pubsub", "access": "deny"},
    ]
    assert json.loads(result.texts["e.json"])["acl_mnesia"] == []
    assert [item.verdict for item in items_of(result)] == [Verdict.CARRIED] * 3
    assert "as a rule for all" in items_of(result)[2].how
    after = Facts(PLAN, export=Export("e.json", json.loads(result.texts["e.json"])))
    assert [DETECTORS[one](after) for one in ("43-41", "43-44", "43-45")] == [Clear()] * 3


@pytest.mark.parametrize(
    ("allow", "conf", "acl", "words"),
    [
        (False, OPEN, b"{allow, all}.\n", "pub e/%c was deny, is allow: wider"),
        (True, OPEN, b"{deny, all}.\n", "pub e/%c was allow, is deny: narrower"),
        (True, OPEN, b"{allow, all}.\n", "no decision changes by it"),
        (False, b"", None, "pub e/%c was deny: now acl.conf and acl_nomatch decide, which were not given"),
    ],
)
def test_a_literal_placeholder_is_left_out_and_the_account_says_by_which_decision_that_is_wider_or_narrower(
    allow: bool, conf: bytes, acl: bytes | None, words: str
) -> None:
    result = convert(facts_of([rule("bob", "e/%c", allow), rule("bob", "d", True)], conf=conf, acl=acl))
    left_out, kept = items_of(result)
    assert (left_out.verdict, kept.verdict) == (Verdict.DROPPED, Verdict.CARRIED)
    assert words in left_out.how
    assert [body["topic"] for body in bodies(result)] == ["d"]


def test_a_rule_of_a_plugin_that_was_off_does_not_become_effective() -> None:
    rows = [rule("u", "t", False)]
    for loaded in (b"{emqx_auth_username, true}.\n{emqx_auth_mnesia, false}.\n", b"{emqx_retainer, true}.\n"):
        result = convert(facts_of(rows, [{"login": "u", "password": PASSWORD, "is_superuser": True}], loaded=loaded))
        assert result.requests == ()
        assert [item.verdict for item in (*items_of(result), *items_of(result, "auth_mnesia"))] == [Verdict.DROPPED] * 2
        assert json.loads(result.texts["e.json"])["auth_mnesia"] == []
    assert bodies(convert(facts_of(rows, loaded=None)))


def test_a_user_of_a_merged_plugin_that_was_off_does_not_become_effective() -> None:
    users = [{"username": "u", "password": PASSWORD}]
    assert json.loads(convert(facts_of([], auth_username=users)).texts["e.json"])["auth_username"] == []
    on = convert(facts_of([], auth_username=users, loaded=ON + b"{emqx_auth_username, true}.\n"))
    assert json.loads(on.texts["e.json"])["auth_username"] == users


def test_a_superuser_of_the_files_is_one_too() -> None:
    facts = loading.add(
        facts_of([rule("root", "a", False)]),
        "emqx_auth_mnesia.conf",
        b"auth.mnesia.1.login = root\nauth.mnesia.1.password = x\nauth.mnesia.1.is_superuser = true\n"
        b"auth.mnesia.2.login = bob\nauth.mnesia.2.password = x\nauth.mnesia.2.is_superuser = false\n",
    )
    result = convert(facts)
    assert bodies(result)[-1] == {"username": "root", "topic": "#", "action": "pubsub", "access": "allow"}
    assert "bob" not in str(bodies(result))
    assert "superuser" in items_of(result)[0].how


def test_a_user_of_the_database_is_no_superuser_for_what_a_file_says() -> None:
    conf = b"auth.mnesia.1.login = u\nauth.mnesia.1.password = x\nauth.mnesia.1.is_superuser = true\n"
    plain = facts_of([], [{"login": "u", "password": PASSWORD, "is_superuser": False}])
    assert convert(loading.add(plain, "emqx_auth_mnesia.conf", conf)).requests == ()
    assert convert(loading.add(facts_of([]), "emqx_auth_mnesia.conf", conf)).requests != ()


def test_the_roots_of_rules_are_allowed_to_a_superuser_by_their_name() -> None:
    rows = [rule("$all", "$queue/x", False), rule("root", "$SYS/#", False)]
    result = convert(facts_of(rows, [{"login": "root", "password": PASSWORD, "is_superuser": True}]))
    for topic in ("a", "$SYS/x", "$queue/x", "$delayed/5/t", "%c/x"):
        assert result.sides.new.decide(Client("c", "root"), Action.PUBLISH, topic) is Access.ALLOW, topic


def test_a_time_of_enterprise_is_turned_into_an_order() -> None:
    typed = {"type": "username", "type_value": "u", "action": "pub", "topic": "t"}
    rows = [
        {**typed, "access": "deny", "created_at": 1},
        {**typed, "topic": "#", "access": "allow", "created_at": 9},
        {"type": "all", "topic": "t", "action": "sub", "access": "allow", "created_at": 3},
    ]
    result = convert(facts_of(rows))
    assert [(body["topic"], body["access"]) for body in bodies(result)] == [
        ("t", "deny"),
        ("#", "allow"),
        ("t", "allow"),
    ]
    assert {item.verdict for item in items_of(result)} == {Verdict.CARRIED}


def test_enterprise_puts_names_into_its_rules_so_that_these_are_sent_as_they_are() -> None:
    row = {"type": "all", "topic": "own/%c/#", "action": "pubsub", "access": "allow", "created_at": 3}
    result = convert(facts_of([row]))
    assert [body["topic"] for body in bodies(result)] == ["own/%c/#"]
    assert {item.verdict for item in items_of(result)} == {Verdict.CARRIED}
    for side in (result.sides.old, result.sides.new):
        assert side.decide(Client("c1"), Action.PUBLISH, "own/c1/x") is Access.ALLOW
        assert (
            side.decide(Client("c1"), Action.PUBLISH, "own/%c/x") is not Access.ALLOW or side.no_match is Access.ALLOW
        )


def test_which_of_two_rules_of_one_millisecond_enterprise_asks_first_is_not_known() -> None:
    typed = {"type": "username", "type_value": "u", "action": "pub", "created_at": 7}
    rows = [
        {**typed, "topic": "t/#", "access": "allow"},
        {**typed, "topic": "t/+", "access": "deny"},
        {**typed, "topic": "s", "access": "deny", "created_at": 9},
    ]
    result = convert(facts_of(rows))
    assert [item.verdict for item in items_of(result)] == [Verdict.CHANGED, Verdict.CHANGED, Verdict.CARRIED]
    assert all("same millisecond" in item.how for item in items_of(result)[:2])
    asked = {topic: result.sides.old.judge(Client("c", "u"), Action.PUBLISH, topic) for topic in ("t/x", "t/x/y", "s")}
    assert asked == {"t/x": (asked["t/x"][0], False), "t/x/y": (Access.ALLOW, True), "s": (Access.DENY, True)}


def test_a_hundred_thousand_rules_are_accounted_for() -> None:
    rows = [rule(f"u{at // 10}", f"t/{at % 7}/#", at % 2 == 0) for at in range(100_000)]
    result = convert(facts_of(rows))
    assert result.account.tally()["acl_mnesia"] == {"source": 100_000, "carried": 100_000, "changed": 0, "dropped": 0}
    assert len(bodies(result)) == 100_000


def test_many_rules_that_cannot_be_said_are_named_within_a_bound() -> None:
    rows = [rule("u", f"%c/{at}", False) for at in range(20_000)]
    listed = items_of(convert(facts_of(rows)))
    assert {item.verdict for item in listed} == {Verdict.DROPPED}
    assert "prove says more" in listed[-1].how
