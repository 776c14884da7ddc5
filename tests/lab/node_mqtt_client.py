"""A raw MQTT client for the node's tests: it keeps every packet and every byte that came, and knows when the FIN came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from components.mqtt import Connack, Connect, Decoder, Disconnect, Packet, Publish, Subscribe, Subscription, encode

P = TypeVar("P")
PATIENCE_SECONDS = 60.0


class Time:
    """A clock that a test may push forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


async def seen(what: Callable[[], bool]) -> None:
    """Wait until something is so; bounded."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not what():  # noqa: ASYNC110  the broker has no event for what a test asks
            await asyncio.sleep(0.01)


class RawClient:
    """One connection.

    Args:
        address: (host, port) of a listener.
        connect: the CONNECT; its level is the connection's.
        first: bytes to send instead of the CONNECT.

    """

    def __init__(self, address: tuple[str, int], connect: Connect, first: bytes | None = None) -> None:
        self.address, self.level = address, connect.level
        self.first = encode(connect) if first is None else first
        self.got: list[Packet] = []
        self.raw = bytearray()
        self.ended = asyncio.Event()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drop()

    async def open(self) -> Self:
        """Connect and send the CONNECT."""
        self.reader, self.writer = await asyncio.open_connection(*self.address)
        self._task = asyncio.create_task(self._read())
        self.writer.write(self.first)
        return self

    def send(self, *packets: Packet) -> None:
        """Send packets in one write."""
        self.writer.write(b"".join(encode(packet, self.level) for packet in packets))

    async def next(self, kind: type[P]) -> P:
        """The next packet of a kind (taken out of `got`); bounded."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            while True:
                for packet in self.got:
                    if isinstance(packet, kind):
                        self.got.remove(packet)
                        return packet
                await self._changed.wait()

    async def connack(self) -> Connack:
        """The answer to the CONNECT."""
        return await self.next(Connack)

    async def fin(self) -> None:
        """Wait until the server has closed."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.ended.wait()

    async def subscribe(self, *topic_filters: str, qos: int = 1) -> None:
        """Send one SUBSCRIBE; its SUBACK stays in `got`."""
        self.send(Subscribe(1, tuple(Subscription(one, qos) for one in topic_filters)))

    async def bye(self) -> None:
        """DISCONNECT, and wait for the FIN."""
        self.send(Disconnect())
        await self.fin()
        await self.drop()

    async def drop(self) -> None:
        """Close without a word."""
        self.writer.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def messages(self) -> list[Publish]:
        """The PUBLISH packets that came and were not taken."""
        return [packet for packet in self.got if isinstance(packet, Publish)]

    async def _read(self) -> None:
        decoder = Decoder(level=self.level)
        try:
            while data := await self.reader.read(65536):
                self.raw += data
                async with self._changed:
                    self.got += decoder.feed(data)
                    self._changed.notify_all()
        except ConnectionResetError:
            pass
        finally:
            self.ended.set()
