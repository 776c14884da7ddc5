"""4.2 -> 4.3, access rules of the built-in database: a decision of 4.2 stands on 4.3, or a rule of it is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts
from components.migration.hop_42_43.export import convert_export
from components.migration.manifest import Ledger, Verdict
from components.migration.rules import Clear
from tests.unit.hop_42_43_bed import PATIENT, PLAN, users

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"login": "u", "topic": "t", "action": "x", "allow": True},
        {"login": "u", "topic": 1, "action": "pub", "allow": True},
        {"login": "u", "topic": "t", "action": "pub", "allow": "maybe"},
    ],
)
def test_a_rule_that_is_none_is_named(row: dict[str, Any]) -> None:
    ledger = Ledger()
    assert convert_export(users(acl_mnesia=[row]), "username", ledger)["acl_mnesia"] == []
    assert ledger.account().items[0].verdict is Verdict.DROPPED


def test_a_deny_that_an_allow_may_overtake_is_changed() -> None:
    rows = [
        {"login": "u", "topic": "cmd/secret", "action": "pubsub", "allow": False},
        {"login": "u", "topic": "cmd/#", "action": "pub", "allow": True},
    ]
    ledger = Ledger()
    convert_export(users(acl_mnesia=rows), "username", ledger)
    assert [item.verdict for item in ledger.account().items] == [Verdict.CHANGED, Verdict.CARRIED]


def test_a_rule_for_everybody_still_binds_everybody() -> None:
    rows = [
        {"login": "$all", "topic": "cmd/#", "action": "pub", "allow": False},
        {"login": "u", "topic": "own/%c", "action": "pub", "allow": True},
        {"login": "u", "topic": "own/x", "action": "pub", "allow": True},
    ]
    ledger = Ledger()
    data = convert_export(users(acl_mnesia=rows), "clientid", ledger)
    everybody, *others = data["acl_mnesia"]
    # Without type_value the import of 4.3 takes a rule for all (emqx_mgmt_data_backup do_import_acl_mnesia).
    assert everybody == {**rows[0], "type": "all", "access": "deny"}
    assert {row["type_value"] for row in others} == {"u"}
    assert [item.verdict for item in ledger.account().items] == [Verdict.CHANGED, Verdict.CHANGED, Verdict.CARRIED]
    after = Facts(PLAN, export=Export("out.json", data))
    assert DETECTORS["43-44"](after) == Clear()


def matches(topic: str, pattern: str) -> bool:
    levels, wanted = topic.split("/"), pattern.split("/")
    if wanted[-1] == "#":
        return levels[: len(wanted) - 1] == wanted[:-1] if "+" not in wanted else fits(levels, wanted[:-1])
    return len(levels) == len(wanted) and fits(levels, wanted)


def fits(levels: list[str], wanted: list[str]) -> bool:
    return len(levels) >= len(wanted) and all(one in {"+", level} for one, level in zip(wanted, levels, strict=False))


def decision_of_4_2(rows: list[dict[str, Any]], login: str, action: str, topic: str) -> bool | None:
    """The login's own rules in their order, then those of ``$all`` (emqx-auth-mnesia of 4.2, do_check_acl)."""
    for who in (login, "$all"):
        for row in rows:
            if row["login"] == who and row["action"] in {action, "pubsub"} and matches(topic, row["topic"]):
                return bool(row["allow"])
    return None


def decisions_of_4_3(rows: list[dict[str, Any]], login: str, action: str, topic: str) -> set[bool]:
    """Whatever order the import gave them: every rule that binds the login and fits."""
    return {
        row["access"] == "allow"
        for row in rows
        if (row["type"] == "all" or row["type_value"] == login)
        and row["action"] in {action, "pubsub"}
        and matches(topic, row["topic"])
    }


OLD_RULE = st.fixed_dictionaries(
    {
        "login": st.sampled_from(["u", "v", "$all"]),
        "topic": st.sampled_from(["a", "a/b", "a/#", "a/+", "+/b", "#", "b"]),
        "action": st.sampled_from(["pub", "sub", "pubsub"]),
        "allow": st.booleans(),
    }
)


@PATIENT
@given(st.lists(OLD_RULE, max_size=6), st.sampled_from(["username", "clientid"]))
def test_a_decision_of_4_2_stands_on_4_3_or_a_rule_of_it_is_named(rows: list[dict[str, Any]], credential: Any) -> None:
    ledger = Ledger()
    after = convert_export(users(acl_mnesia=rows), credential, ledger)["acl_mnesia"]
    named = any("another order" in item.how for item in ledger.account().items)
    for login in ("u", "v", "w"):
        for action in ("pub", "sub"):
            for topic in ("a", "a/b", "a/c", "b", "c/b", "c"):
                before = decision_of_4_2(rows, login, action, topic)
                possible = decisions_of_4_3(after, login, action, topic)
                assert before is None or before in possible, "a rule was lost"
                assert before is not None or not possible, "a rule appeared"
                assert named or len(possible) < 2, "an order that decides is gone, and nobody was told"
