"""The recordings of real clusters (5.8.9 to 5.8.11), replayed: what they answered must be read as what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.cutover.evacuation import Evacuation
from components.emqx.answers import NodeFacts
from components.emqx.errors import NotNow, Rejected, Unauthorized
from components.emqx.models import Credentials
from components.emqx.v5.cluster import ClusterApi
from tests.handles import cluster_at

pytestmark = pytest.mark.unit

RECORDINGS = Path(__file__).parent / "recordings" / "emqx"
NAMES = tuple(f"emqx@127.0.1.{i}" for i in (1, 2, 3))


class Replay:
    """Answers each request with the recorded answers for it, in order; the last one stays."""

    def __init__(self, *files: str) -> None:
        self.answers: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for file in files:
            for row in json.loads((RECORDINGS / file).read_text()):
                url = httpx.URL(row["url"])
                self.answers.setdefault((row["method"], str(url.copy_with(scheme="http", host="node"))), []).append(row)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        query = "" if "page=" in str(request.url) else request.url.query.decode()
        for (method, url), rows in self.answers.items():
            recorded = httpx.URL(url)
            if method == request.method and recorded.path == path and (not query or recorded.query.decode() == query):
                return _response(_chosen(rows, request))
        return httpx.Response(404, text="<html>404</html>")


def _chosen(rows: list[dict[str, Any]], request: httpx.Request) -> dict[str, Any]:
    if "text/plain" in request.headers.get("accept", ""):
        rows = [row for row in rows if row["accept"] == "text/plain" or isinstance(row["body"], str)] or rows
    return rows.pop(0) if len(rows) > 1 else rows[0]


def _response(row: dict[str, Any]) -> httpx.Response:
    body = row["body"]
    if body is None:
        return httpx.Response(row["status"])
    return (
        httpx.Response(row["status"], text=body) if isinstance(body, str) else httpx.Response(row["status"], json=body)
    )


def api(*files: str) -> ClusterApi:
    credentials = Credentials(api_key="lab", api_secret="x", username="admin", password="y")
    handle = cluster_at(*(name.removeprefix("emqx@") for name in NAMES))
    return ClusterApi(handle, credentials, transport=httpx.MockTransport(Replay(*files)), patience_seconds=0)


async def test_nodes_cluster_license_and_metrics_are_read() -> None:
    async with api("02_nodes_cluster_stats.json") as blue:
        facts = await blue.nodes()
        assert [one.name for one in facts] == list(NAMES)
        assert all(one.running and one.version == "5.8.11" and one.max_fds == 20000 for one in facts)
        assert facts[0].memory_total == int(23.54 * 1024**3)
        assert await blue.cluster_members(NAMES[0]) == NAMES
        assert await blue.edition() == "ee"
        assert await blue.has_evacuation()
        licence = await blue.license()
        assert licence is not None
        assert licence.max_sessions == 25
        assert not licence.expiry
        metrics = await blue.metrics()
        assert metrics["packets.connack.error"] == 2
        assert (await blue.live_connections()) == dict.fromkeys(NAMES, 0)


async def test_what_api_keys_may_not_see_is_told_as_such() -> None:
    async with api("02_nodes_cluster_stats.json") as blue:
        with pytest.raises(Unauthorized, match="API_KEY_NOT_ALLOW"):
            await blue.http.call("GET", "/users")


async def test_status_is_read_per_node() -> None:
    async with api("01_auth_login_status.json") as blue:
        status = await blue.status(NAMES[0])
        assert status.running
        assert status.node == NAMES[0]


async def test_an_evacuation_is_followed_through_its_states() -> None:
    async with api("02_nodes_cluster_stats.json", "04b_evacuation_run.json") as blue:
        assert await blue.edition() == "ee"
        assert await blue.evacuations() == {}
        assert await blue.availability(NAMES[1])
        states = []
        for _ in range(5):
            facts = (await blue.evacuations())[NAMES[1]]
            states.append(facts.state)
            assert facts.connection_eviction_rate == 3
            assert facts.past_evicting == (facts.state not in {"waiting_health_check", "evicting_conns"})
            assert not await blue.availability(NAMES[1])
        assert states == [
            "waiting_health_check",
            "evicting_conns",
            "waiting_takeover",
            "evicting_sessions",
            "prohibiting",
        ]


async def test_starting_twice_and_stopping_twice_is_told_and_no_error() -> None:
    async with api("04b_evacuation_run.json") as blue:
        assert await blue.evacuation_start(NAMES[1], Evacuation(conn_evict_rate=3))
        assert not await blue.evacuation_start(NAMES[1], Evacuation())
        assert await blue.evacuation_stop(NAMES[1])
        assert not await blue.evacuation_stop(NAMES[1])
        await blue.kick(["ev9", "ev6"])


async def test_an_evacuation_is_asked_for_as_the_api_document_writes_it() -> None:
    asked: list[dict[str, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={})

    knobs = Evacuation(wait_health_check_seconds=2, wait_takeover_seconds=3, conn_evict_rate=10, sess_evict_rate=20)
    async with api() as blue:
        blue.http._client._transport = httpx.MockTransport(serve)
        assert await blue.evacuation_start(NAMES[0], knobs)
    assert asked == [{"wait_health_check": "2s", "wait_takeover": "3s", "conn_evict_rate": 10, "sess_evict_rate": 20}]


def recorded(file: str) -> Iterator[dict[str, Any]]:
    yield from json.loads((RECORDINGS / file).read_text())


EVACUATION_REFUSALS = [
    row
    for row in recorded("03_evacuation_start_validation.json")
    if row["method"] == "POST" and row["status"] >= 400 and "_started" not in json.dumps(row["body"])
]


@pytest.mark.parametrize("row", EVACUATION_REFUSALS, ids=lambda row: json.dumps(row["body"])[:60])
async def test_every_recorded_refusal_of_an_evacuation_is_rejected_with_emqx_own_words(row: dict[str, Any]) -> None:
    async with api() as blue:
        blue.http._client._transport = httpx.MockTransport(lambda _: _response(row))
        with pytest.raises(Rejected) as caught:
            await blue.evacuation_start(NAMES[0], Evacuation())
        assert caught.value.status == row["status"]
        assert str(row["status"]) in caught.value.seen


ALL = [(file.name, row) for file in sorted(RECORDINGS.glob("*.json")) for row in recorded(file.name)]


async def test_every_recorded_answer_ends_as_a_reply_or_as_an_error_of_ours() -> None:
    for _, row in ALL:
        async with api() as blue:
            blue.http._client._transport = httpx.MockTransport(lambda _, row=row: _response(row))
            try:
                reply = await blue.http.call(row["method"], "/x", repeatable=False)
            except (Rejected, Unauthorized, NotNow):
                assert row["status"] >= 400
            else:
                assert row["status"] < 400
                assert reply.status == row["status"]


async def test_a_page_that_is_exactly_full_does_not_end_a_list_and_a_list_without_hasnext_ends() -> None:
    pages = {1: ([{"clientid": f"c{i}"} for i in range(3)], True), 2: ([], False)}
    asked: list[int] = []

    def serve(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        asked.append(page)
        assert request.url.params["limit"] == "10000"
        rows, more = pages[page]
        meta = {"count": 3, "limit": 10000, "page": page, "hasnext": more}
        if request.url.path.endswith("/banned"):
            del meta["hasnext"]
        return httpx.Response(200, json={"data": rows, "meta": meta})

    async with api() as blue:
        blue.http._client._transport = httpx.MockTransport(serve)
        assert [len(page) async for page in blue.http.pages("/clients")] == [3, 0]
        assert asked == [1, 2]
        asked.clear()
        assert [len(page) async for page in blue.http.pages("/banned")] == [3]
        assert asked == [1]


async def test_clients_that_move_between_pages_are_listed_once() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        rows = [
            {"clientid": "a", "connected": True},
            {"clientid": "b", "connected": page == 1},
            {"clientid": f"p{page}", "connected": True},
        ]
        return httpx.Response(200, json={"data": rows, "meta": {"hasnext": page < 3}})

    async with api() as blue:
        blue.http._client._transport = httpx.MockTransport(serve)
        assert sorted(await blue.connected_client_ids()) == ["a", "b", "p1", "p2", "p3"]


async def test_a_session_persists_by_its_expiry_and_not_by_clean_start() -> None:
    rows = [
        {"clientid": "v5-clean-600", "connected": True, "expiry_interval": 600, "mqueue_len": 2, "inflight_cnt": 1},
        {"clientid": "v5-unclean-0", "connected": True, "expiry_interval": 0, "mqueue_len": 0},
        {"clientid": "gone", "connected": False, "expiry_interval": 7200, "disconnected_at": "2026-11-22T10:00:00Z"},
    ]

    def serve(request: httpx.Request) -> httpx.Response:
        assert "listener" not in request.url.params["fields"]
        return httpx.Response(200, json={"data": rows, "meta": {"hasnext": False}})

    async with api() as blue:
        blue.http._client._transport = httpx.MockTransport(serve)
        found = {one.clientid: one async for page in blue.session_pages() for one in page}
        assert set(found) == {"v5-clean-600", "gone"}
        assert found["v5-clean-600"].mqueue_len == 2
        assert not found["gone"].connected


@pytest.mark.parametrize(
    ("text", "number"),
    [("3.75G", 3.75 * 2**30), ("512.00M", 2**29), ("1K", 1024), ("1KB", 1024), ("17", 17), (12, 12), (None, None)],
)
def test_memory_is_read_with_its_unit(text: str | int | None, number: float | None) -> None:
    row = {"node": "emqx@a", "node_status": "running", "memory_used": text}
    assert NodeFacts.model_validate(row).memory_used == number
