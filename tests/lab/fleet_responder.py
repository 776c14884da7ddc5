"""As much of a broker as a fleet's tests need: sessions, own topics, both protocol levels; and a hand to disturb it at will."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Self, cast

from components.mqtt import (
    Connack,
    Connect,
    Decoder,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    encode,
)


@dataclass
class Responder:
    """Answers devices; the fields may be changed at any moment."""

    host: str = "127.0.0.1"
    refuse: int = 0
    silent: bool = False
    drop: bool = False
    double: bool = False
    withhold_pubacks: bool = False
    withhold_connacks: bool = False
    sessions: dict[str, set[str]] = field(default_factory=dict)
    live: dict[str, Link] = field(default_factory=dict)
    connects: list[Connect] = field(default_factory=list)
    publishes: list[Publish] = field(default_factory=list)
    subscribes: Counter[str] = field(default_factory=Counter)
    pings: int = 0
    most: int = 0
    server: asyncio.Server | None = None
    port: int = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()
        for link in list(self.live.values()):
            link.transport.abort()
        await asyncio.sleep(0.01)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Link(self), self.host, self.port, backlog=8192)
        self.port = self.server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self.server is not None
        self.server.close()

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def kick(self, client_id: str, reason: int = 0x98) -> None:
        """As EMQX does: MQTT 5 is told, 3.1.1 is only closed; the session is gone."""
        self.sessions.pop(client_id, None)
        self.cut(client_id, reason)

    def cut(self, client_id: str, reason: int) -> None:
        """The same, with the session kept (an evacuation)."""
        link = self.live.pop(client_id)
        if link.level == 5:
            link.send(Disconnect(reason))
        link.transport.close()


class Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, responder: Responder) -> None:
        self.responder = responder
        self.decoder = Decoder()
        self.client_id = ""
        self.level = 4

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, packet: Packet) -> None:
        self.transport.write(encode(packet, self.level))

    def data_received(self, data: bytes) -> None:
        for packet in self.decoder.feed(data):
            if not self.responder.silent:
                self.handle(packet)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.responder.live.get(self.client_id) is self:
            del self.responder.live[self.client_id]

    def handle(self, packet: Packet) -> None:
        match packet:
            case Connect():
                self.on_connect(packet)
            case Subscribe():
                self.responder.sessions[self.client_id] = {one.topic_filter for one in packet.subscriptions}
                self.responder.subscribes[self.client_id] += 1
                self.send(Suback(packet.packet_id, (1,)))
            case Publish():
                self.on_publish(packet)
            case Pingreq():
                self.responder.pings += 1
                self.send(Pingresp())
            case _:
                pass

    def on_connect(self, packet: Connect) -> None:
        broker = self.responder
        broker.connects.append(packet)
        self.level, self.client_id = packet.level, packet.client_id
        if broker.withhold_connacks:
            return
        if broker.refuse:
            self.send(Connack(broker.refuse))
            self.transport.close()
            return
        if packet.clean_start:
            broker.sessions.pop(packet.client_id, None)
        broker.live[packet.client_id] = self
        broker.most = max(broker.most, len(broker.live))
        self.send(Connack(0, session_present=packet.client_id in broker.sessions))

    def on_publish(self, packet: Publish) -> None:
        broker = self.responder
        broker.publishes.append(packet)
        if packet.packet_id is not None and not broker.withhold_pubacks:
            self.send(Puback(packet.packet_id))
        if packet.topic in broker.sessions.get(self.client_id, ()) and not broker.drop:
            for _ in range(1 + broker.double):
                self.send(Publish(packet.topic, packet.payload))
