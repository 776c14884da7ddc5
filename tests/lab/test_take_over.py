"""The session of an offline client comes to another node whole: in order, nothing lost or doubled, with the expiry that it had."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from components.emqx.answers import SessionFacts
from components.emqx.base import Cluster
from components.emqx.models import ClusterHandle, Credentials, Node
from components.emqx.registry import cluster_of
from components.emqx.take_over import take_over
from lab.node.process import Managed
from tests.lab.recordings.bed import AUTH, api, cluster, host
from tests.lab.recordings.device import Device, subscribe_packet

pytestmark = pytest.mark.lab

MESSAGES = 5


def one_node(managed: Managed, number: int) -> Cluster:
    address = host(managed, number)
    node = Node(name=f"emqx@{address}", api=f"http://{address}:18083", mqtt=f"{address}:1883")
    handle = ClusterHandle(colour="blue", nodes=(node,), version=managed.settings.version)
    return cluster_of(handle, Credentials(api_key=AUTH[0], api_secret=AUTH[1]), scope="colour", patience_seconds=5.0)


@asynccontextmanager
async def left_on_the_first(directory: Path, level: int) -> AsyncIterator[tuple[Managed, Cluster, Cluster]]:
    """Two nodes; ``sleeper`` has a session with a queue on the first, and is offline."""
    async with (
        cluster(directory, nodes=2, edition="ce", version="5.8.9") as managed,
        one_node(managed, 1) as old,
        one_node(managed, 2) as new,
    ):
        device = await Device.connect(host(managed, 1), "sleeper", level=level, persistent=True, expiry=4_321)
        await device.ask(subscribe_packet("cmd/sleeper", level=level))
        await device.close()
        async with api(managed, 2) as client:
            for number in range(MESSAGES):
                message = {"topic": "cmd/sleeper", "payload": f"m{number}", "qos": 1}
                assert (await client.post("/publish", json=message)).status_code == 200
        yield managed, old, new


@pytest.mark.parametrize("level", [4, 5])
async def test_a_session_comes_over_whole_and_its_device_finds_everything(tmp_path: Path, level: int) -> None:
    async with left_on_the_first(tmp_path, level) as (managed, old, new):
        (session,) = await old.offline_sessions(10)
        assert (session.clientid, session.mqueue_len) == ("sleeper", MESSAGES)
        assert await take_over(new.handle.nodes[0], session, None, proxied=False) == "taken"
        assert await old.offline_sessions(10) == []
        (there,) = await new.offline_sessions(10)
        assert there.expiry_seconds == session.expiry_seconds
        assert there.mqueue_len + there.inflight_cnt == MESSAGES
        back = await Device.connect(host(managed, 2), "sleeper", level=level, persistent=True, expiry=4_321)
        assert back.connack[4:6] == "01", "session present"
        last = ""
        for number in range(MESSAGES):
            last = await back.next(1 + number)
            assert bytes.fromhex(last).endswith(f"m{number}".encode())
        await back.close()


async def test_a_session_that_is_gone_already_leaves_nothing_in_its_place(tmp_path: Path) -> None:
    async with left_on_the_first(tmp_path, 5) as (_, _, new):
        gone = SessionFacts("long-gone", False, 0, 0, None, 600)
        assert await take_over(new.handle.nodes[0], gone, None, proxied=False) == "absent"
        assert await new.offline_sessions(10) == []


async def test_a_node_that_lets_us_not_in_is_told_and_the_session_stays(tmp_path: Path) -> None:
    async with left_on_the_first(tmp_path, 5) as (managed, old, new):
        assert await old.takes_any_client_id()
        (session,) = await old.offline_sessions(10)
        async with api(managed) as client:
            by_id = {"mechanism": "password_based", "backend": "built_in_database", "user_id_type": "clientid"}
            hashing = {"password_hash_algorithm": {"name": "sha256", "salt_position": "suffix"}}
            answer = await client.post("/authentication", json=by_id | hashing)
            assert answer.status_code == 200, answer.text
        assert not await old.takes_any_client_id()
        assert await take_over(new.handle.nodes[0], session, None, proxied=False) == "refused"
        assert [one.clientid for one in await old.offline_sessions(10)] == ["sleeper"]
