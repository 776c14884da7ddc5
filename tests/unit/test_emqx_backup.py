"""Export, download, upload and what the import leaves undone, against answers as they were recorded."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.emqx.answers import ExportFacts
from components.emqx.base import Portion, exports_of
from components.emqx.errors import BadInput, NotNow, Refused, Rejected, Unreachable
from components.emqx.models import Credentials
from components.emqx.v5.backup import _writer
from components.emqx.v5.cluster import ClusterApi
from components.emqx.v5.traits import EDITIONS
from components.migration.inventory import Inventory, Section
from tests.handles import cluster_at

pytestmark = pytest.mark.unit

NODE = "emqx@127.0.1.1"
NAME = "emqx-export-2026-11-22-10-51-15.423.tar.gz"
FACTS = ExportFacts(filename=NAME, node=NODE, size=6)
NONE = httpx.Response(200, json={"data": [], "meta": {"count": 0, "page": 1, "limit": 10_000, "hasnext": False}})
Handler = Callable[[httpx.Request], httpx.Response]
RECORDED = json.loads((Path(__file__).parent / "recordings/emqx/A_root_keys.json").read_text())
EXPORTED = next(row["body"] for row in RECORDED if row["status"] == 200)


def api(handler: Handler, node: str = NODE, patience_seconds: float = 0) -> ClusterApi:
    handle, credentials = cluster_at(node.removeprefix("emqx@")), Credentials(api_key="k", api_secret="s")
    return ClusterApi(handle, credentials, transport=httpx.MockTransport(handler), patience_seconds=patience_seconds)


class _Exporting:
    """A node whose first answers to an export are lost, or which answers none; somebody's archive lies there already."""

    def __init__(self, lost: int) -> None:
        self.files, self.lost, self.made = ["somebodys.tar.gz"], lost, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            rows = [{"filename": name, "node": NODE, "size": 6} for name in self.files]
            return httpx.Response(200, json={"data": rows, "meta": {"count": len(rows), "hasnext": False}})
        if request.method == "DELETE":
            self.files.remove(request.url.path.rpartition("/")[2])
            return httpx.Response(204)
        self.made += 1
        name = f"export-{self.made}.tar.gz"
        self.files.append(name)
        if self.made <= self.lost:
            raise httpx.ReadTimeout("", request=request)
        return httpx.Response(200, json={**EXPORTED, "filename": name, "node": NODE})


@pytest.mark.parametrize(("lost", "left"), [(0, ["export-1.tar.gz"]), (2, ["export-3.tar.gz"])])
async def test_a_repeated_export_leaves_one_archive_on_the_node_and_touches_nobody_elses(
    lost: int, left: list[str]
) -> None:
    node = _Exporting(lost)
    async with api(node, patience_seconds=20) as blue:
        found = await exports_of(blue).export(Portion("part", ("mqtt",), ()), node=NODE)
    assert node.files == ["somebodys.tar.gz", *left]
    assert found.facts.filename == left[0]


async def test_an_export_that_is_never_answered_leaves_nothing() -> None:
    node = _Exporting(99)
    async with api(node) as blue:
        with pytest.raises(Unreachable):
            await exports_of(blue).export(Portion("part", ("mqtt",), ()), node=NODE)
    assert node.files == ["somebodys.tar.gz"]


async def test_names_that_the_edition_does_not_know_are_left_out_and_told() -> None:
    asked: list[dict[str, list[str]]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return NONE
        body = json.loads(request.content)
        asked.append(body)
        strange = [name for name in body["root_keys"] if name.startswith("schema_")]
        if strange:
            text = f"Invalid root keys: {', '.join(strange)}"
            return httpx.Response(400, json={"code": "BAD_REQUEST", "message": text})
        if "psk" in body["table_sets"]:
            return httpx.Response(400, json={"code": "BAD_REQUEST", "message": "Invalid table sets: psk"})
        return httpx.Response(200, json=EXPORTED)

    async with api(serve) as blue:
        roots, tables = ("mqtt", "schema_registry", "schema_validation"), ("psk", "banned")
        found = await exports_of(blue).export(Portion("part", roots, tables), node=NODE)
    assert found.unknown == ("schema_registry", "schema_validation", "psk")
    assert asked[-1] == {"root_keys": ["mqtt"], "table_sets": ["banned"]}
    assert len(asked) == 3


@pytest.mark.parametrize(
    "row", [row for row in RECORDED if row["status"] == 400], ids=lambda row: row["body"]["message"]
)
async def test_a_refusal_of_what_was_not_asked_for_is_an_error_and_no_endless_loop(row: dict[str, Any]) -> None:
    async with api(lambda asked: NONE if asked.method == "GET" else httpx.Response(400, json=row["body"])) as blue:
        with pytest.raises(Rejected, match="nonsense"):
            await exports_of(blue).export(Portion("part", ("mqtt",), ("banned",)), node=NODE)


def test_the_root_keys_of_each_edition_were_accepted_by_it_and_the_clusters_own_are_left_out() -> None:
    own = {"listeners", "node", "rpc", "cluster", "dashboard", "api_key", "log", "license", "zones", "limiter"}
    for traits in EDITIONS.values():
        assert not own & set(traits.export_roots)
    assert set(EDITIONS["ee"].export_roots) - set(EDITIONS["ce"].export_roots) == {
        "schema_registry",
        "schema_validation",
        "message_transformation",
    }


async def test_a_download_is_streamed_into_a_file_for_its_owner_and_a_short_one_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / NAME
    async with api(lambda _: httpx.Response(200, content=b"sixsix")) as blue:
        assert await exports_of(blue).download(FACTS, path) == hashlib.sha256(b"sixsix").hexdigest()
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    async with api(lambda _: httpx.Response(200, content=b"six")) as blue:
        with pytest.raises(NotNow, match="3 of 6 bytes"):
            await exports_of(blue).download(FACTS, path)
    async with api(lambda _: httpx.Response(404, json={"code": "NOT_FOUND", "message": "no"})) as blue:
        with pytest.raises(Rejected):
            await exports_of(blue).download(FACTS, path)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib is for synchronous code


def test_a_full_disk_is_told_as_such() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(BadInput, match="No space left"):
        _writer(full, Path("archive"))(b"x")


async def test_an_archive_that_lies_there_is_adopted_by_its_sha256_and_another_one_is_not_overwritten(
    tmp_path: Path,
) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"sixsix")

    def serve(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, content=b"sixsix")
        assert b'name="filename"; filename="' + NAME.encode() in request.read()
        message = f'Backup file "{NAME}" already exists'
        return httpx.Response(400, json={"code": "BAD_REQUEST", "message": message})

    async with api(serve) as green:
        assert not await exports_of(green).upload(path, hashlib.sha256(b"sixsix").hexdigest(), size=6, node=NODE)
        with pytest.raises(Refused, match="another content"):
            await exports_of(green).upload(path, hashlib.sha256(b"ours").hexdigest(), size=6, node=NODE)


async def test_only_the_sources_sys_messages_are_removed() -> None:
    topics = ["$SYS/brokers", f"$SYS/brokers/{NODE}/version", "$SYS/brokers/emqx@127.0.2.1/version"]
    removed: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            removed.append(request.url.raw_path.decode())
            return httpx.Response(204)
        assert request.url.params["topic"] == "$SYS/#"
        rows = [{"topic": topic} for topic in topics]
        return httpx.Response(200, json={"data": rows, "meta": {"limit": 10000, "page": 1, "hasnext": False}})

    async with api(serve, node="emqx@127.0.2.1") as green:
        assert await exports_of(green).remove_foreign_sys([NODE]) == 1
    assert removed == [f"/api/v5/mqtt/retainer/message/%24SYS%2Fbrokers%2Femqx%40{NODE[5:]}%2Fversion"]


def inventory(**sections: list[str]) -> Inventory:
    return Inventory({name: Section(dict.fromkeys(keys, 0), ordered=True) for name, keys in sections.items()})


async def test_orders_are_restored_and_a_file_source_that_blue_does_not_have_goes() -> None:
    sent: list[tuple[str, str, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        sent.append((request.method, request.url.path.removeprefix("/api/v5"), body))
        return httpx.Response(200, json=[{"topic": "t"}]) if request.method == "GET" else httpx.Response(204)

    wanted = inventory(
        authenticators=["a", "b"], authorization_sources=["built_in_database", "http"], auto_subscribe=["t"]
    )
    found = inventory(
        authenticators=["b", "a"],
        authorization_sources=["file", "http", "built_in_database"],
        auto_subscribe=["t", "t#2"],
    )
    async with api(serve) as blue, api(serve) as green:
        changed = await exports_of(green).restore_orders(exports_of(blue), wanted, found)
        assert changed == ["authenticators", "authorization_sources", "auto_subscribe"]
        assert sent == [
            ("PUT", "/authentication/order", [{"id": "a"}, {"id": "b"}]),
            ("DELETE", "/authorization/sources/file", None),
            ("POST", "/authorization/sources/http/move", {"position": "front"}),
            ("POST", "/authorization/sources/built_in_database/move", {"position": "front"}),
            ("GET", "/mqtt/auto_subscribe", None),
            ("PUT", "/mqtt/auto_subscribe", [{"topic": "t"}]),
        ]
        sent.clear()
        assert await exports_of(green).restore_orders(exports_of(blue), wanted, wanted) == []
        assert sent == []


async def test_a_delayed_message_is_published_with_what_remains_of_its_time_and_only_once() -> None:
    recorded = json.loads((Path(__file__).parent / "recordings/emqx/K_checks.json").read_text())
    message = next(row["body"] for row in recorded if row["url"].endswith("325A000017230000"))
    there: list[dict[str, Any]] = []
    published: list[dict[str, Any]] = []

    def listed(rows: list[dict[str, Any]]) -> httpx.Response:
        return httpx.Response(200, json={"data": rows, "meta": {"count": len(rows), "hasnext": False}})

    def blue_serves(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/messages"):
            return listed([{key: value for key, value in message.items() if key != "payload"}])
        assert message["msgid"] in request.url.path
        return httpx.Response(200, json={**message, "delayed_remaining": 850})

    def green_serves(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return listed(there)
        published.append(json.loads(request.content))
        there.append(message)
        return httpx.Response(202, json={"message": "no_matching_subscribers", "reason_code": 16})

    async with api(blue_serves) as blue, api(green_serves) as green:
        assert await exports_of(green).carry_delayed(exports_of(blue)) == 1
        assert await exports_of(green).carry_delayed(exports_of(blue)) == 0
    assert published == [
        {"topic": "$delayed/850/later/x", "payload": "bGF0ZXI=", "payload_encoding": "base64", "qos": 1}
    ]


async def test_a_list_of_archives_of_another_shape_is_an_error_of_ours_that_quotes_nothing() -> None:
    rows = {"data": [{"filename": "planted.tar.gz", "node": NODE, "size": "many"}], "meta": {}}
    async with api(lambda _: httpx.Response(200, json=rows)) as blue:
        with pytest.raises(NotNow, match="unknown shape") as caught:
            await exports_of(blue).archives()
    assert "planted" not in str(caught.value)
    assert "many" not in str(caught.value)
