"""MQTT probes of one node: what it answers to a right and a wrong client, in words that two nodes can be compared by.

Source: docs/emqx/probes.md. Every probe has a fresh client id, because a second connection with the id of one that
is just closing was closed once without a packet. A probe leaves no session (clean start, no expiry) and no message.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from components.emqx.account import Account
from components.emqx.models import Node
from components.mqtt import (
    Connack,
    Connect,
    Decoder,
    Disconnect,
    MalformedPacket,
    Packet,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    encode,
)
from components.system.address import parsed

LEVELS = (4, 5)
SECONDS = 5.0
"""Bound of each answer: a CONNECT is answered in 0.2..5 ms (docs/emqx/probes.md#a-temporary-account)."""

NOT_NOW = frozenset({3, 0x88, 0x89, 0x97, 0x9C, 0x9D})
"""CONNACK codes that say nothing of the client: evacuating, licence, busy (docs/emqx/probes.md#connack)."""

_PROXY_V2 = bytes.fromhex("0d0a0d0a000d0a515549540a")
_P = TypeVar("_P", bound=Packet)
_Act: TypeAlias = "Callable[[Wire, str], Awaitable[Answer]]"


@dataclass(frozen=True)
class Answer:
    """Whether the node let the probe do it, and what was seen; ``certain`` is False where nothing can be concluded."""

    accepted: bool
    seen: str
    certain: bool = True


@dataclass(frozen=True)
class Topics:
    """What the probe's account may do: all under ``own``, subscribe to ``retained``, nothing at ``denied``.

    ``unruled`` has no rule of its own: it shows what the cluster does when nothing matches.
    """

    own: str
    denied: str
    unruled: str
    retained: str | None

    @staticmethod
    def fresh(retained: str | None) -> Topics:
        """Topics that nobody else uses."""
        mark = secrets.token_hex(6)
        return Topics(
            f"upgrade-probe/{mark}", f"upgrade-probe-denied/{mark}", f"upgrade-probe-unruled/{mark}", retained
        )

    def rules(self) -> list[dict[str, str]]:
        """The account's ACL rules in the shape of the management API."""
        found = [
            {"permission": "allow", "action": "all", "topic": f"{self.own}/#"},
            {"permission": "deny", "action": "all", "topic": f"{self.denied}/#"},
        ]
        if self.retained is not None:
            found.append({"permission": "allow", "action": "subscribe", "topic": self.retained})
        return found


class Wire:
    """One MQTT connection; ``expect`` waits at most ``SECONDS`` for a packet of one kind."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, level: int) -> None:
        self._reader, self._writer, self.level = reader, writer, level
        self._decoder = Decoder(level)
        self._waiting: list[Packet] = []
        self.closed_by = ""

    async def send(self, *packets: Packet) -> None:
        """Write packets, in one piece; a broken connection shows at the next ``expect``."""
        try:
            self._writer.write(b"".join(encode(packet, self.level) for packet in packets))
            await self._writer.drain()
        except OSError as error:
            self.closed_by = type(error).__name__

    async def expect(self, kind: type[_P]) -> _P | None:
        """The next packet of this kind; None when the node closed or disconnected, or answered nothing in time."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._next(kind)
        except TimeoutError:
            self.closed_by = f"no answer in {SECONDS:g} s"
        except (OSError, MalformedPacket) as error:
            self.closed_by = type(error).__name__
        return None

    async def end(self) -> None:
        """Wait until the node has closed: then it has done all that it was sent."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                while await self._reader.read(65_536):
                    pass

    async def _next(self, kind: type[_P]) -> _P | None:
        while True:
            for packet in self._waiting:
                if isinstance(packet, kind):
                    self._waiting.remove(packet)
                    return packet
                if isinstance(packet, Disconnect):
                    self.closed_by = f"DISCONNECT 0x{packet.reason:02x}"
                    return None
            data = await self._reader.read(65_536)
            if not data:
                self.closed_by = self.closed_by or "closed without a packet"
                return None
            self._waiting += self._decoder.feed(data)


@asynccontextmanager
async def opened(node: Node, level: int, *, proxy_protocol: bool) -> AsyncIterator[Wire]:
    """A TCP connection to the node's MQTT listener; OSError or TimeoutError when there is none."""
    async with _reached(node.mqtt, proxy_protocol=proxy_protocol) as (reader, writer):
        yield Wire(reader, writer, level)


@asynccontextmanager
async def _reached(
    place: str, *, proxy_protocol: bool
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(*parsed(place))
    try:
        if proxy_protocol:
            writer.write(proxy_header(writer.get_extra_info("sockname"), writer.get_extra_info("peername")))
        yield reader, writer
    finally:
        writer.transport.abort()


def proxy_header(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """PROXY protocol version 2, command PROXY, TCP over IPv4 or IPv6, with our own address as the client's."""
    ours, theirs = ipaddress.ip_address(source[0]), ipaddress.ip_address(destination[0])
    family = 0x11 if ours.version == 4 else 0x21
    ports = int(source[1]).to_bytes(2, "big") + int(destination[1]).to_bytes(2, "big")
    body = ours.packed + theirs.packed + ports
    return _PROXY_V2 + bytes((0x21, family)) + len(body).to_bytes(2, "big") + body


async def answers(node: Node, proxy_protocol: bool) -> bool:
    """Whether the node answers a CONNECT with any CONNACK, with the PROXY header or without (``guards.proxied``)."""
    return (await Prober(node, proxy_protocol=proxy_protocol).connects(4, None, None)).seen.startswith("CONNACK")


async def upgrades(node: Node, proxy_protocol: bool) -> bool:
    """Whether the node's listener for WebSocket understands an upgrade, with the PROXY header or without (``guards.proxied``); another path than EMQX's is none of our business."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    asked = f"GET /mqtt HTTP/1.1\r\nHost: {node.ws}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    asked += f"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    try:
        async with _reached(node.ws or "", proxy_protocol=proxy_protocol) as (reader, writer), asyncio.timeout(SECONDS):
            writer.write(asked.encode())
            answer = await reader.read(12)
    except (OSError, TimeoutError):
        return False
    return answer.startswith(b"HTTP/1.1 ") and answer != b"HTTP/1.1 400"


class Prober:
    """The probes of one node."""

    def __init__(self, node: Node, *, proxy_protocol: bool) -> None:
        self.node, self._proxy = node, proxy_protocol

    async def connects(self, level: int, account: Account | None, password: str | None) -> Answer:
        """CONNECT as this account, with this password; as nobody without an account."""
        try:
            async with opened(self.node, level, proxy_protocol=self._proxy) as wire:
                return await self._connect(wire, account, password)
        except (OSError, TimeoutError) as error:
            return Answer(accepted=False, seen=f"no connection ({type(error).__name__})", certain=False)

    async def converses(self, level: int, account: Account | None, topic: str) -> Answer:
        """SUBSCRIBE to a topic, PUBLISH to it at QoS 1, and receive it."""
        return await self._act(level, account, self._converse, topic)

    async def reads(self, level: int, account: Account | None, topic: str) -> Answer:
        """SUBSCRIBE to a topic that has a retained message, and receive that."""
        return await self._act(level, account, self._read, topic)

    async def subscribes(self, level: int, account: Account | None, topic: str) -> Answer:
        """SUBSCRIBE to a topic; both SUBACK 0x80/0x87 and a closed connection are a refusal (docs/emqx/probes.md#denied-topics)."""
        return await self._act(level, account, self._subscribe, topic)

    async def publishes(self, account: Account | None, topic: str) -> Answer:
        """PUBLISH at QoS 1 with MQTT 5: a PUBACK of 3.1.1 looks the same for a denied message (docs/emqx/probes.md#denied-topics)."""
        return await self._act(5, account, self._publish, topic)

    async def _act(self, level: int, account: Account | None, act: _Act, topic: str) -> Answer:
        try:
            async with opened(self.node, level, proxy_protocol=self._proxy) as wire:
                come = await self._connect(wire, account, account.password if account else None)
                if not come.accepted:
                    return Answer(accepted=False, seen=f"could not connect: {come.seen}", certain=False)
                answer = await act(wire, topic)
                await wire.send(Disconnect())
                return answer
        except (OSError, TimeoutError) as error:
            return Answer(accepted=False, seen=f"no connection ({type(error).__name__})", certain=False)

    async def _connect(self, wire: Wire, account: Account | None, password: str | None) -> Answer:
        fresh = f"upgrade-probe-{secrets.token_hex(8)}"
        await wire.send(
            Connect(
                client_id=account.name if account and account.by_client_id else fresh,
                username=account.name if account else None,
                password=password.encode() if account and password is not None else None,
                level=wire.level,
            )
        )
        answer = await wire.expect(Connack)
        if answer is None:
            return Answer(accepted=False, seen=wire.closed_by, certain=False)
        return Answer(answer.reason == 0, f"CONNACK 0x{answer.reason:02x}", certain=answer.reason not in NOT_NOW)

    async def _subscribe(self, wire: Wire, topic: str) -> Answer:
        await wire.send(Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter=topic, qos=1),)))
        answer = await wire.expect(Suback)
        if answer is None:
            return Answer(accepted=False, seen=wire.closed_by)
        return Answer(answer.reasons[0] < 0x80, f"SUBACK 0x{answer.reasons[0]:02x}")

    async def _publish(self, wire: Wire, topic: str) -> Answer:
        await wire.send(Publish(topic=topic, payload=b"probe", qos=1, packet_id=2))
        answer = await wire.expect(Puback)
        if answer is None:
            return Answer(accepted=False, seen=wire.closed_by)
        return Answer(answer.reason < 0x80, f"PUBACK 0x{answer.reason:02x}")

    async def _converse(self, wire: Wire, topic: str) -> Answer:
        for act in (self._subscribe, self._publish):
            answer = await act(wire, topic)
            if not answer.accepted:
                return answer
        message = await wire.expect(Publish)
        return Answer(message is not None, "received" if message else f"published, not received: {wire.closed_by}")

    async def _read(self, wire: Wire, topic: str) -> Answer:
        answer = await self._subscribe(wire, topic)
        if not answer.accepted:
            return answer
        passed = 0
        try:
            async with asyncio.timeout(SECONDS):
                while (message := await wire.expect(Publish)) is not None:
                    if message.retain:  # devices may publish to the topic at this very moment, and go on with it
                        return Answer(accepted=True, seen="received")
                    passed += 1
        except TimeoutError:
            wire.closed_by = f"none in {SECONDS:g} s"
        # It may have been cleared since it was listed: that says nothing of what clients may do.
        seen = f"no retained message: {wire.closed_by}, after {passed} that devices published"
        return Answer(accepted=False, seen=seen, certain=False)
