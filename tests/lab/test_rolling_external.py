"""Nodes on machines that are not ours are rolled by the commands of their owner, in real `pulumi up`s; a copy goes back, and data are set aside.

The tests are one story, each goes on where the one before ended.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from components.emqx.errors import GaveUp, Refused
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle
from components.keepers.__main__ import app
from components.keepers.base import NodeKeeper, Running
from components.keepers.copies import manifest_of
from components.keepers.registry import keeper_of
from lab.stage import Scene
from lab.workspace import Secret
from tests.lab.agreement import plan_and_act_agree
from tests.lab.node_process import NodeProcess, node_process
from tests.lab.rolling_bed import SCRIPT, Roll, commands

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SCENE = Scene(
    clients=30,
    budget_per_second=60,
    edition="ce",
    blue="5.8.8",
    nodes=2,
    persistent_fraction=0.5,
    gates={"connectLatencyP99Milliseconds": 30_000},  # of a machine that does other things too
)


class Theirs(Roll):
    """The live colour is given by its addresses, with a keeper of its owner's."""

    def __init__(self, directory: Path, given: dict[str, Any], secret: str) -> None:
        super().__init__(directory, SCENE)
        self.given, self.secrets["blue"] = given, secret

    def configure(self, live: str = "blue", *colours: str, **more: Any) -> None:
        super().configure(live, *colours, **more)
        cluster = {
            "target": "external",
            "edition": self.edition,
            "proxyProtocol": True,
            "version": self.version,
            "nodes": [{key: node[key] for key in ("name", "api", "mqtt")} for node in self.given["nodes"]],
            "keeper": {word: list(command) for word, command in commands(self.given["control"]).items()},
        }
        credential = {"apiKey": "upgrade-blue", "apiSecret": Secret(self.secrets["blue"])}
        self.workspace.set_config({"clusters": {"blue": cluster}, "credentials": {"blue": credential}})

    def ready(self, colour: str) -> dict[str, Any]:
        return self.given


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], str]]:
    """Two nodes of open source 5.8.8, as their owner runs them; and the secret of their API key."""
    directory, secret = tmp_path_factory.mktemp("theirs"), secrets.token_urlsafe(24)
    words = ("--name", "blue", "--version", SCENE.blue, "--edition", "ce", "--nodes", "2", "--proxy-protocol")

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        process = runner.run(_entered(stack, node_process(directory, *words, key=("upgrade-blue", secret))))
        try:
            yield process.ready, secret
        finally:
            runner.run(stack.aclose())


async def _entered(stack: AsyncExitStack, made: AbstractAsyncContextManager[NodeProcess]) -> NodeProcess:
    return await stack.enter_async_context(made)


def kept(machines: tuple[dict[str, Any], str], **other: tuple[str, ...]) -> NodeKeeper:
    ready, secret = machines
    where = KeeperHandle(kind="commands", place="", commands={**commands(ready["control"]), **other}, seconds=60)
    handle = ClusterHandle(
        colour="blue", nodes=ready["nodes"], version="5.8.9", edition="ce", proxy_protocol=True, keeper=where
    )
    keeper = keeper_of(handle, Credentials(api_key="upgrade-blue", api_secret=secret))
    assert keeper is not None
    return keeper


def test_a_roll_stops_copies_and_starts_each_node_by_the_commands_of_its_owner(
    machines: tuple[dict[str, Any], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ready, secret = machines
    with Theirs(tmp_path_factory.mktemp("stage"), ready, secret) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.declare("5.8.9")
        assert stage.versions() == ["5.8.8"] * 2
        stage.workspace.up().good()
        assert stage.versions() == ["5.8.9"] * 2
        assert plan_and_act_agree(stage).direction == "roll"
        fleet = stage.end_fleet()
        assert fleet["refused_connections"] == 0
        assert fleet["disconnects"]["max"] <= 3
        copies = sorted((stage.work / "backups").glob("*/*-5.8.8-ce"))
        assert len(copies) == 2
        manifest = manifest_of(copies[0])
        assert (manifest.version, manifest.edition) == ("5.8.8", "ce")
        assert all(one.path.startswith("data/") for one in manifest.files)
        refused = CliRunner().invoke(app, ["restore", str(copies[0])])
        assert refused.exit_code == 1
        assert "it listens at" in refused.output
        state = httpx.get(f"{ready['control']}/state", timeout=30).json()["nodes"]
        data = next(Path(one["data"]) for one in state if one["name"] == manifest.node)
        asyncio.run(_there_and_back(machines, copies[0], manifest.node, data))


async def _there_and_back(machines: tuple[dict[str, Any], str], copy: Path, node: str, data: Path) -> None:
    keeper = kept(machines)
    assert await keeper.runs(node) == Running("5.8.9", "ce")
    with pytest.raises(Refused, match=r"5\.8\.9 \(ce\) runs there"):
        await keeper.start(node, "5.8.8", "ce")
    with pytest.raises(Refused, match="it listens at"):
        await keeper.set_aside(node)
    await keeper.stop(node)
    await keeper.stop(node)
    assert await keeper.runs(node) is None
    (data / "later").write_text("written after the copy")
    done = await asyncio.to_thread(CliRunner().invoke, app, ["restore", str(copy)])
    assert done.exit_code == 0, done.output
    assert not (data / "later").exists()
    assert (data.with_name("data.before") / "later").exists()
    with pytest.raises(GaveUp, match=r"it runs 5\.8\.8 \(ce\)\. Next: let .*keeper\.start install"):
        await kept(
            machines, start=(sys.executable, SCRIPT, machines[0]["control"], "start", "{node}", "5.8.8", "ce")
        ).start(node, "5.8.9", "ce")
    await keeper.stop(node)
    assert await keeper.set_aside(node) == data.with_name(f"{data.name}.left")
    archive = copy / "node.tar"
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    spoilt = await asyncio.to_thread(CliRunner().invoke, app, ["restore", str(copy)])
    assert spoilt.exit_code == 1
    assert "files are not what the manifest says" in spoilt.output
