"""What a probe's answer is held against, what room a cluster has, and the bytes in front of a proxied connection."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from components.emqx.account import Account
from components.emqx.base import Cluster
from components.emqx.errors import VerificationFailed
from components.emqx.models import Credentials
from components.emqx.probes import Answer, Topics, proxy_header
from components.emqx.registry import cluster_of
from components.links.verification import Finding, _at_least, _certain, _judged, _room, refuse
from tests.handles import cluster_at, node_at

pytestmark = pytest.mark.unit

NODE = node_at("a")
YES, NO = Answer(accepted=True, seen="CONNACK 0x00"), Answer(accepted=False, seen="CONNACK 0x86")
MAYBE = Answer(accepted=False, seen="CONNACK 0x9c", certain=False)
RECORDED = json.loads((Path(__file__).parent / "recordings/emqx/02_nodes_cluster_stats.json").read_text())
ROWS = next(row["body"] for row in RECORDED if row["url"].endswith("/nodes"))
ACCOUNT = Account(name="n", password="planted-s3cret", by_client_id=False, ruled=True)


@pytest.mark.parametrize(
    ("blue", "green", "wrong"),
    [
        (YES, YES, False),
        (NO, NO, False),
        (NO, YES, True),
        (YES, NO, True),
        (MAYBE, YES, False),
        (YES, MAYBE, True),
        (NO, MAYBE, True),
    ],
)
def test_green_must_accept_and_refuse_what_blue_does_and_an_uncertain_blue_says_nothing(
    blue: Answer, green: Answer, wrong: bool
) -> None:
    found = _judged(NODE, _certain({"question": blue}), {"question": green})
    assert bool(found) == wrong
    for one in found:
        assert one.section == "probe of emqx@a: question"
        assert one.found == green.seen


def test_whatever_blue_says_a_right_password_is_accepted_and_a_wrong_one_refused() -> None:
    wanted = _at_least(ACCOUNT)
    assert {question: accept for question, accept in wanted.items() if question.endswith("5")} == {
        "connect, MQTT 5": True,
        "wrong password, MQTT 5": False,
    }
    assert _at_least(None) == {}


def test_an_account_never_shows_its_password() -> None:
    assert "planted" not in repr(ACCOUNT)


def test_the_probes_rules_allow_its_own_topics_and_the_one_retained_message_and_nothing_else() -> None:
    topics = Topics.fresh("state/1")
    assert topics != Topics.fresh("state/1"), "nobody shares a probe's topics"
    rules = topics.rules()
    assert [(rule["permission"], rule["action"]) for rule in rules] == [
        ("allow", "all"),
        ("deny", "all"),
        ("allow", "subscribe"),
    ]
    assert not any(topics.unruled in rule["topic"] for rule in rules)


def test_the_failure_names_five_findings_and_says_how_many_there_are() -> None:
    findings = [Finding(section=f"s{number}", expected="e", found="f") for number in range(7)]
    with pytest.raises(VerificationFailed, match="and 2 more in the journal") as caught:
        refuse(findings, "green")
    assert "s4: expected e, found f" in str(caught.value)
    refuse([], "green")


def green(max_sessions: int | None, *, connections: int, max_fds: int) -> Cluster:
    rows = [{**row, "connections": connections, "max_fds": max_fds} for row in ROWS]
    edition = "Opensource" if max_sessions is None else "Enterprise"

    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/license"):
            return httpx.Response(200, json={"max_sessions": max_sessions, "expiry": False})
        return httpx.Response(200, json=[{**row, "edition": edition} for row in rows])

    handle = cluster_at(*(row["node"].removeprefix("emqx@") for row in ROWS), colour="green")
    return cluster_of(handle, Credentials(api_key="k", api_secret="s"), transport=httpx.MockTransport(serve))


@pytest.mark.parametrize(
    ("limit", "connections", "max_fds", "clients", "room", "named"),
    [
        (25, 0, 20_000, 25, 25, []),
        (25, 1, 20_000, 23, 22, ["licence"]),
        (None, 0, 20_000, 59_000, None, []),
        (None, 0, 20_000, 60_000, None, ["capacity"]),
        (0, 0, 20_000, 500, None, []),
        (100, 40, 100, 50, -20, ["licence", "capacity"]),
    ],
)
async def test_room_counts_what_is_there_and_no_licence_is_no_limit(
    limit: int | None, connections: int, max_fds: int, clients: int, room: int | None, named: list[str]
) -> None:
    async with green(limit, connections=connections, max_fds=max_fds) as api:
        found, findings = await _room(api, clients)
    assert found == room
    assert [one.section for one in findings] == named


def test_a_proxied_probe_says_its_own_address_in_version_2() -> None:
    header = proxy_header(("127.0.0.1", 50_000), ("127.0.1.1", 1883))
    assert header == bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c 7f000001 7f000101 c350 075b")
    longer = proxy_header(("::1", 1), ("::1", 2))
    assert longer[12:16] == bytes.fromhex("21210024")
    assert len(longer) == 16 + 36
