"""A probe ends, whatever devices do on its topic meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from components.emqx import probes
from components.emqx.models import Node
from components.emqx.probes import Prober
from components.mqtt import Connack, Connect, Decoder, Publish, Suback, Subscribe, encode

pytestmark = pytest.mark.lab


async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer CONNECT and SUBSCRIBE; then a device publishes to the topic, and never stops."""
    decoder = Decoder(5)
    try:
        while data := await reader.read(65_536):
            for packet in decoder.feed(data):
                if isinstance(packet, Connect):
                    writer.write(encode(Connack(reason=0, session_present=False), 5))
                elif isinstance(packet, Subscribe):
                    writer.write(encode(Suback(1, (1,)), 5))
                    while True:
                        writer.write(encode(Publish(topic="busy", payload=b"live"), 5))
                        await writer.drain()
                        await asyncio.sleep(0.01)
    except OSError:
        pass
    finally:
        writer.transport.abort()


async def test_a_retained_message_that_is_gone_is_not_waited_for_while_devices_publish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "SECONDS", 0.5)
    async with await asyncio.start_server(busy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        node = Node(name="emqx@a", api="http://a:1", mqtt=f"127.0.0.1:{port}")
        async with asyncio.timeout(60):
            answer = await Prober(node, proxy_protocol=False).reads(5, None, "busy")
    assert (answer.accepted, answer.certain) == (False, False)
    assert answer.seen.startswith("no retained message: none in 0.5 s, after ")
    assert "after 0 " not in answer.seen
