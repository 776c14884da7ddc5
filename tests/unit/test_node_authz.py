"""Authorization: the order of sources and rules decides, with the file that EMQX ships."""

from __future__ import annotations

from typing import Any

import pytest

from lab.node.kept.defaults import FILE_RULES
from lab.node.kept.records import AclRule
from lab.node.kept.store import Store
from lab.node.rules.acl_file import Client, parse_rules
from lab.node.rules.authz import Authorizer, Request

pytestmark = pytest.mark.unit

ALICE = Client("c1", "alice", "10.0.0.7")
DATABASE = {"type": "built_in_database", "enable": True}
FILE = {"type": "file", "enable": True, "rules": FILE_RULES}


def asked(store: Store, action: Any, topic: str, client: Client = ALICE, **more: Any) -> bool:
    return Authorizer(store).decide(Request(client, action, topic, **more)).allowed


def with_sources(*sources: dict[str, Any], no_match: str = "allow") -> Store:
    store = Store()
    store.merge("authorization", {"sources": list(sources), "no_match": no_match})
    return store


def test_the_order_of_the_sources_decides_who_may_do_what() -> None:
    """A_order_changes_who_may_do_what: the same rules, the other order, another answer."""
    for sources, allowed in (((DATABASE, FILE), False), ((FILE, DATABASE), True)):
        store = with_sources(*sources)
        store.acl_users["alice"] = [AclRule("secret/#", "deny", "all")]
        assert asked(store, "publish", "secret/x", qos=1) is allowed


def test_the_database_asks_client_then_user_then_everybody() -> None:
    store = with_sources(DATABASE, no_match="deny")
    store.acl_all = [AclRule("t", "allow", "all")]
    assert asked(store, "publish", "t")
    store.acl_users["alice"] = [AclRule("t", "deny", "all")]
    assert not asked(store, "publish", "t")
    store.acl_clients["c1"] = [AclRule("t", "allow", "all")]
    assert asked(store, "publish", "t")


def test_no_match_decides_when_nobody_has_an_opinion() -> None:
    assert asked(with_sources(DATABASE, no_match="allow"), "publish", "t")
    assert not asked(with_sources(DATABASE, no_match="deny"), "publish", "t")
    assert not asked(with_sources({**FILE, "enable": False}, no_match="deny"), "publish", "t")


@pytest.mark.parametrize(
    ("client", "action", "topic", "allowed"),
    [
        (ALICE, "publish", "anything", True),
        (ALICE, "subscribe", "a/b", True),
        (ALICE, "subscribe", "#", False),
        (ALICE, "subscribe", "+/#", False),
        (ALICE, "subscribe", "$SYS/brokers", False),
        (Client("c1", "alice", "127.0.0.1"), "subscribe", "#", True),
        (Client("c1", "dashboard", "10.0.0.7"), "subscribe", "$SYS/#", True),
    ],
)
def test_the_shipped_file_decides_as_its_comments_say(client: Client, action: str, topic: str, allowed: bool) -> None:
    assert asked(with_sources(FILE, no_match="deny"), action, topic, client) is allowed


def test_placeholders_stand_for_the_client_and_never_for_nothing() -> None:
    store = with_sources(DATABASE, no_match="deny")
    store.acl_all = [AclRule("dev/${clientid}/#", "allow", "all"), AclRule("user/${username}", "allow", "publish")]
    assert asked(store, "subscribe", "dev/c1/cmd/+")
    assert not asked(store, "subscribe", "dev/+/cmd")
    assert asked(store, "publish", "user/alice")
    assert not asked(store, "publish", "user/", Client("c1", None, "10.0.0.7"))


def test_qos_and_retain_narrow_a_rule() -> None:
    store = with_sources(DATABASE, no_match="deny")
    store.acl_all = [AclRule("t", "allow", "publish", (1,), retain=False)]
    assert asked(store, "publish", "t", qos=1)
    assert not asked(store, "publish", "t", qos=0)
    assert not asked(store, "publish", "t", qos=1, retain=True)


def test_eq_means_the_filter_itself() -> None:
    store = with_sources(DATABASE, no_match="allow")
    store.acl_all = [AclRule("eq a/#", "deny", "subscribe")]
    assert not asked(store, "subscribe", "a/#")
    assert asked(store, "subscribe", "a/b")


@pytest.mark.parametrize(
    ("rules", "client", "allowed"),
    [
        ('{allow, {clientid, {re, "^c[0-9]$"}}, publish, ["t"]}. {deny, all}.', ALICE, True),
        (
            '{allow, {\'and\', [{username, "alice"}, {ipaddrs, ["10.0.0.0/24"]}]}, all, ["t"]}. {deny, all}.',
            ALICE,
            True,
        ),
        (
            '{allow, {\'or\', [{username, "bob"}, {clientid, "c1"}]}, {publish, [{qos, 0}]}, all}. {deny, all}.',
            ALICE,
            True,
        ),
        ('{allow, {username, "bob"}, publish, ["t"]}.\n% comment\n{deny, all}.', ALICE, False),
        ('{allow, all, {publish, [{retain, true}]}, ["t"]}. {deny, all}.', ALICE, False),
        ('{allow, all, publish, [<<"t">>]}. {deny, all}.', ALICE, True),
    ],
)
def test_the_terms_of_the_specification_are_understood(rules: str, client: Client, allowed: bool) -> None:
    store = with_sources({"type": "file", "enable": True, "rules": rules})
    assert asked(store, "publish", "t", client) is allowed


@pytest.mark.parametrize(
    "bad",
    [
        "{allow, all}",
        "{maybe, all}.",
        "{allow, all, publish}.",
        '{allow, {planet, "x"}, all, ["t"]}.',
        "{allow, [",
        "?",
    ],
)
def test_a_file_that_is_no_list_of_rules_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"rule|term|unexpected|ends|dot|closed"):
        parse_rules(bad)
