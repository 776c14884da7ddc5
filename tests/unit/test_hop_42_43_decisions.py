"""4.2 -> 4.3, rules of the built-in database: each decision is that of a model of both brokers that was written down apart from the code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.hop_42_43.acl import applied
from components.migration.hop_42_43.convert import convert
from components.migration.manifest import Verdict
from components.migration.permissions.before import Before, Row, evaluation_order
from components.migration.permissions.client import Access, Action, Client
from tests.unit.hop_42_43_bed import PASSWORD, PATIENT
from tests.unit.hop_42_43_rules_bed import bodies, facts_of, items_of

pytestmark = pytest.mark.unit

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
