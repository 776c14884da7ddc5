"""Permissions between versions of 4.x: both sides as recorded, every order that an import may give is a side, and the questions that decide are asked."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.versions import parse as version
from components.migration import loading
from components.migration.__main__ import main
from components.migration.facts import Export, Facts, Plan
from components.migration.hop_42_43.convert import convert
from components.migration.permissions.before import Before, Row, evaluation_order
from components.migration.permissions.client import Access, Action, Client, hashed
from components.migration.permissions.questions import common_topic, deciding
from components.migration.permissions.topics import matches, words
from components.migration.prove_4x import imported, prove_4x
from tests.unit.hop_42_43_bed import PATIENT, RECORDED, recorded_facts, recorded_hop, recording
from tools.bench_proof_4x import prove_one, unnamed

pytestmark = pytest.mark.unit

CONF, ACL = b"allow_anonymous = true\nacl_nomatch = allow\n", (RECORDED / "hop_42_43" / "acl.conf").read_bytes()


def facts_of(rows: list[dict[str, Any]], strategy: Any = None, *, files: bool = True) -> Facts:
    plan = Plan(version("4.3.22"), version("4.4.19"), "ce", "ce", strategy=strategy)
    facts = Facts(plan, export=Export("e.json", {"version": "4.3", "acl_mnesia": rows}))
    given_files = (("emqx.conf", CONF), ("acl.conf", ACL), ("loaded_plugins", b"{emqx_auth_mnesia, true}.\n"))
    for name, data in given_files if files else ():
        facts = loading.add(facts, name, data)
    return facts


def row(topic: str, access: str, at: int, action: str = "sub", who: str = "u") -> dict[str, Any]:
    return {"type": "username", "type_value": who, "topic": topic, "action": action, "access": access, "created_at": at}


@pytest.mark.parametrize("kind", ["username", "clientid"])
def test_the_recorded_hop_is_wider_by_the_one_rule_that_4_3_cannot_say_and_by_nothing_else(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, _ = recorded_hop(kind)
    (tmp_path / "export.json").write_text(json.dumps(said["export"]), encoding="utf-8")
    (tmp_path / "emqx.conf").write_bytes(CONF)
    (tmp_path / "acl.conf").write_bytes(ACL)
    hop = ("--from", "4.2.14", "--to", "4.3.22", "--edition", "ce", "--credential", kind)
    status = main(["prove", str(tmp_path / "export.json"), str(tmp_path), *hop])
    out, err = capsys.readouterr()
    who = "client 'any-client' user 'bob'" if kind == "username" else "client 'bob' user"
    assert (status, err) == (1, "")
    assert ": 1 wider, 0 narrower" in out or (kind == "clientid" and ": 2 wider, 0 narrower" in out)
    assert f"WIDER: {who}" in out
    assert "'e/%c': deny -> allow" in out


def test_without_files_of_the_node_what_they_decide_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "export.json").write_text(json.dumps(recording("as_username")["export"]), encoding="utf-8")
    hop = ("--from", "4.2.14", "--to", "4.3.22", "--edition", "ce", "--credential", "username")
    main(["prove", str(tmp_path / "export.json"), *hop])
    out = capsys.readouterr().out
    assert "not known\n" in out.partition("\n")[0] + "\n"
    assert [f"not known without {one}" in out for one in ("acl.conf", "emqx.conf: acl_nomatch")] == [True, True]


def test_a_roll_from_4_3_to_4_4_keeps_every_decision_and_an_import_is_a_lottery() -> None:
    rows = [row("b/#", "deny", 1), row("b/open", "allow", 2), row("c/#", "allow", 3), row("c/shut", "deny", 4)]
    rolled, unsaid = prove_4x(facts_of(rows, "rolling")), prove_4x(facts_of(list(reversed(rows))))
    assert (rolled.widened, rolled.narrowed, rolled.unknown) == (0, 0, 0)
    assert "a roll" in str(rolled)
    assert {(one.topic, one.after) for one in unsaid.differences} == {("b/open", Access.DENY), ("c/shut", Access.ALLOW)}
    assert "lottery" in str(unsaid)
    assert prove_4x(facts_of(rows, "two-cluster")).widened == 0  # in one millisecond by topic, and in the file's order


def test_an_import_may_have_all_rules_in_one_millisecond_or_each_in_its_own() -> None:
    rows = [row("a", "deny", 9), row("b", "allow", 5, "pubsub")]
    key = ("username", "u")
    old = {
        key: evaluation_order(
            [Row(*key, "a", "sub", "deny", 9), *(Row(*key, "b", one, "allow", 5) for one in ("pub", "sub"))]
        )
    }
    tied, apart = imported(old, rows)
    assert [(one.topic, one.action) for one in tied[key]] == [("b", "sub"), ("b", "pub"), ("a", "sub")]
    assert [(one.topic, one.created_at) for one in apart[key]] == [("b", 1), ("b", 1), ("a", 0)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "4.3.22", "--to", "5.8.9"), "cannot be done at once"),
        (("--from", "4.2.14", "--to", "5.8.9"), "cannot be done at once"),
        (("--from", "5.6.1", "--to", "5.8.9"), "nothing to convert"),
    ],
)
def test_a_pair_that_no_proof_is_for_is_refused(
    arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, text = ("base.hocon", "mqtt {}\n") if "5.6.1" in arguments else ("emqx.conf", "acl_nomatch = deny\n")
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["prove", str(tmp_path / name), *arguments, "--edition", "ce"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("one", "other", "topic"),
    [
        ("a/+", "+/b", "a/b"),
        ("a/#", "a", "a"),
        ("#", "#", "x"),
        ("a/b", "a/c", None),
        ("+/#", "a/b/+", "a/b/x"),
        ("a", "a/b", None),
    ],
)
def test_two_filters_have_a_topic_in_common_or_none(one: str, other: str, topic: str | None) -> None:
    assert common_topic(one, other) == common_topic(other, one) == topic


FILTERS = st.lists(st.sampled_from(["a", "b", "+", ""]), min_size=1, max_size=3).flatmap(
    lambda listed: st.sampled_from(["/".join(listed), "/".join([*listed, "#"])])
)


@PATIENT
@given(FILTERS, FILTERS)
def test_a_topic_in_common_is_matched_by_both(one: str, other: str) -> None:
    topic = common_topic(one, other)
    if topic is not None:
        assert all(matches(words(topic), words(each), loose=False) for each in (one, other))


def test_the_question_that_decides_is_asked_where_only_both_together_show_the_order() -> None:
    key = ("username", "u")
    rows = [Row(*key, "a/+", "pub", "deny", 2), Row(*key, "+/b", "pub", "allow", 1)]
    assert set(deciding(Before(rows={key: rows}), key)) == {"a/b"}
    turned = [
        one | {"created_at": at} for at, one in enumerate([row("a/+", "deny", 0, "pub"), row("+/b", "allow", 0, "pub")])
    ]
    proof = prove_4x(facts_of(list(reversed(turned)), "two-cluster"))
    assert {one.topic for one in proof.differences} == {"a/b"}


def test_ten_thousand_random_decisions_of_4_2_are_equal_or_the_account_names_them() -> None:
    rng, decisions, narrower = random.Random(42), 0, 0
    while decisions < 10_000:
        proof, result = prove_one(rng, 200)
        assert not unnamed(proof, result)
        decisions += proof.decisions
        narrower += proof.narrowed + proof.widened
    assert narrower < decisions * 0.2


def test_a_difference_that_the_account_does_not_name_is_found_out() -> None:
    said, result = recorded_hop("username")
    silent = replace(result, account=result.account._replace(items=()))
    proof = prove_4x(recorded_facts("username", said["export"]))
    assert [one.topic for one in proof.differences if one.widens and one.topic] == ["e/%c"]
    assert unnamed(proof, silent)
    assert not unnamed(proof, result)


def test_a_superuser_is_asked_for_topics_that_a_wildcard_does_not_reach() -> None:
    said, result = recorded_hop("username")
    root = Client("any", "root")
    for topic in ("z/1", "$SYS/brokers", "$delayed/5/z/1"):
        assert result.sides.new.decide(root, Action.PUBLISH, topic) is Access.ALLOW
    assert said["export"]["auth_mnesia"][1]["is_superuser"] is True


def stored(password: str) -> str:
    return base64.b64encode(b"salt" + hashed("sha256", b"salt", password)).decode()


def of_two_plugins(loaded: str | None) -> Facts:
    export = {
        "version": "4.2.14",
        "auth_clientid": [{"clientid": "c1", "password": stored("A")}],
        "auth_username": [{"username": "u1", "password": stored("B")}, {"username": "u2", "password": stored("C")}],
        "auth_mnesia": [{"login": "u2", "password": stored("D"), "is_superuser": False}],
        "acl_mnesia": [],
    }
    plan = Plan(version("4.2.14"), version("4.3.22"), "ce", "ce", credential="username")
    facts = Facts(plan, export=Export("e.json", export))
    files = (("emqx.conf", CONF), ("acl.conf", ACL), *((("loaded_plugins", loaded.encode()),) if loaded else ()))
    for name, data in files:
        facts = loading.add(facts, name, data)
    return facts


CLIENTID, USERNAME, MNESIA = ("{emqx_auth_" + name + ", true}.\n" for name in ("clientid", "username", "mnesia"))


@pytest.mark.parametrize(
    ("loaded", "wider", "narrower"),
    [
        (CLIENTID + USERNAME + MNESIA, {("c1", "u1", "B"), ("c1", "u2", "D"), ("any-client", "u2", "D")}, {"C"}),
        (MNESIA + USERNAME + CLIENTID, {("c1", "u1", "A"), ("c1", "u2", "A")}, set()),
        (CLIENTID, set(), set()),
        (MNESIA, set(), set()),
    ],
)
def test_who_has_accounts_in_two_plugins_of_4_2_gets_in_with_either_password_on_4_3(
    loaded: str, wider: set[tuple[str, str, str]], narrower: set[str]
) -> None:
    passwords = {"clientid 'c1' in emqx_auth_clientid": "A", "username 'u1' in emqx_auth_username": "B"}
    passwords |= {"username 'u2' in emqx_auth_username": "C", "username 'u2' in emqx_auth_mnesia": "D"}
    facts = of_two_plugins(loaded)
    proof = prove_4x(facts)
    of_connect = [one for one in proof.differences if one.action.startswith("connect with")]
    named = [(one, passwords[one.action.removeprefix("connect with the password of ")]) for one in of_connect]
    assert {(one.clientid, one.username, word) for one, word in named if one.widens} == wider
    assert {word for one, word in named if not one.widens} == narrower
    sides = convert(facts).sides
    for one, word in named:  # what 4.3 was found to do, with the password itself
        assert sides.new.connect(Client(one.clientid, one.username), word) is one.after
    assert unnamed(proof, convert(facts)) == []


def test_without_the_order_of_the_plugins_it_is_not_known_and_no_proof() -> None:
    proof = prove_4x(of_two_plugins(None))
    assert proof.unknown
    assert not proof.holds
    assert "not known without loaded_plugins: which plugin with built-in users is asked first" in str(proof)
