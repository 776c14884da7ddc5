"""Nodes live as long as the process that somebody started for them, in a ground that lives as long as the last of these."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from components.system.living import ended
from components.system.trusted import authorities
from lab.node import network
from tests.lab.node_process import NodeProcess, node_process, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

KEY = ("lab", "lab-secret-lab-secret")
CALL_SECONDS = 20.0


def rows(of: NodeProcess) -> list[dict[str, str]]:
    """What the first node says of its cluster's nodes; nothing while it does not answer."""
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(
            f"{of.ready['nodes'][0]['api']}/api/v5/nodes", auth=KEY, timeout=CALL_SECONDS, verify=authorities()
        )
        if answer.status_code == 200:
            found: list[dict[str, str]] = answer.json()
            return found
    return []


def shown(of: NodeProcess) -> dict[str, str]:
    return {row["node"]: row["node_status"] for row in rows(of)}


def states(control: str) -> list[str]:
    return [
        node["state"]
        for node in httpx.get(f"{control}/state", timeout=CALL_SECONDS, verify=authorities()).json()["nodes"]
    ]


def names(of: NodeProcess) -> set[str]:
    return {one["name"] for one in of.ready["nodes"]}


def places(path: Path) -> tuple[Path, Path]:
    blue, green = path / "blue", path / "green"
    blue.mkdir()
    green.mkdir()
    return blue, green


def free(prefix: str) -> bool:
    """Whether nobody has a network any more."""
    with contextlib.suppress(OSError):
        network.hold(prefix)
        network.release(prefix)
        return True
    return False


async def test_nodes_of_another_release_join_and_outlive_those_that_they_joined(tmp_path: Path) -> None:
    first, second = places(tmp_path)
    async with node_process(first, "--nodes", "2", "--version", "5.8.10", key=KEY) as blue:
        control = blue.ready["control"]
        options = ("--name", "green", "--nodes", "1", "--version", "5.8.11", "--join", control)
        async with node_process(second, *options) as green:
            assert green.ready["control"] == control
            assert green.ready["pid"] == green.process.pid
            everybody = dict.fromkeys(names(blue) | names(green), "running")
            await until(lambda: shown(green) == everybody == shown(blue), "one cluster")
            assert {row["node"]: row["version"] for row in rows(green)} == (
                dict.fromkeys(names(blue), "5.8.10") | dict.fromkeys(names(green), "5.8.11")
            )
            blue.process.terminate()
            assert await blue.process.wait() == 0
            left = dict.fromkeys(names(blue), "stopped") | dict.fromkeys(names(green), "running")
            await until(lambda: shown(green) == left, "blue's nodes have stopped and are members")
            assert states(control) == ["stopped", "stopped", "running"]
    await until(lambda: free(green.ready["network"]), "the ground has ended")
    assert free(blue.ready["network"])


async def test_the_death_of_a_life_line_kills_its_nodes_alone_and_they_come_back_to_their_cluster(
    tmp_path: Path,
) -> None:
    first, second = places(tmp_path)
    async with node_process(first, "--nodes", "1", key=KEY) as blue:
        options = ("--name", "green", "--nodes", "1", "--join", blue.ready["control"])
        async with node_process(second, *options) as green:
            blue.process.kill()
            await blue.process.wait()
            dead = dict.fromkeys(names(blue), "stopped") | dict.fromkeys(names(green), "running")
            await until(lambda: shown(green) == dead, "blue's node is dead")
            (first / "ready.json").unlink()
            # as it was started at first, so without a word about whom to join
            async with node_process(first, "--nodes", "1", "--network", blue.ready["network"], key=KEY) as again:
                assert names(again) == names(blue)
                assert again.ready["control"] == blue.ready["control"]
                everybody = dict.fromkeys(names(blue) | names(green), "running")
                await until(lambda: shown(green) == everybody, "it is a member again")


async def test_a_killed_cluster_is_gone_at_once_and_comes_back_at_its_addresses(tmp_path: Path) -> None:
    async with node_process(tmp_path, "--nodes", "2", key=KEY) as blue:
        ground = psutil.Process(blue.process.pid).children()
        assert len(ground) == 1
        blue.process.kill()
        await blue.process.wait()
    (tmp_path / "ready.json").unlink()
    async with node_process(tmp_path, "--nodes", "2", "--network", blue.ready["network"], key=KEY) as again:
        assert names(again) == names(blue)
        assert ended(ground[0].pid)


async def test_a_frozen_life_line_freezes_its_nodes_until_it_goes_on(tmp_path: Path) -> None:
    async with node_process(tmp_path, "--nodes", "1", key=KEY) as blue:
        (ground,) = psutil.Process(blue.process.pid).children()
        os.kill(blue.process.pid, signal.SIGSTOP)
        try:
            await until(lambda: ground.status() == psutil.STATUS_STOPPED, "the nodes are frozen")
        finally:
            os.kill(blue.process.pid, signal.SIGCONT)
        await until(lambda: bool(shown(blue)), "they go on")


async def test_a_wrong_licence_ends_the_boot_and_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="bad_license_format") as failure:
        async with node_process(tmp_path, "--nodes", "1", EMQX_LICENSE__KEY="planted-licence"):
            pass
    assert "planted-licence" not in str(failure.value)


async def test_a_life_line_that_nobody_is_there_to_join_serves_alone(tmp_path: Path) -> None:
    async with node_process(tmp_path, "--nodes", "1", "--join", "http://127.0.0.1:9", key=KEY) as green:
        await until(lambda: shown(green) == dict.fromkeys(names(green), "running"), "a cluster of its own")


async def test_a_life_line_whose_nodes_do_not_join_says_where_they_are_and_gets_its_own_new_nodes(
    tmp_path: Path,
) -> None:
    first, second = places(tmp_path)
    async with node_process(first, "--nodes", "1", key=KEY) as blue:
        control = blue.ready["control"]
        posted(f"{control}/faults", kind="joins", cookie="another")
        options = ("--name", "green", "--nodes", "1", "--join", control)
        async with node_process(second, *options) as green:
            assert shown(green) == dict.fromkeys(names(green), "running"), "alone, and 200 everywhere"
            posted(f"{control}/faults", kind="joins", factor=1000.0)
            added = posted(f"{control}/nodes", of="green").json()["name"]
            assert added.startswith(f"emqx@{green.ready['network']}.")


def posted(url: str, **body: Any) -> httpx.Response:
    return httpx.post(url, json=body, timeout=CALL_SECONDS, verify=authorities()).raise_for_status()
