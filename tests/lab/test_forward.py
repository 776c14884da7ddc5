"""Ports of pods as addresses of this machine: bytes go both ways, and a forward that dropped is a new one at the next connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from components.emqx.models import ClusterHandle, Node
from components.emqx.reach import reached
from components.kubernetes import forward, loop
from components.kubernetes.place import Place, pod_of
from components.routers.haproxy.runtime import ask
from tests.lab.kubernetes_bed import FakeKubernetes, served

pytestmark = pytest.mark.lab
PLACE = Place(namespace="mqtt", access="port-forward")
HOST = "emqx-blue-0.emqx-blue-nodes.mqtt.svc.cluster.local"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    fake = FakeKubernetes()
    with served(fake, tmp_path) as kubeconfig:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield fake
        loop.close()


@asynccontextmanager
async def echoing(word: bytes) -> AsyncIterator[tuple[str, int]]:
    """Somebody who answers each line with a word, and ends after it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if line:
            writer.write(word + line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


async def said(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_forward_that_dropped_is_opened_again(fake: FakeKubernetes) -> None:
    async with echoing(b"first ") as one, echoing(b"second ") as two:
        port = await asyncio.to_thread(forward.port, PLACE, "emqx-blue-0", 18083)
        fake.ports["emqx-blue-0", 18083] = one
        assert await said(port) == b"first hello\n"
        fake.away = True
        assert await said(port) == b"", "whoever connects sees an end, no more"
        fake.away = False
        fake.ports["emqx-blue-0", 18083] = two
        assert await said(port) == b"second hello\n", "the pod was started again"
        assert await asyncio.to_thread(forward.port, PLACE, "emqx-blue-0", 18083) == port


async def test_how_long_the_way_to_a_pod_took_is_told_once_to_whoever_measures_the_pod(fake: FakeKubernetes) -> None:
    async with echoing(b"") as one:
        port = await asyncio.to_thread(forward.port, PLACE, "emqx-blue-0", 1883)
        fake.ports["emqx-blue-0", 1883] = one
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        local = writer.get_extra_info("sockname")
        writer.write(b"hello\n")
        async with asyncio.timeout(60):
            assert await reader.read() == b"hello\n"
        writer.close()
    assert forward.opening_seconds(local) > 0
    assert forward.opening_seconds(local) == 0
    assert forward.opening_seconds(("127.0.0.1", port)) == 0, "no end of a connection of ours"


async def test_an_admin_socket_is_forwarded_to_a_path_that_only_we_may_open(fake: FakeKubernetes) -> None:
    async with echoing(b"said ") as place:
        fake.ports["emqx-haproxy-abc", 9777] = place
        path = await forward.socket(PLACE, "emqx-haproxy-abc", 9777, "admin.sock")
        assert Path(path).parents[1].stat().st_mode & 0o077 == 0
        assert await asyncio.to_thread(ask, path, "show info", 30.0) == "said show info\n"


def test_what_is_reached_is_near_and_what_is_configured_stays(fake: FakeKubernetes) -> None:
    node = Node(name=f"emqx@{HOST}", api=f"http://{HOST}:18083", mqtt=f"{HOST}:1883")
    handle = ClusterHandle(colour="blue", nodes=(node,), version="5.8.9", pods=PLACE)
    near = reached(handle)
    assert near.nodes[0].name == node.name
    assert near.nodes[0].api.startswith("http://127.0.0.1:")
    assert near.nodes[0].mqtt.startswith("127.0.0.1:")
    assert handle.nodes[0] == node
    assert reached(near) == near
    direct = handle.model_copy(update={"pods": Place(namespace="mqtt", access="direct")})
    assert reached(direct) == direct


@pytest.mark.parametrize(
    ("host", "pod"),
    [(HOST, "emqx-blue-0"), ("10.0.0.1", None), ("emqx", None), ("::1", None), ("Emqx.nodes.svc", None)],
)
def test_a_pod_is_known_by_the_host_of_its_node(host: str, pod: str | None) -> None:
    assert pod_of(host) == pod
