"""The primitive types of MQTT on the wire (OASIS MQTT 5 section 1.5); reading never goes past the end of its packet."""

from __future__ import annotations


class MalformedPacket(ValueError):  # noqa: N818  the protocol's own word for it
    """The bytes are no MQTT packet; the connection has to be closed."""


class PacketTooLarge(MalformedPacket):
    """The packet is announced larger than the decoder's limit."""


def variable_length(value: int) -> bytes:
    """A variable byte integer of 0 to 268,435,455."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while True:
        value, digit = value >> 7, value & 0x7F
        out.append(digit | 0x80 if value else digit)
        if not value:
            return bytes(out)


def text(value: str) -> bytes:
    """A UTF-8 string with its length."""
    return binary(value.encode())


def binary(value: bytes) -> bytes:
    """Binary data with its length.

    Raises:
        MalformedPacket: more than 65,535 bytes.

    """
    if len(value) > 0xFFFF:
        raise MalformedPacket(f"{len(value)} bytes do not fit a length of two bytes")
    return len(value).to_bytes(2, "big") + value


class Reader:
    """Reads one packet's body from left to right."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self._data, self._position, self._end = data, position, len(data) if end is None else end

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return self._end - self._position

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        start, self._position = self._position, self._position + count
        if self._position > self._end:
            raise MalformedPacket(f"the packet ends {self._position - self._end} bytes too early")
        return self._data[start : self._position]

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.left)

    def byte(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def number(self, size: int) -> int:
        """A big-endian integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def binary(self) -> bytes:
        """Binary data with its length."""
        return self.take(self.number(2))

    def text(self) -> str:
        """A UTF-8 string with its length; U+0000 is not allowed in it."""
        try:
            value = self.binary().decode()
        except UnicodeDecodeError:
            raise MalformedPacket("a string is not UTF-8") from None
        if "\0" in value:
            raise MalformedPacket("a string contains U+0000")
        return value

    def variable_length(self) -> int:
        """A variable byte integer of at most four bytes."""
        value = shift = 0
        while True:
            digit = self.byte()
            value |= (digit & 0x7F) << shift
            if not digit & 0x80:
                return value
            shift += 7
            if shift > 21:
                raise MalformedPacket("a variable byte integer has more than four bytes")
