"""The dialect of 4.x against what 4.2.14, 4.3.22 and 4.4.19 answered: a 200 is judged by what it says."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import httpx
import pytest

from components.cutover.evacuation import Evacuation
from components.emqx.client import Reply
from components.emqx.clients import Door as Limits
from components.emqx.errors import Rejected, Unauthorized
from components.emqx.registry import can_export, cluster_of, dialect_of
from components.emqx.v4.calls import judged
from components.emqx.v4.cluster import ClusterApi
from components.migration.inventory import Section, Unlisted
from tests.unit.v4_replay import APPLICATION, VERSIONS, Replay, answered, api, names_of, rows_of

pytestmark = pytest.mark.unit

every_version = pytest.mark.parametrize("version", VERSIONS)


@every_version
async def test_the_registry_speaks_4x_to_it(version: str) -> None:
    assert dialect_of(version).name == "4.x"
    assert dialect_of(version).health_check("ce") == "/status"
    assert can_export(version)
    async with api(version, Replay(version)) as blue, cluster_of(blue.handle, APPLICATION) as opened:
        assert isinstance(opened, ClusterApi)
        assert "public" not in repr(opened)


@every_version
async def test_nodes_members_edition_and_metrics_are_read(version: str) -> None:
    first, second = names_of(version)
    replay = Replay(version, "overview")
    nobody = {"code": 0, "data": [], "meta": {"count": -1, "hasnext": False}}

    def answer(request: httpx.Request) -> httpx.Response:
        is_list = request.url.path.endswith("/clients")
        return httpx.Response(200, json=nobody) if is_list else replay(request)

    async with api(version, answer) as blue:
        facts = await blue.nodes()
        assert {one.name for one in facts} == {first, second}
        assert all(one.running and one.version == version and one.edition == "ce" for one in facts)
        assert all(one.live_connections is not None and one.memory_total and one.load1 is not None for one in facts)
        assert await blue.cluster_members(first) == (first, second)
        assert await blue.edition() == "ce"
        assert not await blue.has_evacuation()
        assert await blue.evacuations() == {}
        assert await blue.license() is None
        assert await blue.configs_text(first) is None
        metrics = await blue.metrics()
        assert metrics["packets.connack.sent"] == 0
        ports = await blue.listeners()
        assert ports[1883] == ("tcp" if version.startswith("4.2") else "tcp:external")
        assert 18083 not in ports
        assert await blue.doors() == dict.fromkeys((first, second), Limits(1_024_000, None))
        assert not await blue.has_rebalance()


def _status(status: int, _: httpx.Request) -> httpx.Response:
    return httpx.Response(status, text="Node emqx@x is starting\nemqx is not_running")


@every_version
async def test_status_is_read_by_its_text_not_by_its_number(version: str) -> None:
    first, _ = names_of(version)
    taken = Replay(version, "auth", "overview").only(lambda row: row["status"] == 200)
    async with api(version, taken) as blue:
        assert await blue.availability(first)
    for status in (200, 503):  # 4.2 says 200 while it starts
        async with api(version, partial(_status, status)) as blue:
            assert not await blue.availability(first)


@every_version
async def test_wrong_credentials_are_told_whatever_the_shape_of_the_answer(version: str) -> None:
    rows = [row for row in rows_of(version, "auth") if row["status"] == 401]
    assert rows
    async with api(version, lambda _: httpx.Response(401, text=rows[0]["body"])) as blue:
        with pytest.raises(Unauthorized):
            await blue.nodes()


@pytest.mark.parametrize(
    "body",
    [
        {"message": "not_found"},
        {"message": '"4.4"', "code": "unsupported_version"},
        {"message": "value of 'as' must be one of: ['clientid']", "code": 108},
        {"data": {"message": "no_existent_node"}, "code": 0},
        {"data": []},
        [],
        None,
    ],
)
def test_a_200_that_does_not_say_that_it_was_done_is_a_refusal(body: Any) -> None:
    with pytest.raises(Rejected, match="200"):
        judged(Reply("POST /x", "n", 200, json.dumps(body).encode()), body)


@every_version
async def test_clients_are_read_page_by_page_and_offline_sessions_among_them(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.emqx.v4.clients.SMALL_PAGE", 10)
    async with api(version, Replay(version, "clients")) as blue:
        ids = await blue.connected_client_ids()
        assert len(ids) == 3, "three pages, of each of which the recording keeps a row"
        assert ids == sorted(set(ids))
    later = [row for row in rows_of(version, "clients") if row["name"].startswith("offline sessions")]
    assert len(later) == 2
    async with api(version, answered(clients=later[1]["body"], brokers=[], nodes=[])) as blue:
        totals = await blue.session_totals()
        assert totals.offline > 0
    async with api(version, answered(clients=later[1]["body"])) as blue:
        gone = await blue.offline_sessions(50)
        assert gone
        assert all(not one.connected and one.disconnected_at and one.expiry_seconds in {300, 7200} for one in gone)


async def test_a_colour_of_a_cluster_is_listed_node_by_node_and_one_that_is_down_is_not_asked() -> None:
    first, _ = names_of("4.4.19")
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path.endswith("/brokers"):
            return httpx.Response(200, json={"code": 0, "data": [{"node": first, "sysdescr": "EMQX Broker"}]})
        row = {"clientid": "a", "connected": True, "proto_ver": 5}
        return httpx.Response(200, json={"code": 0, "data": [row], "meta": {"count": 1, "hasnext": False}})

    async with api("4.4.19", answer, scope="colour") as blue:
        assert await blue.connected_client_ids() == ["a"]
    assert asked == ["/api/v4/brokers", f"/api/v4/nodes/{first}/clients"]


async def test_clients_that_speak_mqtt_5_are_counted_though_a_filter_hides_the_count() -> None:
    async with api("4.4.19", Replay("4.4.19", "clients")) as blue:
        assert await blue.mqtt5_clients() == 1, "of six the recording keeps one"


async def test_before_4_4_sessions_of_clients_that_are_offline_are_taken_off_the_connections() -> None:
    first, second = names_of("4.3.22")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/nodes"):
            rows = [{"node": name, "node_status": "Running", "connections": 10} for name in (first, second)]
            return httpx.Response(200, json={"code": 0, "data": rows})
        if request.url.path.endswith("/brokers"):
            return httpx.Response(200, json={"code": 0, "data": [{"node": first, "sysdescr": "EMQ X Broker"}]})
        assert request.url.params["conn_state"] == "disconnected"
        offline = 3 if first in request.url.path else 0
        rows = [{"clientid": f"c{number}"} for number in range(offline)]
        return httpx.Response(200, json={"code": 0, "data": rows, "meta": {"count": -1, "hasnext": False}})

    async with api("4.3.22", answer) as blue:
        assert await blue.live_connections() == {first: 7, second: 10}


@every_version
async def test_a_kick_of_somebody_who_is_not_there_is_no_failure(version: str) -> None:
    replay = Replay(version, "clients")
    async with api(version, replay) as blue:
        await blue.kick(["nosuch", "a/b", "p%q", "x y"])
    assert ("DELETE", "/api/v4/clients/a%2Fb") in replay.asked


async def test_a_kick_that_is_refused_is_told() -> None:
    async with api("4.4.19", lambda _: httpx.Response(200, json={"message": "timeout"})) as blue:
        with pytest.raises(Rejected, match="timeout"):
            await blue.kick(["a", "b"])


@every_version
async def test_the_clock_is_the_latest_of_the_brokers(version: str) -> None:
    async with api(version, Replay(version, "overview")) as blue:
        assert await blue.brokers_now() is not None
    async with api(version, lambda _: httpx.Response(404, text="Not found.")) as blue:
        assert await blue.brokers_now() is None


@every_version
async def test_the_inventory_has_what_can_be_listed_and_says_what_cannot(version: str) -> None:
    async with api(version, Replay(version, "overview", "auth_mnesia")) as blue:
        found = (await blue.inventory()).sections
    assert isinstance(found["retained"], Unlisted)
    assert isinstance(found["rules"], Section)
    users = found["users" if version.startswith("4.2") else "users:username"]
    assert isinstance(users, Section)


async def test_a_hash_of_a_user_of_4_2_is_not_in_the_inventory() -> None:
    rows = [{"login": "alice", "password": "cefd4bcd86ca", "is_superuser": False}]
    async with api("4.2.14", answered(mqtt_user=rows, rules=[], resources=[], banned=[])) as blue:
        found = await blue.inventory()
        again = answered(mqtt_user=[{**rows[0], "password": "other"}], rules=[], resources=[], banned=[])
    async with api("4.2.14", again) as blue:
        assert await blue.inventory() == found


async def test_a_release_that_evacuates_is_asked_with_plain_numbers() -> None:
    """By EMQX's documents of 4.4.12 Enterprise; nothing of it is recorded (docs/emqx/v4.md#not-recorded)."""
    sent: list[Any] = []
    node = names_of("4.4.19")[0]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/brokers"):
            return httpx.Response(200, json={"code": 0, "data": [{"node": node, "sysdescr": "EMQX Enterprise"}]})
        if request.url.path.endswith("/global_status"):
            one = {"node": node, "state": "evicting_conns", "connection_eviction_rate": 7, "session_recipients": []}
            shapes: list[Any] = [[one], {node: one}]
            return httpx.Response(200, json={"evacuations": shapes[len(sent) % 2], "rebalances": []})
        sent.append(json.loads(request.content or b"null"))
        again = len(sent) > 1
        return httpx.Response(
            200, json={"code": 400, "message": "already_started"} if again else {"data": [], "code": 0}
        )

    async with api("4.4.19", answer) as blue:
        knobs = Evacuation(wait_takeover_seconds=3, conn_evict_rate=7, sess_evict_rate=8)
        assert await blue.edition() == "ee"
        assert await blue.evacuation_start(node, knobs, [names_of("4.4.19")[1]])
        assert not await blue.evacuation_start(node, knobs)
        assert list(await blue.evacuations()) == [node]
        sent.append({})
        assert list(await blue.evacuations()) == [node], "as a list and by node"
    first = sent[0]
    assert (first["wait_takeover"], first["conn_evict_rate"], first["sess_evict_rate"]) == (3, 7, 8)
    assert first["migrate_to"] == [names_of("4.4.19")[1]]
