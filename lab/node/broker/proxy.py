"""The PROXY protocol, versions 1 and 2: who the client behind the balancer is; pure (haproxy.org, proxy-protocol.txt)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1_LONGEST = 107
_TLS, _COMMON_NAME = 0x20, 0x22


class Header(NamedTuple):
    """A complete header: the client's address (None for LOCAL and UNKNOWN), how many bytes it took, and the name in the client's certificate."""

    peer: tuple[str, int] | None
    size: int
    common_name: str | None = None


def parse(data: bytes) -> Header | None:
    """The header at the beginning of a connection; None while it is not complete.

    Raises:
        ValueError: there is none, or it is broken.

    """
    if data.startswith(_SIGNATURE[: len(data)]):
        return _version_2(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _version_1(data)
    raise ValueError("the connection does not begin with a PROXY header")


def _version_1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        if len(data) >= _V1_LONGEST:
            raise ValueError("the PROXY header has no end")
        return None
    words = data[:end].decode("ascii", errors="replace").split(" ")
    if words[1:2] == ["UNKNOWN"]:
        return Header(None, end + 2)
    if len(words) != 6 or words[1] not in {"TCP4", "TCP6"}:
        raise ValueError("a broken PROXY header")
    return Header((str(ip_address(words[2])), int(words[4])), end + 2)


def _version_2(data: bytes) -> Header | None:
    if len(data) < 16:
        return None
    command, family, size = data[12], data[13], 16 + int.from_bytes(data[14:16], "big")
    if command not in {0x20, 0x21}:
        raise ValueError("a broken PROXY header")
    if len(data) < size:
        return None
    width = {0x11: 4, 0x21: 16}.get(family)
    if command == 0x20 or width is None:
        return Header(None, size)
    if size < 16 + 2 * width + 4:
        raise ValueError("a broken PROXY header")
    host = ip_address(data[16 : 16 + width])
    port = int.from_bytes(data[16 + 2 * width : 18 + 2 * width], "big")
    return Header((str(host), port), size, _common_name(data[20 + 2 * width : size]))


def _common_name(more: bytes) -> str | None:
    """The name in the client's certificate (docs/emqx/balancer.md#the-name-in-a-clients-certificate); the TLS field begins with five bytes of its own."""
    tls = _fields(more).get(_TLS)
    name = None if tls is None else _fields(tls[5:]).get(_COMMON_NAME)
    return None if name is None else name.decode(errors="replace")


def _fields(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= 3:
        length = int.from_bytes(data[1:3], "big")
        found[data[0]], data = data[3 : 3 + length], data[3 + length :]
    return found
