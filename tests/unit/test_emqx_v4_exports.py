"""Exports and imports of 4.x: from where the stack says, judged by what a 200 says (V_*_data)."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from components.cutover.versions import parse
from components.emqx.answers import ExportFacts
from components.emqx.base import Portion, exports_of
from components.emqx.errors import NotNow, Refused, Rejected
from components.emqx.models import ClusterHandle, ExportsAccess, Node
from components.emqx.v4.exports import DataExports
from components.emqx.v4.traits import traits_of
from tests.unit.v4_replay import VERSIONS, Replay, api, names_of

pytestmark = pytest.mark.unit

every_version = pytest.mark.parametrize("version", VERSIONS)


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


async def test_a_command_is_told_the_pod_of_a_node_that_is_reached_by_a_forward(tmp_path: Path) -> None:
    script = tmp_path / "kubectl"
    (tmp_path / "export").write_text('{"version": "4.4"}')
    script.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\ncat {tmp_path}/export\n')
    script.chmod(0o755)
    name = "fleet@fleet-emqx-0.fleet-emqx-headless.mqtt.svc.cluster.local"
    access = ExportsAccess(kind="command", command=(str(script), "{pod}", "{host}"))
    node = Node(name=name, api="http://127.0.0.1:40000", mqtt="127.0.0.1:40001")
    handle = ClusterHandle(colour="blue", nodes=(node,), version="4.4.19")
    calls: Any = SimpleNamespace(handle=handle, node=lambda _: node)
    reached = DataExports(calls, traits_of(parse("4.4.19")), access)
    await reached.sha256(ExportFacts(filename="e", node=name, size=1))
    assert (tmp_path / "asked").read_text().split() == ["fleet-emqx-0", name.partition("@")[2]]


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


STARTED = "Node emqx31@127.0.43.1 is started\nemqx is running"


async def test_an_import_waits_until_all_plugins_are_there(tmp_path: Path) -> None:
    first, _ = names_of("4.3.22")
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        starts = request.url.path == "/status" and len(asked) < 3
        if request.url.path == "/status":
            text = "Node emqx31@127.0.43.1 is starting\nemqx is not_running" if starts else STARTED
            return httpx.Response(503 if starts else 200, text=text)
        return httpx.Response(200, json={"code": 0})

    async with api("4.3.22", answer) as green:
        exports = exports_of(green)
        await exports.import_archive("up.json", node=first, waiting=_no_waiting, limit_seconds=60.0)
    assert asked == ["/status"] * 3 + ["/api/v4/data/import"]


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
            if request.url.path == "/status":
                return httpx.Response(200, text=STARTED)
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
