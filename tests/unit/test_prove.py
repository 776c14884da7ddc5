"""The proof runs on real data and on a hundred thousand logins, says every difference, and names what it left out."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from components.migration.configs.flat import Setting
from components.migration.hop_44_5 import BadSource, Options, Source, convert, read_export
from components.migration.permissions.after import dialects
from components.migration.permissions.client import Access, Action, Client, hashed
from components.migration.permissions.compare import Difference
from components.migration.permissions.questions import questions, spelled
from components.migration.prove import after_of, before_of, prove

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent / "recordings" / "hop_44_5"
ON = {"loaded_plugins": "{emqx_auth_mnesia, true}.\n", "loaded_modules": "{emqx_mod_acl_internal, true}.\n"}


def recorded(name: str) -> Source:
    return Source(read_export(name, (HERE / name).read_bytes(), "4.4.19"), name)


@pytest.mark.parametrize("target", ["5.6.1", "5.8.0", "5.8.11", "5.10.2", "6.1.0"])
def test_the_recorded_export_decides_the_same_on_every_target(target: str) -> None:
    proof = prove(recorded("oss-4.4.19.json"), "4.4.19", target, options=Options(credential="username"))
    assert proof.decisions > 100
    assert (proof.widened, proof.narrowed) == (0, 0)


def test_an_enterprise_export_with_databases_is_never_wider() -> None:
    proof = prove(recorded("ee-4.4-all-kinds.json"), "4.4.19", "5.8.11", topics=["up/x/y", "$SYS/brokers"])
    assert proof.widened == 0
    assert proof.decisions > 50


def test_the_shipped_files_differ_only_in_who_may_come_without_a_name() -> None:
    texts = {"acl.conf": (HERE / "etc" / "acl.conf").read_text(), **ON}
    settings = [Setting("emqx.conf", 1, "allow_anonymous", "true"), Setting("emqx.conf", 2, "acl_nomatch", "allow")]
    proof = prove(Source({"version": "4.4"}, "e", settings, texts), "4.4.19", "5.8.11")
    assert (proof.widened, proof.unknown, proof.missing) == (0, 0, ())
    assert {one.action for one in proof.differences} == {"connect"}
    assert str(proof).startswith(f"{proof.decisions} decisions: 0 wider, {proof.narrowed} narrower\nnarrower: client")


def test_topics_that_are_given_are_asked_for() -> None:
    source = Source({"version": "4.4"}, "e", (), {**ON, "acl.conf": "{allow, all}."})
    less, more = (
        prove(source, "4.4.19", "5.8.11"),
        prove(source, "4.4.19", "5.8.11", topics=["retained/one", "sub/+/#"]),
    )
    assert more.decisions > less.decisions


def test_topics_of_rules_are_asked_for() -> None:
    rules = [
        {
            "id": "r",
            "rawsql": 'SELECT * FROM "from/here", "and/#"',
            "enabled": True,
            "actions": [{"name": "republish", "args": {"target_topic": "to/there"}}],
        }
    ]
    with_rules = prove(Source({"version": "4.4", "rules": rules}, "e"), "4.4.19", "5.8.11")
    assert with_rules.decisions > prove(Source({"version": "4.4", "rules": []}, "e"), "4.4.19", "5.8.11").decisions


def test_both_sides_are_read_from_what_was_given_and_what_was_written() -> None:
    source = recorded("oss-4.4.19.json")
    after = after_of(convert(source, "4.4.19", "5.8.11", Options(credential="username")), dialects((5, 8, 11))[0])
    before = before_of(source)
    assert set(after.users) == {"alice", "bob", "carol"}
    assert all(before.users["username", name] == stored for name, stored in after.users.items())


def test_a_password_that_was_right_stays_right_and_a_wrong_one_wrong() -> None:
    from components.migration.hop_44_5 import convert
    from components.migration.permissions.after import dialects

    salt = b"\x00\xff,\n"
    stored = base64.b64encode(salt + hashed("sha256", salt, "secret")).decode()
    source = Source(
        {"version": "4.4", "auth_mnesia": [{"login": "a", "type": "username", "password": stored}]}, "e", (), ON
    )
    sides: list[Any] = [before_of(source), after_of(convert(source, "4.4.19", "5.8.11"), dialects((5, 8, 11))[0])]
    for password, answer in (("secret", Access.ALLOW), ("Secret", Access.DENY), (None, Access.DENY)):
        assert [side.connect(Client("any", "a"), password) for side in sides] == [answer, answer]


def test_many_logins_are_asked_within_a_bound_and_what_is_left_out_is_said() -> None:
    row = {"type": "username", "topic": "t/%u/#", "action": "pub", "access": "allow"}
    topics = [f"x/{n}" for n in range(400)]
    rows = [{**row, "type_value": f"u{n}", "created_at": n} for n in range(3000)]
    proof = prove(Source({"version": "4.4", "acl_mnesia": rows}, "e"), "4.4.19", "5.8.11", topics=topics, most=6_000)
    assert (proof.widened, proof.decisions) == (0, 6_000)
    assert proof.left_out > 1000
    assert f"{proof.left_out} logins were not asked for" in str(proof)


def test_a_refused_source_is_refused_by_the_proof_too() -> None:
    with pytest.raises(BadSource):
        prove(recorded("oss-4.4.19.json"), "4.4.19", "5.8.11")


def test_a_difference_says_its_direction_and_no_long_name() -> None:
    wide = Difference("u" * 500, "c\n", "publish", "t", Access.DENY, Access.ALLOW)
    assert wide.widens
    assert str(wide).startswith("WIDER: client 'c\\\\n' user 'uuu")
    assert len(str(wide)) < 300


def test_filters_are_asked_as_they_are_and_as_topics_below_them() -> None:
    asked = set(spelled("a/%c/+/#", Client("dev", "bob")))
    assert {"a/dev/+/#", "a/dev/x/y/z"} <= asked
    assert "$SYS/x" in set(spelled("#", Client("dev")))


ROWS = {
    "version": "4.4",
    "acl_mnesia": [{"type": "all", "topic": "own/#", "action": "pubsub", "access": "deny", "created_at": 1}],
}
CONF = (Setting("emqx.conf", 1, "acl_nomatch", "allow"), Setting("emqx.conf", 2, "allow_anonymous", "true"))
RULES = {**ON, "acl.conf": '{allow, all, pubsub, ["x"]}.'}


def test_with_every_fact_every_decision_is_known() -> None:
    proof = prove(Source(ROWS, "e", CONF, RULES), "4.4.19", "5.8.11")
    assert (proof.unknown, proof.missing) == (0, ())
    assert "not known" not in str(proof)


@pytest.mark.parametrize(
    ("given", "lacks", "open_decisions"),
    [
        (Source(ROWS, "e", (), RULES), ("emqx.conf: acl_nomatch", "emqx.conf: allow_anonymous"), True),
        (Source(ROWS, "e", CONF[:1], ON), ("acl.conf",), True),
        (Source(None, "e", CONF, RULES), ("the export: built-in users and rules",), True),
        (
            Source(ROWS, "e", (Setting("variables.env", 1, "acl_nomatch", "deny"),), RULES),
            ("emqx.conf: allow_anonymous",),
            False,
        ),
    ],
    ids=["no emqx.conf", "no acl.conf", "no export", "a variable says one of two"],
)
def test_a_decision_that_rests_on_a_missing_fact_is_not_known_and_never_equal(
    given: Source, lacks: tuple[str, ...], open_decisions: bool
) -> None:
    proof = prove(given, "4.4.19", "5.8.11", topics=["free"])
    assert proof.missing == lacks
    assert all(f"not known without {one}" in str(proof) for one in lacks)
    assert proof.unknown + proof.narrowed + proof.widened <= proof.decisions
    assert (proof.unknown > 0) is open_decisions


def test_a_rule_that_was_given_is_known_whatever_is_missing() -> None:
    side = before_of(Source(ROWS, "e", (), ON))
    assert side.judge(Client("c"), Action.PUBLISH, "own/x") == (Access.DENY, True)
    assert side.judge(Client("c"), Action.PUBLISH, "free")[1] is False
    assert side.knows(Client("c")) is False


def test_no_topic_is_asked_that_is_longer_than_mqtt_has() -> None:
    rules = {**ON, "acl.conf": f'{{deny, all, publish, ["{"a/" * 40_000}"]}}.\n{{deny, all, publish, ["b"]}}.\n'}
    asked = {topic for _, _, topic in questions(before_of(Source(ROWS, "e", CONF, rules)), ["c"], 1000)}
    assert {"b", "c"} <= asked
    assert max(map(len, asked)) < 100
