"""A device for the replays: raw packets over a socket, every packet kept with the time at which it came.

The rule: it says what the recordings' own client said, byte for byte where that matters, and interprets nothing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

WAIT_SECONDS = 30.0


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _packet(first: int, body: bytes) -> bytes:
    size, rest = b"", len(body)
    while True:
        size += bytes([rest % 128 | (0x80 if rest > 127 else 0)])
        rest //= 128
        if not rest:
            return bytes([first]) + size + body


def connect_packet(
    client_id: str,
    *,
    level: int = 4,
    clean: bool = True,
    username: str | None = None,
    password: str | None = None,
    expiry: int | None = None,
    keep_alive: int = 60,
) -> bytes:
    """A CONNECT of MQTT 3.1.1 or 5; ``expiry`` is the Session Expiry Interval of MQTT 5."""
    flags = (2 if clean else 0) | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    properties = b""
    if level == 5:
        inner = b"" if expiry is None else b"\x11" + expiry.to_bytes(4, "big")
        properties = bytes([len(inner)]) + inner
    body = (
        _text(b"MQTT") + bytes([level, flags]) + keep_alive.to_bytes(2, "big") + properties + _text(client_id.encode())
    )
    for value in (username, password):
        body += b"" if value is None else _text(value.encode())
    return _packet(0x10, body)


def publish_packet(topic: str, payload: bytes, *, level: int, qos: int = 0, identifier: int = 1) -> bytes:
    """A PUBLISH."""
    body = _text(topic.encode()) + (identifier.to_bytes(2, "big") if qos else b"") + (b"\x00" if level == 5 else b"")
    return _packet(0x30 | qos << 1, body + payload)


def subscribe_packet(topic: str, *, level: int, options: int = 1, identifier: int = 1) -> bytes:
    """A SUBSCRIBE to one filter."""
    properties = b"\x00" if level == 5 else b""
    return _packet(0x82, identifier.to_bytes(2, "big") + properties + _text(topic.encode()) + bytes([options]))


@dataclass
class Device:
    """One connection: ``packets`` holds (seconds since the epoch, hexadecimal); the end of the connection is ``FIN``."""

    client_id: str
    level: int
    persistent: bool
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    packets: list[tuple[float, str]] = field(default_factory=list)
    connack: str = ""
    _task: asyncio.Task[None] | None = None
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def connect(
        cls,
        host: str,
        client_id: str,
        *,
        level: int = 4,
        persistent: bool = False,
        username: str | None = None,
        password: str | None = None,
        source: str | None = None,
        expiry: int = 7200,
        port: int = 1883,
        keep_alive: int = 60,
    ) -> Device:
        """Connect and wait for the CONNACK (or FIN); a persistent MQTT 5 session expires after ``expiry`` seconds."""
        local = None if source is None else (source, 0)
        reader, writer = await asyncio.open_connection(host, port, local_addr=local)
        device = cls(client_id, level, persistent, reader, writer)
        device._task = asyncio.create_task(device._read())
        device.connack = await device.ask(
            connect_packet(
                client_id,
                level=level,
                clean=not persistent,
                username=username,
                password=password,
                expiry=expiry if persistent and level == 5 else None,
                keep_alive=keep_alive,
            )
        )
        return device

    async def ask(self, packet: bytes) -> str:
        """Send a packet; the next one that comes, or ``FIN``, or nothing within the wait."""
        seen = len(self.packets)
        self.writer.write(packet)
        return await self.next(seen)

    async def next(self, after: int, seconds: float = WAIT_SECONDS) -> str:
        """The packet number ``after``; empty when none comes in time."""
        end = time.monotonic() + seconds
        while len(self.packets) <= after and time.monotonic() < end:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), end - time.monotonic())
            except TimeoutError:
                return ""
        return self.packets[after][1] if len(self.packets) > after else ""

    @property
    def closed_at(self) -> float | None:
        """When the server ended the connection."""
        return self.packets[-1][0] if self.packets and self.packets[-1][1] == "FIN" else None

    def drop(self) -> None:
        """Break the socket without DISCONNECT."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """DISCONNECT and close."""
        if not self.writer.is_closing():
            self.writer.write(b"\xe0\x00")
            self.writer.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _read(self) -> None:
        try:
            while True:
                first = await self.reader.readexactly(1)
                size, shift, head = 0, 0, first
                while True:
                    byte = await self.reader.readexactly(1)
                    head += byte
                    size |= (byte[0] & 0x7F) << shift
                    shift += 7
                    if byte[0] < 0x80:
                        break
                self._keep((head + await self.reader.readexactly(size)).hex())
        except (asyncio.IncompleteReadError, ConnectionError):
            self._keep("FIN")

    def _keep(self, packet: str) -> None:
        self.packets.append((time.time(), packet))
        self._came.set()
