"""From 4.3 to 4.4 by export and import: rules are sent so that each login's are asked in 4.3's order, whatever their times were."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.versions import parse
from components.migration.facts import Facts, Plan
from components.migration.hop_43_44 import convert
from components.migration.loading import add
from components.migration.moving import moving
from components.migration.permissions.before import Row

pytestmark = pytest.mark.unit

PLAN = Plan(parse("4.3.22"), parse("4.4.19"), "ce", "ce", strategy="two-cluster")
CONF = "allow_anonymous = false\nacl_nomatch = allow\n"


def facts(rules: Sequence[Mapping[str, Any]] = (), **more: Any) -> Facts:
    """An export of 4.3 and the files of a node."""
    document = {"version": "4.3", "acl_mnesia": list(rules), **more}
    files = {
        "export.json": json.dumps(document),
        "emqx.conf": CONF,
        "acl.conf": "{allow, all}.\n",
        "loaded_plugins": "{emqx_auth_mnesia, true}.\n",
        "loaded_modules": "{emqx_mod_acl_internal, true}.\n",
    }
    return reduce(lambda found, one: add(found, one[0], one[1].encode()), files.items(), Facts(PLAN))


def rule(login: str | None, topic: str, action: str, access: str, at: int) -> dict[str, Any]:
    """A row as an export of 4.3 has it."""
    who = {"type": "all"} if login is None else {"type": "username", "type_value": login}
    return {**who, "topic": topic, "action": action, "access": access, "created_at": at}


RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from([None, "a", "b"]),
        st.sampled_from(["t/#", "t/1", "t/%c", "#", "$SYS/x"]),
        st.sampled_from(["pub", "sub", "pubsub"]),
        st.sampled_from(["allow", "deny"]),
        st.integers(0, 3),
    ),
    max_size=12,
    unique_by=lambda row: (row.get("type_value"), row["topic"], row["action"]),
)


def plain(rows: Mapping[tuple[str, str], Sequence[Row]]) -> dict[tuple[str, str], list[tuple[str, str, str]]]:
    """In their order, without their times; of one topic and action the first."""
    return {
        key: list(dict.fromkeys((row.topic, row.action, row.access) for row in listed)) for key, listed in rows.items()
    }


def one_for_each(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no topic and action of a login stands twice, as the table of 4.3 has it."""
    actions = {"pubsub": ("pub", "sub")}
    seen = [
        (row.get("type_value"), row["topic"], one)
        for row in rows
        for one in actions.get(row["action"], (row["action"],))
    ]
    return len(seen) == len(set(seen))


@given(RULES.filter(one_for_each))
def test_rules_are_asked_in_the_same_order_afterwards_also_those_of_one_millisecond(rows: list[dict[str, Any]]) -> None:
    made = convert(facts(rows))
    assert plain(made.new.rows) == plain(made.old.rows)


def test_the_document_has_everything_but_the_rules_and_the_account_has_each_item() -> None:
    users = [{"login": "alice", "type": "username", "password": "cGxhbnRlZC1oYXNo", "created_at": 1}]
    bans = [{"who": {"clientid": "bad"}, "by": "me", "reason": "", "at": 1, "until": 2}]
    source = facts([rule("alice", "t/#", "pubsub", "deny", 5)], auth_mnesia=users, blacklist=bans)
    made = moving(source, now=0.0)
    assert json.loads(made.archive) == {"version": "4.3", "auth_mnesia": users, "blacklist": bans}
    tally = made.account.tally()
    assert {name: tally[name]["carried"] for name in ("acl_mnesia", "auth_mnesia", "blacklist", "emqx.conf")} == {
        "acl_mnesia": 1,
        "auth_mnesia": 1,
        "blacklist": 1,
        "emqx.conf": 1,
    }
    assert (made.proof.widened, made.proof.narrowed, made.proof.unknown) == (0, 0, 0)
    assert list(made.expected.sections["users:username"].items) == ["alice"]  # type: ignore[union-attr]
    assert "planted" not in made.account.to_json(origin="4.3.22", target="4.4.19")


def test_a_rule_that_cannot_be_sent_is_named() -> None:
    made = convert(facts([rule("", "t", "pub", "deny", 1)]))
    (lost,) = made.account.losses()
    assert (lost.section, lost.verdict) == ("acl_mnesia", "dropped")
