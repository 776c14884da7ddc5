"""The dialect of 4.x against what 4.2.14, 4.3.22 and 4.4.19 answered: a 200 is judged by what it says."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.cutover.evacuation import Evacuation
from components.emqx.base import Portion, exports_of
from components.emqx.client import Reply
from components.emqx.clients import Door as Limits
from components.emqx.errors import NotNow, Refused, Rejected, Unauthorized
from components.emqx.models import ExportsAccess
from components.emqx.registry import can_export, cluster_of, dialect_of
from components.emqx.v4.calls import judged
from components.emqx.v4.cluster import ClusterApi
from components.migration.inventory import Section, Unlisted
from tests.unit.v4_replay import APPLICATION, VERSIONS, Replay, api, names_of, rows_of

pytestmark = pytest.mark.unit

every_version = pytest.mark.parametrize("version", VERSIONS)


def answered(**bodies: Any) -> Any:
    """Answers by the last part of the path, with ``code`` 0 where none is said."""

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[-1].replace("-", "_").replace("$", "")
        if name not in bodies:
            return httpx.Response(404, text="Not found.")
        body = bodies[name]
        return httpx.Response(200, json=body if isinstance(body, dict) else {"code": 0, "data": body})

    return answer


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
        assert {"c-000", "a/b", "p%q"} <= set(ids)
        assert ids == sorted(set(ids))
    later = [row for row in rows_of(version, "clients") if row["name"].startswith("offline sessions")]
    assert len(later) == 2
    async with api(version, answered(clients=later[0]["body"], brokers=[], nodes=[])) as blue:
        totals = await blue.session_totals()
        assert totals.offline > 0
        placed = await blue.connected_clients()
        assert all(one.address.startswith("127.0.0.1:") for one in placed)
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
        assert await blue.mqtt5_clients() == 6


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


async def test_a_node_without_the_plugin_that_others_have_is_not_ready() -> None:
    first, second = names_of("4.4.19")
    mnesia = {"name": "emqx_auth_mnesia", "type": "auth", "active": True}
    rows = [{"node": first, "plugins": [{**mnesia, "active": False}]}, {"node": second, "plugins": [mnesia]}]
    async with api("4.4.19", answered(plugins=rows)) as blue:
        await blue.ask_authenticators(second)
        with pytest.raises(NotNow, match="emqx_auth_mnesia not active yet"):
            await blue.ask_authenticators(first)


class Door:
    """The users and rules of one node, as 4.x keeps them."""

    def __init__(self, version: str) -> None:
        self.version, self.users, self.rules = version, dict[str, Any](), list[dict[str, Any]]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v4")
        body: Any = json.loads(request.content) if request.content else None
        if path == "/plugins":
            plugin = {"name": "emqx_auth_mnesia", "type": "auth", "active": True}
            return httpx.Response(200, json={"code": 0, "data": [{"node": "n", "plugins": [plugin]}]})
        key = "login" if self.version.startswith("4.2") else "username"
        if request.method == "POST" and path in {"/mqtt_user", "/auth_username"}:
            self.users[body[key]] = body
            return httpx.Response(200, json={"code": 0, "data": {body[key]: "ok"}})
        if request.method == "POST":
            self.rules += body
            return httpx.Response(200, json={"code": 0, "data": {row[key]: "ok" for row in body}})
        if request.method == "GET" and path in {"/mqtt_user", "/auth_username"}:
            return httpx.Response(200, json={"code": 0, "data": list(self.users.values()), "meta": {"count": -1}})
        if request.method == "GET":
            rows = [row for row in self.rules if row[key] == path.rsplit("/", 1)[-1]]
            return httpx.Response(200, json={"code": 0, "data": rows[0] if key == "login" and len(rows) == 1 else rows})
        raw = request.url.raw_path.decode().removeprefix("/api/v4")
        if "acl" in raw:
            topic = httpx.URL("http://x/" + raw.rsplit("/", 1)[-1]).path[1:]
            self.rules = [
                row
                for row in self.rules
                if httpx.URL(f"http://x/{row['topic']}").path[1:] != topic and row["topic"] != topic
            ]
        else:
            self.users.pop(raw.rsplit("/", 1)[-1], None)
        return httpx.Response(200, json={"code": 0})


RULES = [
    {"permission": "allow", "action": "all", "topic": "upgrade-probe/1/#"},
    {"permission": "deny", "action": "subscribe", "topic": "upgrade-probe-denied/+"},
]


@every_version
async def test_a_probes_account_leaves_nothing_behind(version: str) -> None:
    door = Door(version)
    async with api(version, door) as blue:
        async with blue.temporary_account(RULES) as account:
            assert account is not None
            assert list(door.users) == [account.name]
            assert len(door.rules) == 2
            assert account.by_client_id == version.startswith("4.2")
        assert door.users == {}
        assert door.rules == []


@every_version
async def test_the_account_of_a_killed_run_is_swept_with_its_rules(version: str) -> None:
    door = Door(version)
    async with api(version, door) as blue:
        one = blue.temporary_account(RULES)
        assert await one.__aenter__() is not None
        door.users["alice"] = {"username": "alice", "login": "alice"}
        assert await blue.sweep() == 1
        assert list(door.users) == ["alice"]
        assert door.rules == []
        await one.__aexit__(None, None, None)


async def test_without_emqx_auth_mnesia_there_is_no_account() -> None:
    async with api("4.4.19", answered(plugins=[{"node": "n", "plugins": []}])) as blue:
        async with blue.temporary_account(RULES) as account:
            assert account is None
        assert await blue.sweep() == 0


EVERYTHING = Portion("everything", (), ("everything",))


@pytest.mark.parametrize("version", ["4.2.14", "4.3.22"])
async def test_an_export_of_4_2_and_4_3_comes_over_the_api(version: str, tmp_path: Path) -> None:
    first, _ = names_of(version)
    async with api(version, Replay(version, "data").only(lambda row: row["name"] != "export")) as blue:
        exports = exports_of(blue)
        made = await exports.export(EVERYTHING, node=first)
        assert made.facts.node == first
        path = tmp_path / made.facts.filename
        await exports.download(made.facts, path)
        assert json.loads(path.read_text())["version"] in {"4.2.14", "4.3"}
        assert path.stat().st_mode & 0o777 == 0o600
        await exports.delete(made.facts)


async def test_4_4_never_hands_one_out_over_the_api_and_that_says_what_to_declare(tmp_path: Path) -> None:
    first, _ = names_of("4.4.19")
    async with api("4.4.19", Replay("4.4.19", "data").only(lambda row: row["name"] != "export")) as blue:
        exports = exports_of(blue)
        made = await exports.export(EVERYTHING, node=first)
        with pytest.raises(Refused, match=r"not_found.*emqx:clusters\.blue\.exports"):
            await exports.download(made.facts, tmp_path / "x.json")
        await exports.delete(made.facts)  # not_found too, and the file stays there


@pytest.mark.parametrize("kind", ["directory", "template", "file", "command"])
async def test_an_export_comes_from_where_the_stack_says(kind: str, tmp_path: Path) -> None:
    first, _ = names_of("4.4.19")
    replay = Replay("4.4.19", "data").only(lambda row: row["name"] != "export")
    there = tmp_path / "backup" / "emqx-export-2026-11-29-6-51-46.json"
    there.parent.mkdir()
    there.write_text('{"version": "4.4"}')
    access = {
        "directory": ExportsAccess(kind="path", path=str(there.parent)),
        "template": ExportsAccess(kind="path", path=f"{tmp_path}/backup/{{file}}"),
        "file": ExportsAccess(kind="path", path=str(there)),
        "command": ExportsAccess(kind="command", command=("cat", "{path}"), directory=str(tmp_path)),
    }[kind]
    async with api("4.4.19", replay, exports=access) as blue:
        exports = exports_of(blue)
        made = await exports.export(EVERYTHING, node=first)
        await exports.download(made.facts, tmp_path / "kept.json")
        await exports.delete(made.facts)
    assert (tmp_path / "kept.json").read_text() == '{"version": "4.4"}'
    assert there.exists()
    assert (kind == "file") == (replay.asked == [])


@pytest.mark.parametrize("command", [("false",), ("no-such-command-anywhere",), ("echo", "no export")])
async def test_a_command_that_prints_no_export_is_told_without_its_arguments(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    first, _ = names_of("4.4.19")
    access = ExportsAccess(kind="command", command=(*command, "--secret=s3cret"))
    replay = Replay("4.4.19", "data").only(lambda row: row["name"] != "export")
    async with api("4.4.19", replay, exports=access) as blue:
        made = await exports_of(blue).export(EVERYTHING, node=first)
        with pytest.raises((Refused, NotNow)) as caught:
            await exports_of(blue).download(made.facts, tmp_path / "kept.json")
    assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "kept.json").exists()


async def _no_waiting(_: float) -> None:
    return


async def test_an_import_is_judged_by_what_its_200_says(tmp_path: Path) -> None:
    first, _ = names_of("4.3.22")
    document = tmp_path / "up.json"
    document.write_text('{"version": "4.3"}')
    done = {"data": {"node": first}, "code": 0}
    for imported, wrong in (
        ({"code": 0}, None),
        ({"message": "import_failed"}, "import_failed"),
        ({"message": '"4.4"', "code": "unsupported_version"}, "unsupported_version"),
    ):
        seen: list[Any] = []

        def answer(request: httpx.Request, body: Any = imported, seen: list[Any] = seen) -> httpx.Response:
            seen.append(json.loads(request.content))
            return httpx.Response(200, json=done if request.url.path.endswith("/file") else body)

        async with api("4.3.22", answer) as green:
            exports = exports_of(green)
            assert await exports.upload(document, "", size=18, node=first)
            call = exports.import_archive("up.json", node=first, waiting=_no_waiting, limit_seconds=60.0)
            if wrong is None:
                await call
            else:
                with pytest.raises(Rejected, match=wrong):
                    await call
        assert seen == [
            {"filename": "up.json", "file": '{"version": "4.3"}'},
            {"filename": "up.json", "node": first},
        ]


async def test_4_2_takes_no_import_over_its_api() -> None:
    async with api("4.2.14", Replay("4.2.14")) as blue:
        with pytest.raises(Refused, match="emqx_ctl data import"):
            await exports_of(blue).import_archive("x.json", node="n", waiting=_no_waiting, limit_seconds=1.0)


async def test_a_release_that_evacuates_is_asked_with_plain_numbers() -> None:
    """By EMQX's documents of 4.4.12 Enterprise; nothing of it is recorded (docs/emqx/v4.md#not-recorded)."""
    sent: list[Any] = []
    node = names_of("4.4.19")[0]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/brokers"):
            return httpx.Response(200, json={"code": 0, "data": [{"node": node, "sysdescr": "EMQX Enterprise"}]})
        if request.url.path.endswith("/global_status"):
            one = {"node": node, "state": "evicting_conns", "connection_eviction_rate": 7, "session_recipients": []}
            return httpx.Response(200, json={"evacuations": [one], "rebalances": []})
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
    first = sent[0]
    assert (first["wait_takeover"], first["conn_evict_rate"], first["sess_evict_rate"]) == (3, 7, 8)
    assert first["migrate_to"] == [names_of("4.4.19")[1]]
