"""Foreign clients, paho-mqtt and aiomqtt, are content with a lab node in both protocol versions."""

from __future__ import annotations

import asyncio
import queue
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from components.mqtt import Connect, encode
from lab.node.broker.cluster import Cluster
from lab.node.broker.websocket import Upgraded, WebSocketListener
from lab.node.kept.store import Store
from tests.lab.node_bed import serving
from tests.lab.node_mqtt_client import PATIENCE_SECONDS

pytestmark = pytest.mark.lab

VERSIONS = pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with serving(2) as made:
        yield made


def ip(cluster: Cluster, index: int) -> str:
    return list(cluster.nodes.values())[index - 1].ip


async def next_message(client: aiomqtt.Client) -> aiomqtt.Message:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await anext(aiter(client.messages))


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_aiomqtt_publishes_and_receives_over_two_nodes(
    cluster: Cluster, version: aiomqtt.ProtocolVersion, qos: int
) -> None:
    async with (
        aiomqtt.Client(ip(cluster, 1), identifier="sub", protocol=version) as sub,
        aiomqtt.Client(ip(cluster, 2), identifier="pub", protocol=version) as pub,
    ):
        await sub.subscribe("t/#", qos=qos)
        for index in range(20):
            await pub.publish(f"t/{index}", str(index), qos=qos)
        found = [await next_message(sub) for _ in range(20)]
        assert [(message.topic.value, message.payload, message.qos) for message in found] == [
            (f"t/{index}", str(index).encode(), qos) for index in range(20)
        ]


@VERSIONS
async def test_aiomqtt_reads_retained_messages_and_wills(cluster: Cluster, version: aiomqtt.ProtocolVersion) -> None:
    async with aiomqtt.Client(ip(cluster, 1), identifier="sub", protocol=version) as sub:
        will = aiomqtt.Will("will", b"gone", 1, retain=True)
        async with aiomqtt.Client(ip(cluster, 2), identifier="dev", protocol=version, will=will) as device:
            await device.publish("r", b"kept", qos=1, retain=True)
            await sub.subscribe("r")
            message = await next_message(sub)
            assert (message.payload, message.retain) == (b"kept", True)
            await sub.subscribe("will")
            cluster.kick("dev")
            assert (await next_message(sub)).payload == b"gone"
            with pytest.raises(aiomqtt.MqttError):
                await next_message(device)


class Device:
    """A paho client whose callbacks fill queues."""

    def __init__(self, client_id: str, version: MQTTProtocolVersion, clean: bool) -> None:
        of_3 = None if version == MQTTProtocolVersion.MQTTv5 else clean
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id, of_3, protocol=version)
        self.version, self.clean = version, clean
        self.connected: queue.Queue[tuple[ReasonCode, bool]] = queue.Queue()
        self.left: queue.Queue[ReasonCode] = queue.Queue()
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.subscribed: queue.Queue[list[ReasonCode]] = queue.Queue()
        self.client.on_connect = lambda _c, _u, flags, reason, _p: self.connected.put((reason, flags.session_present))
        self.client.on_disconnect = lambda _c, _u, _f, reason, _p: self.left.put(reason)
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.subscribed.put(reasons)

    def connect(self, host: str) -> tuple[ReasonCode, bool]:
        if self.version == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0 if self.clean else 3600
            self.client.connect(host, 1883, clean_start=self.clean, properties=properties)
        else:
            self.client.connect(host, 1883)
        self.client.loop_start()
        return self.connected.get(timeout=PATIENCE_SECONDS)


@contextmanager
def device(client_id: str, version: MQTTProtocolVersion, *, clean: bool) -> Iterator[Device]:
    one = Device(client_id, version, clean)
    try:
        yield one
    finally:
        one.client.disconnect()
        one.client.loop_stop()


@pytest.mark.parametrize(
    "version", [MQTTProtocolVersion.MQTTv31, MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5]
)
async def test_paho_resumes_its_session_with_what_was_queued(cluster: Cluster, version: MQTTProtocolVersion) -> None:
    def run() -> tuple[bool, bool, bytes]:
        with device("dev", version, clean=False) as one:
            _, before = one.connect(ip(cluster, 1))
            one.client.subscribe("cmd/dev", 1)
            one.subscribed.get(timeout=PATIENCE_SECONDS)
        with device("pub", version, clean=True) as pub:
            pub.connect(ip(cluster, 1))
            pub.client.publish("cmd/dev", b"queued", 2).wait_for_publish(PATIENCE_SECONDS)
        with device("dev", version, clean=False) as one:
            _, after = one.connect(ip(cluster, 2))
            return before, after, bytes(one.messages.get(timeout=PATIENCE_SECONDS).payload)

    assert await asyncio.to_thread(run) == (False, True, b"queued")


async def test_paho_is_told_why_it_was_thrown_off(cluster: Cluster) -> None:
    async def throw_off(act: str) -> int:
        with device("dev", MQTTProtocolVersion.MQTTv5, clean=True) as one:
            reason, _ = await asyncio.to_thread(one.connect, ip(cluster, 1))
            assert reason.value == 0
            if act == "kick":
                cluster.kick("dev")
            elif act == "evict":
                next(iter(cluster.nodes.values())).evict(1)
            else:
                other = aiomqtt.Client(ip(cluster, 2), identifier="dev")
                async with other:
                    pass
            left = await asyncio.to_thread(one.left.get, timeout=PATIENCE_SECONDS)
            one.client.loop_stop()
            return int(left.value)

    assert [await throw_off(act) for act in ("kick", "evict", "takeover")] == [0x98, 0x9C, 0x8E]


async def test_paho_speaks_no_local_and_shared_subscriptions(cluster: Cluster) -> None:
    def run() -> list[bytes]:
        with device("a", MQTTProtocolVersion.MQTTv5, clean=True) as one:
            one.connect(ip(cluster, 1))
            one.client.subscribe(
                [("own", SubscribeOptions(qos=1, noLocal=True)), ("$share/g/s", SubscribeOptions(qos=1))]
            )
            one.subscribed.get(timeout=PATIENCE_SECONDS)
            for topic in ("own", "s"):
                one.client.publish(topic, topic.encode(), 1).wait_for_publish(PATIENCE_SECONDS)
            return [bytes(one.messages.get(timeout=PATIENCE_SECONDS).payload)]

    assert await asyncio.to_thread(run) == [b"s"]


@pytest.fixture
async def websocket() -> AsyncIterator[Cluster]:
    store = Store(config_file={"listeners": {"ws": {"default": {"enable": True, "bind": "0.0.0.0:8083"}}}})
    async with serving(1, store) as made:
        yield made


@VERSIONS
async def test_aiomqtt_speaks_by_websocket_with_who_does_not(
    websocket: Cluster, version: aiomqtt.ProtocolVersion
) -> None:
    host = ip(websocket, 1)
    async with (
        aiomqtt.Client(host, 8083, identifier="web", protocol=version, transport="websockets") as web,
        aiomqtt.Client(host, identifier="bare", protocol=version) as bare,
    ):
        for one, other in ((web, bare), (bare, web)):
            await one.subscribe("t", qos=1)
            await other.publish("t", b"x" * 70_000, qos=1)
            assert (await next_message(one)).payload == b"x" * 70_000
            await one.unsubscribe("t")
        assert websocket.sessions["web"].listener == "ws:default"
        websocket.kick("web")
        with pytest.raises(aiomqtt.MqttError):
            await next_message(web)


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"GET /other HTTP/1.1", b"404"),
        (b"GET /mqtt HTTP/1.1", b"400"),
        (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", b""),
    ],
)
async def test_what_is_no_upgrade_to_mqtt_is_turned_away(websocket: Cluster, head: bytes, answer: bytes) -> None:
    reader, writer = await asyncio.open_connection(ip(websocket, 1), 8083)
    key = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    writer.write(head + b"\r\nHost: a\r\n" + key + b"\r\n\r\n")
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await reader.read()).partition(b"\r\n")[0][9:12] == answer
    writer.close()


class Sent(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.data = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data

    def close(self) -> None:
        self.data += b"closed"

    abort = close


async def test_a_proxy_header_before_the_upgrade_may_be_cut_anywhere(websocket: Cluster) -> None:
    node = next(iter(websocket.nodes.values()))
    listener = WebSocketListener(node, "ws:proxied", {"bind": "0.0.0.0:8085", "proxy_protocol": True})
    header = bytes.fromhex("0d0a0d0a000d0a515549540a2111000c0a0000070a00000104d2075b")
    upgrade = b"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\n"
    whole = header + upgrade + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    for cut in range(1, len(whole)):
        one, transport = Upgraded(listener, "/mqtt"), Sent()
        one.connection_made(transport)
        for part in (whole[:cut], whole[cut:]):
            one.data_received(part)
        assert transport.data.startswith(b"HTTP/1.1 101"), cut
        assert one.channel.peer == ("10.0.0.7", 1234)
        one.connection_lost(None)


async def test_the_name_in_a_certificate_is_the_user_name_where_the_configuration_takes_it(cluster: Cluster) -> None:
    cluster.store.merge("listeners", {"tcp": {"proxied": {"bind": "0.0.0.0:1884", "proxy_protocol": True}}})
    cluster.store.merge("mqtt", {"peer_cert_as_username": "cn"})
    node = next(iter(cluster.nodes.values()))
    await node.start_listener("tcp:proxied")
    tls = b"\x07" + bytes(4) + b"\x22\x00\x08device-1"
    for more, username in ((b"\x20" + len(tls).to_bytes(2, "big") + tls, "device-1"), (b"", "own")):
        reader, writer = await asyncio.open_connection(node.ip, 1884)
        body = socket.inet_aton("10.0.0.7") + socket.inet_aton("10.0.0.1") + b"\x04\xd2\x07\x5b" + more
        writer.write(bytes.fromhex("0d0a0d0a000d0a515549540a2111") + len(body).to_bytes(2, "big") + body)
        writer.write(encode(Connect(client_id="a", username="own"), 4))
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await reader.readexactly(4))[3] == 0
        assert (cluster.sessions["a"].username, cluster.sessions["a"].peer) == (username, ("10.0.0.7", 1234))
        writer.close()
