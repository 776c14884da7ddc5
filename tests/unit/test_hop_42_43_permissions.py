"""4.2 -> 4.3, rules of the built-in database: sent one after the other they give 4.2's decisions, or the account says which are others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration import loading
from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts
from components.migration.hop_42_43.acl import applied
from components.migration.hop_42_43.convert import Converted, convert
from components.migration.manifest import Item, Verdict
from components.migration.permissions.before import Before, Row, evaluation_order
from components.migration.permissions.client import Access, Action, Client
from components.migration.rules import Clear
from tests.unit.hop_42_43_bed import PASSWORD, PATIENT, PLAN

pytestmark = pytest.mark.unit

OPEN = b"allow_anonymous = true\nacl_nomatch = allow\n"
ON = b"{emqx_auth_mnesia, true}.\n"


def rule(login: str, topic: str, allow: Any, action: str = "pub") -> dict[str, Any]:
    return {"login": login, "topic": topic, "action": action, "allow": allow}


def facts_of(
    rows: list[dict[str, Any]],
    users: list[dict[str, Any]] | None = None,
    *,
    credential: Any = "username",
    conf: bytes = OPEN,
    acl: bytes | None = b"{allow, all}.\n",
    loaded: bytes | None = ON,
    **more: Any,
) -> Facts:
    data = {"version": "4.2.14", "auth.mnesia.as": credential, "auth_mnesia": users or [], "acl_mnesia": rows, **more}
    facts = Facts(PLAN, export=Export("e.json", data))
    for name, text in (("emqx.conf", conf), ("acl.conf", acl), ("loaded_plugins", loaded)):
        facts = loading.add(facts, name, text) if text else facts
    return facts


def items_of(result: Converted, section: str = "acl_mnesia") -> list[Item]:
    return [item for item in result.account.items if item.section == section]


def bodies(result: Converted) -> list[dict[str, str]]:
    return [one.body for one in result.requests if one.method == "POST"]


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


# What a broker of each version does with rules, written down apart from the code under test.

LOGINS = ("u", "v", "$all", "root")
TOPICS = ("a", "a/b", "a/#", "a/+", "+/b", "#", "b", "%c", "a/%u", "$SYS/#", "$x/y", "+/%c")
ASKED = ("a", "a/b", "a/c", "b", "c/b", "c", "%c", "a/%u", "a/u", "c1", "a/c1", "c/%c", "$SYS/b", "$x/y", "$y/b")


def fits(topic: str, pattern: str) -> bool:
    if topic.startswith("$") and pattern[0] in "+#":
        return False
    levels, wanted = topic.split("/"), pattern.split("/")
    if wanted[-1] == "#":
        levels, wanted = levels[: len(wanted) - 1], wanted[:-1]
    return len(levels) == len(wanted) and all(one in ("+", level) for one, level in zip(wanted, levels, strict=True))


def decision_of_4_2(rows: list[dict[str, Any]], login: str, action: str, topic: str) -> str:
    """The oldest rule of the login first, then those of ``$all``; the export has the newest first."""
    for who in (login, "$all"):
        for row in reversed(rows):
            if row["login"] == who and row["action"] in {action, "pubsub"} and fits(topic, row["topic"]):
                return "allow" if row["allow"] else "deny"
    return "nobody"


def decision_of_4_3(sent: list[dict[str, str]], user: str, action: str, topic: str) -> str:
    """The last one that was sent decides, those of the user before those of all; names are put in."""
    for mine in (True, False):
        for body in reversed(sent):
            is_mine = body.get("username") == user if mine else "username" not in body
            pattern = "/".join({"%c": "c1", "%u": user}.get(word, word) for word in body["topic"].split("/"))
            if is_mine and body["action"] in {action, "pubsub"} and fits(topic, pattern):
                return body["access"]
    return "nobody"


OLD_RULE = st.fixed_dictionaries(
    {
        "login": st.sampled_from(LOGINS),
        "topic": st.sampled_from(TOPICS),
        "action": st.sampled_from(["pub", "sub", "pubsub"]),
        "allow": st.booleans(),
    }
)
ROWS = st.lists(OLD_RULE, max_size=8)
ROOT = [{"login": "root", "password": PASSWORD, "is_superuser": True}]


@PATIENT
@given(ROWS)
def test_the_requests_applied_in_order_give_4_2s_decisions_for_all_that_the_account_does_not_name(
    rows: list[dict[str, Any]],
) -> None:
    result = convert(facts_of(rows, ROOT))
    sent = bodies(result)
    named = [rows[item.at] for item in items_of(result) if item.verdict is not Verdict.CARRIED]
    assert all("%" in row["topic"] for row in named)
    for login in ("u", "v", "w"):
        for action in ("pub", "sub"):
            for topic in ASKED:
                was, is_now = decision_of_4_2(rows, login, action, topic), decision_of_4_3(sent, login, action, topic)
                if was != is_now:
                    assert any(row["login"] in (login, "$all") and fits(topic, row["topic"]) for row in named)
    for topic in ASKED:
        is_named = topic.startswith("$") and "narrower" in items_of(result, "auth_mnesia")[0].todo
        assert decision_of_4_3(sent, "root", "pub", topic) == "allow" or is_named


@PATIENT
@given(ROWS, st.sampled_from(["username", "clientid"]))
def test_both_models_decide_as_those_that_were_written_down_apart(rows: list[dict[str, Any]], credential: Any) -> None:
    result = convert(facts_of(rows, credential=credential))
    answers = {"allow": Access.ALLOW, "deny": Access.DENY, "nobody": Access.ALLOW}
    sent = [{"username" if key == "clientid" else key: value for key, value in one.items()} for one in bodies(result)]
    for login in ("u", "w"):
        client = Client("c1", login) if credential == "username" else Client(login, "somebody")
        for action, word in ((Action.PUBLISH, "pub"), (Action.SUBSCRIBE, "sub")):
            for topic in ASKED:
                old, new = (
                    result.sides.old.decide(client, action, topic),
                    result.sides.new.decide(client, action, topic),
                )
                assert old is answers[decision_of_4_2(rows, login, word, topic)]
                assert new is answers[decision_of_4_3(sent, login, word, topic)]


@PATIENT
@given(ROWS)
def test_what_is_read_back_is_what_4_3_asks_in_its_order(rows: list[dict[str, Any]]) -> None:
    result = convert(facts_of(rows, ROOT))
    by_login = applied(result.requests)
    answers = [one for one in result.requests if one.method == "GET"]
    assert len(answers) == len(by_login)
    for one, listed in zip(answers, by_login.values(), strict=True):
        assert [(row["topic"], row["action"], row["access"]) for row in one.answer] == [
            (row.topic, row.action, row.access) for row in listed
        ]


DONE, SAID = st.sampled_from(["pub", "sub"]), st.sampled_from(["allow", "deny"])
TIED = st.builds(Row, st.just("all"), st.just(""), st.sampled_from(TOPICS), DONE, SAID, st.integers(1, 3))


@PATIENT
@given(st.lists(TIED, max_size=8, unique_by=lambda row: (row.topic, row.action)))
def test_4_3_asks_the_newest_first_and_of_one_millisecond_by_topic_and_action_and_never_by_access(
    rows: list[Row],
) -> None:
    ordered = evaluation_order(rows)
    assert ordered == sorted(rows, key=lambda row: (row.created_at, row.topic.encode(), row.action), reverse=True)
    turned = [row._replace(access={"allow": "deny", "deny": "allow"}[row.access]) for row in rows]
    assert [row[:4] for row in evaluation_order(turned)] == [row[:4] for row in ordered]


def test_an_allow_of_a_longer_topic_comes_before_a_deny_in_the_same_millisecond() -> None:
    rows = evaluation_order([Row("all", "", "b/#", "sub", "deny", 5), Row("all", "", "b/open", "sub", "allow", 5)])
    side = Before(rows={("all", ""): rows}, sources=("built_in_database",))
    assert side.decide(Client("c"), Action.SUBSCRIBE, "b/open") is Access.ALLOW
