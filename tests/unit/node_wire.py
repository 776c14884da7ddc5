"""A client behind a channel without a socket, for tests of the broker that need no network."""

from __future__ import annotations

import asyncio
from typing import cast

from components.mqtt import Connect, Decoder, Packet, Puback, Publish, encode
from lab.node.broker.channel import Channel
from lab.node.broker.listener import Listener
from lab.node.broker.node import BrokerNode
from lab.node.broker.packets import handle


class Wire:
    """One connection; it acknowledges what it gets when it is pumped, never while the broker is writing."""

    def __init__(self, node: BrokerNode, connect: Connect, listener: Listener | None = None) -> None:
        self.node = node
        self.written = b""
        self.closed = False
        self.got: list[Packet] = []
        self.level = connect.level
        self._decoder = Decoder(level=connect.level)
        listener = listener or node.listeners.setdefault("tcp:default", Listener(node, "tcp:default", {}))
        self.channel = Channel(listener, handle)
        self.channel.connection_made(cast("asyncio.Transport", self))
        self.say(connect)

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return ("10.0.0.1", 1234)

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def say(self, packet: Packet) -> None:
        self.channel.data_received(encode(packet, self.level))

    def pump(self) -> bool:
        data, self.written = self.written, b""
        packets = self._decoder.feed(data)
        self.got += packets
        for packet in packets:
            if isinstance(packet, Publish) and packet.packet_id and not self.closed:
                self.say(Puback(packet.packet_id))
        if self.closed:
            self.channel.connection_lost(None)
        return bool(packets)

    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.got if isinstance(packet, Publish)]
