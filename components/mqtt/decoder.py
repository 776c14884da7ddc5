"""Bytes to packets, incrementally: feed what the socket gave, get the packets that are complete, in order.

The decoder trusts nothing: whatever is no packet of the level raises `MalformedPacket`, after which it must not be used again.
"""

from __future__ import annotations

from components.mqtt.packets import Connect, Packet
from components.mqtt.parsers import PARSERS
from components.mqtt.wire import MalformedPacket, PacketTooLarge, Reader

_CONNECT = 1


class Decoder:
    """Decodes one direction of one connection.

    Args:
        level: 3, 4 or 5; None on the server's side, which learns it from the CONNECT (nothing else may come first).
        max_packet_size: bytes of a whole packet; a larger one raises `PacketTooLarge` as soon as its length is known.

    """

    __slots__ = ("_buffer", "level", "max_packet_size")

    def __init__(self, level: int | None = None, max_packet_size: int = 268_435_460) -> None:
        self.level, self.max_packet_size = level, max_packet_size
        self._buffer = b""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are complete with `data`.

        Raises:
            MalformedPacket: these bytes cannot be a packet; packets before them in the same data are lost with the connection.

        """
        buffer = self._buffer + data if self._buffer else data
        packets: list[Packet] = []
        start, size = 0, len(buffer)
        while start < size:
            found = self._length(buffer, start)
            if found is None:
                break
            body, end = found
            if end > size:
                break
            packets.append(self._packet(buffer, start, body, end))
            start = end
        self._buffer = buffer[start:]
        return packets

    def _length(self, buffer: bytes, start: int) -> tuple[int, int] | None:
        """Where the body begins and ends; None while the length itself is not complete."""
        first = buffer[start] >> 4
        if first not in PARSERS:
            raise MalformedPacket(f"there is no packet of type {first}")
        value = shift = 0
        position = start + 1
        while position < len(buffer):
            digit = buffer[position]
            position += 1
            value |= (digit & 0x7F) << shift
            if not digit & 0x80:
                if position + value - start > self.max_packet_size:
                    raise PacketTooLarge(
                        f"a packet of {position + value - start} bytes, at most {self.max_packet_size}"
                    )
                return position, position + value
            shift += 7
            if shift > 21:
                raise MalformedPacket("the remaining length has more than four bytes")
        return None

    def _packet(self, buffer: bytes, start: int, body: int, end: int) -> Packet:
        first = buffer[start]
        name, parse = PARSERS[first >> 4]
        if self.level is None and first >> 4 != _CONNECT:
            raise MalformedPacket(
                f"{name} before CONNECT"
            )  # only once it is complete: EMQX waits for the end of junk too
        reader = Reader(buffer, body, end)
        packet = parse(reader, first & 0x0F, self.level or 4)
        if reader.left:
            raise MalformedPacket(f"{name} has {reader.left} bytes too many")
        if self.level is None and isinstance(packet, Connect):
            self.level = packet.level
        return packet
