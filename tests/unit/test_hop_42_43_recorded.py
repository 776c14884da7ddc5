"""4.2 -> 4.3 held against what real nodes answered (V_4.2.14_to_4.3.22_*, V_4.3.22_rules_again_and_early_client): 21 questions, both kinds of login."""

from __future__ import annotations

import json

import pytest

from components.migration.hop_42_43.acl import applied
from components.migration.manifest import Verdict
from components.migration.permissions.before import BUILT_IN, Before, Row, evaluation_order
from components.migration.permissions.client import Access, Action, Client
from components.migration.requests import Request
from tests.unit.hop_42_43_bed import recorded_hop, recording

pytestmark = pytest.mark.unit

KINDS = ("username", "clientid")


def client_of(kind: str, who: str) -> Client:
    return Client(f"c-{who}", who) if kind == "username" else Client(who, f"u-{who}")


def asked(kind: str, answers: list[list[str]]) -> list[tuple[Client, Action, str, Access]]:
    actions = {"pub": Action.PUBLISH, "sub": Action.SUBSCRIBE}
    given = {"allowed": Access.ALLOW, "denied 0x87": Access.DENY}
    return [(client_of(kind, who), actions[action], topic, given[answer]) for who, action, topic, answer in answers]


@pytest.mark.parametrize("kind", KINDS)
def test_the_side_before_answers_the_21_questions_as_4_2_did(kind: str) -> None:
    said, result = recorded_hop(kind)
    questions = asked(kind, said["asked before"]["answers"])
    assert len(questions) == 21
    for client, action, topic, answer in questions:
        assert result.sides.old.ask(client, action, topic) == (answer, True), (client, action, topic)


@pytest.mark.parametrize("kind", KINDS)
def test_the_side_after_answers_them_as_4_2_did_but_for_the_rule_that_4_3_cannot_say(kind: str) -> None:
    said, result = recorded_hop(kind)
    questions = asked(kind, said["asked before"]["answers"])
    other = [
        (client, topic)
        for client, action, topic, answer in questions
        if result.sides.new.ask(client, action, topic) != (answer, True)
    ]
    assert other == [(client_of(kind, "bob"), "e/%c")]
    named = [item for item in result.account.items if item.section == "acl_mnesia" and item.verdict is Verdict.DROPPED]
    assert [item.label for item in named] == ["bob pub e/%c"]
    assert "pub e/%c was deny, is allow: wider" in named[0].how
    assert all(
        item.verdict is Verdict.CARRIED
        for item in result.account.items
        if item.section == "acl_mnesia" and item not in named
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_of_4_3_answers_as_4_3_did_after_an_import(kind: str) -> None:
    said = recording(f"as_{kind}")
    rows: dict[tuple[str, str], list[Row]] = {}
    for row in said["acl_mnesia of 4.3 after an import"]:
        one = Row(row["type"], row["type_value"], row["topic"], row["action"], row["access"], row["created_at"])
        rows.setdefault((one.kind, one.value), []).append(one)
    side = Before(
        rows={key: evaluation_order(listed) for key, listed in rows.items()}, sources=(BUILT_IN,), no_match=Access.ALLOW
    )
    for client, action, topic, answer in asked(kind, said["asked after an import"]["answers"]):
        assert side.ask(client, action, topic) == (answer, True), (client, action, topic)
    in_order = [row for listed in rows.values() for row in evaluation_order(listed)]
    listed = [(row[kind], row["topic"], row["action"]) for row in said["rules after an import"]]
    for login in {row.value for row in in_order}:
        assert [(row.value, row.topic, row.action) for row in in_order if row.value == login] == [
            row for row in listed if row[0] == login
        ]


def test_the_requests_are_those_that_gave_4_3_the_answers_of_4_2() -> None:
    _, result = recorded_hop("username")
    said = recording("rules_again")

    def who(body: dict[str, str]) -> str:
        return body.get("username", "$all")

    sent = [one.body for one in result.requests if one.method == "POST" and who(one.body) in ("alice", "bob", "$all")]
    for login in ("alice", "bob", "$all"):
        assert [body for body in sent if who(body) == login] == [body for body in said["sent"] if who(body) == login]
    rows = applied(Request("POST", "/acl", body) for body in said["sent"])
    side = Before(rows=rows, sources=(BUILT_IN,), no_match=Access.ALLOW)
    for client, action, topic, answer in asked("username", said["answers"]):
        assert side.ask(client, action, topic) == (answer, True)


def test_a_superuser_is_allowed_everything_by_the_newest_rule_of_its_login_and_is_said_to_be() -> None:
    _, result = recorded_hop("username")
    bodies = [one.body for one in result.requests if one.method == "POST" and one.body.get("username") == "root"]
    assert bodies[-1] == {"username": "root", "topic": "#", "action": "pubsub", "access": "allow"}
    assert [body["topic"] for body in bodies[:-1]] == ["$SYS/#", "$delayed/#"]
    named = next(item for item in result.account.items if item.label == "root")
    assert (named.verdict, "allow of everything" in named.how, "narrower" in named.todo) == (
        Verdict.CHANGED,
        True,
        True,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_login_is_read_back_in_the_order_in_which_4_3_asks(kind: str) -> None:
    _, result = recorded_hop(kind)
    read = {one.path: one.answer for one in result.requests if one.method == "GET"}
    assert set(read) == {"/acl/$all?_limit=5", *(f"/acl/{kind}/{login}" for login in ("alice", "bob", "root"))}
    assert [row["topic"] for row in read[f"/acl/{kind}/bob"]] == ["d/+/x", "d/1/x"]
    assert {row["all"] for row in read["/acl/$all?_limit=5"]} == {"$all"}
    posts = [at for at, one in enumerate(result.requests) if one.method == "POST" and one.path == "/acl"]
    gets = [at for at, one in enumerate(result.requests) if one.method == "GET"]
    assert max(posts) < min(gets)


@pytest.mark.parametrize("kind", KINDS)
def test_the_recorded_web_hook_is_what_4_3_itself_made_of_it_but_for_its_pool(kind: str) -> None:
    said, result = recorded_hop(kind)
    data = json.loads(result.texts["export.json"])
    wanted = said["web hook as 4.3 made it"]
    made = next(one for one in data["resources"] if one["id"] == wanted["id"])
    assert (made["type"], made["description"]) == (wanted["type"], wanted["description"])
    own = {**wanted["config"], "pool_size": 4}
    own.pop("enable_pipelining")  # 4.3 fills it in by its default
    assert made["config"] == own
    actions = [action for rule in data["rules"] for action in rule["actions"] if action["name"] == "data_to_webserver"]
    assert [action["args"] for action in actions] == [said["action as 4.3 made it"]]
    assert data["version"] == "4.2.14"
    assert data["acl_mnesia"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_users_that_4_3_had_after_its_import_are_those_of_the_side_after(kind: str) -> None:
    said, result = recorded_hop(kind)
    assert set(result.sides.new.users) == {(type_, login) for type_, login in said["users of 4.3 after an import"]}
    assert set(result.sides.old.users) == set(result.sides.new.users)


def test_the_steps_say_when_to_import_and_how_to_see_that_it_did() -> None:
    _, result = recorded_hop("username")
    told = "\n".join(result.steps)
    assert "emqx_auth_mnesia with active = true" in told
    assert "answers code 0 and imports neither" in told
    assert "6 built-in users in GET /api/v4/auth_username" in told
    assert (
        told.index("active = true")
        < told.index("data import")
        < told.index("requests.json")
        < told.index("restart all")
    )
