"""Who may do what on a lab node of 4.x: the recorded order, and the same decisions as the model that proves conversions, which shares no code with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.migration.permissions.before import BUILT_IN, Before, Row, evaluation_order
from components.migration.permissions.client import Access, Action
from components.migration.permissions.client import Client as Asking
from lab.node.kept.old import OldRule, OldTables
from lab.node.kept.store import Store
from lab.node.rules.acl_file import Client, FileRule, parse_rules
from lab.node.rules.authz import Request
from lab.node.v4.etc import lay_down, listeners, read, read_loaded, write_loaded
from lab.node.v4.judges import Judge, matches
from lab.node.v4.line import LINES, MNESIA

pytestmark = pytest.mark.unit

LEVELS = ("a", "b", "+", "#", "%c", "%u", "", "$SYS")
TOPICS = st.lists(st.sampled_from(LEVELS), min_size=1, max_size=3).map("/".join)
NAMES = st.sampled_from(("c1", "a", "a/b", "+"))
ROWS = st.lists(
    st.tuples(
        st.sampled_from(("clientid", "username", "all")),
        NAMES,
        TOPICS,
        st.sampled_from(("pub", "sub")),
        st.booleans(),
        st.integers(0, 2),
    ),
    max_size=8,
)


def judge(number: str, tables: OldTables, file_rules: tuple[FileRule, ...] = (), **said: str) -> Judge:
    store = Store()
    store.old = tables
    tables.plugins = [MNESIA]
    return Judge(LINES[number], store, {"acl_nomatch": "deny"} | said, lambda: file_rules, lambda _node: {MNESIA})


def decided(one: Judge, client: Client, action: Any, topic: str) -> bool:
    return one.decide(Request(client, action, topic, 1)).allowed


@settings(max_examples=300, deadline=None)
@given(
    rows=ROWS,
    client_id=NAMES,
    username=st.none() | NAMES,
    action=st.sampled_from(("publish", "subscribe")),
    topic=TOPICS,
)
def test_rules_of_43_and_44_decide_as_the_model_that_proves_conversions_says(
    rows: list[tuple[str, str, str, str, bool, int]], client_id: str, username: str | None, action: str, topic: str
) -> None:
    tables, by_key = OldTables(), dict[tuple[str, str], dict[tuple[str, str], Row]]()
    for kind, name, filtered, act, allow, stamp in rows:
        key = ("all", "") if kind == "all" else (kind, name)
        access = "allow" if allow else "deny"
        by_key.setdefault(key, {})[filtered, act] = Row(*key, filtered, act, access, stamp)
    for key, kept in by_key.items():
        tables.rules[key] = [
            OldRule(row.topic, row.action, row.access == "allow", row.created_at) for row in kept.values()
        ]
    model = Before(
        rows={key: evaluation_order(kept.values()) for key, kept in by_key.items()},
        sources=(BUILT_IN,),
        no_match=Access.DENY,
    )
    expected = model.decide(Asking(client_id, username), Action(action), topic) is Access.ALLOW
    assert decided(judge("4.4", tables), Client(client_id, username, "192.0.2.1"), action, topic) == expected


def test_of_42_the_rule_that_came_first_decides_and_those_of_all_come_last() -> None:
    rules = {("login", "u"): [OldRule("b/#", "sub", allow=True), OldRule("b/secret", "sub", allow=False)]}
    rules["login", "$all"] = [OldRule("b/#", "pubsub", allow=False)]
    one = judge("4.2", OldTables(rules=rules))
    client = Client("c", "u", "192.0.2.1")
    assert decided(one, client, "subscribe", "b/secret")
    assert not decided(one, client, "publish", "b/secret")


def test_a_name_in_a_rule_of_42_is_literal_and_in_one_of_43_the_clients() -> None:
    client = Client("c1", "u", "192.0.2.1")
    old = judge("4.2", OldTables(rules={("login", "u"): [OldRule("e/%c", "pub", allow=True)]}))
    new = judge("4.3", OldTables(rules={("username", "u"): [OldRule("e/%c", "pub", allow=True)]}))
    assert (decided(old, client, "publish", "e/c1"), decided(old, client, "publish", "e/%c")) == (False, True)
    assert (decided(new, client, "publish", "e/c1"), decided(new, client, "publish", "e/%c")) == (True, False)


def test_the_shipped_file_keeps_everything_of_the_system_from_all_but_the_dashboard() -> None:
    shipped = parse_rules(
        '{allow, {user, "dashboard"}, subscribe, ["$SYS/#"]}.\n{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.\n{allow, all}.'
    )
    one = judge("4.4", OldTables(), shipped)
    for username, topic, allowed in (
        ("dashboard", "$SYS/x", True),
        ("u", "$SYS/x", False),
        ("u", "#", False),
        ("u", "a", True),
    ):
        assert decided(one, Client("c", username, "192.0.2.1"), "subscribe", topic) == allowed


@pytest.mark.parametrize(
    ("name", "topic_filter", "selected"),
    [("a/#", "a/+", True), ("a/b/c", "a/+", False), ("a", "a/#", True), ("$SYS/a", "#", False)],
)
def test_a_wildcard_of_a_subscription_is_a_level_like_any_other(name: str, topic_filter: str, selected: bool) -> None:
    assert matches(name, topic_filter) is selected


def test_a_wildcard_of_the_file_reaches_the_system_and_one_of_the_database_does_not() -> None:
    client = Client("c", "u", "192.0.2.1")
    file = judge(
        "4.4", OldTables(), parse_rules('{deny, all, subscribe, ["+/x"]}.\n{allow, all}.'), acl_nomatch="allow"
    )
    rows = judge("4.4", OldTables(rules={("username", "u"): [OldRule("+/x", "sub", allow=False)]}), acl_nomatch="allow")
    assert not decided(file, client, "subscribe", "$SYS/x")
    assert decided(rows, client, "subscribe", "$SYS/x")


@pytest.mark.parametrize("number", LINES)
def test_plugins_are_loaded_as_the_file_of_that_line_says(number: str, tmp_path: Path) -> None:
    write_loaded(tmp_path / "loaded", LINES[number], [MNESIA, "emqx_recon"])
    assert read_loaded(tmp_path / "loaded") == [MNESIA, "emqx_recon"]
    (tmp_path / "other").write_text("{emqx_recon, false}.\n{emqx_retainer,true}.\n")
    assert read_loaded(tmp_path / "other") == ["emqx_retainer"]


@pytest.mark.parametrize("number", LINES)
def test_files_are_laid_down_as_shipped_once_and_the_environment_stands_above_them(number: str, tmp_path: Path) -> None:
    directory = lay_down(tmp_path, LINES[number], "127.1.2", proxy_protocol=True, allow_anonymous=False)
    assert "{{" not in (directory / "emqx.conf").read_text()
    said = read(directory, {"EMQX_ACL_NOMATCH": "deny", "OTHER": "x"})
    assert (said["node.name"], said["allow_anonymous"], said["acl_nomatch"]) == ("emqx@127.1.2.1", "false", "deny")
    opened = listeners(said)
    assert opened["tcp"]["external"]["proxy_protocol"]
    assert not opened["ssl"]["external"]["enable"]
    (directory / "emqx.conf").write_text("allow_anonymous = true\n")
    lay_down(tmp_path, LINES[number], "127.1.2", proxy_protocol=True)
    assert read(directory, {})["allow_anonymous"] == "true"
